"""What a real shell runs, the policy has seen: commands put together at random, run with a `git` that only tells."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .policy_play import bash, rules

COMMANDS_A_SEED = 60
TELLS = '#!/bin/sh\nfor word; do [ "$word" = push ] && echo push >> "{mark}"; done\nexit 0\n'

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


def single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def double(text: str) -> str:
    for character in '\\"$`':
        text = text.replace(character, f"\\{character}")
    return f'"{text}"'


def disguised(rng: random.Random, word: str) -> str:
    cut = rng.randrange(len(word) + 1)
    start, end = word[:cut], word[cut:]
    hexadecimal = "".join(f"\\x{ord(letter):02x}" for letter in word)
    return rng.choice(
        [
            *(word, word, word, f"'{word}'", f'"{word}"', f"{start}''{end}", f'{start}"$U"{end}', f"{start}$(){end}"),
            *(
                f"$'{hexadecimal}'",
                "".join(f"\\{letter}" for letter in word),
                f"{start}\\\n{end}",
                f"{start}${{U}}{end}",
            ),
        ]
    )


def call(rng: random.Random) -> str:
    git, push = disguised(rng, "git"), disguised(rng, "push")
    return rng.choice(
        [
            *(
                f"{git} {push}",
                f"{git}\t{push} origin",
                f"{git} -C . {push}",
                f"{git} -c a.b=c {push}",
                f"$U {git} {push}",
            ),
            *(
                f"{git} $U {push}",
                f"G={git}; $G {push}",
                f"P={push}; {git} $P",
                f"A=1 {git} {push}",
                f">out {git} {push}",
            ),
            *(f"{git} >out {push}", f"{git} 2>&1 {push}", f"{git} {push} <<<x", f"{git} <<E {push}\nx\nE\n"),
            *(f"<<E {git} {push}\nx\nE\n", f"{git} \\\n {push}", f"{git} \\\n{push}"),
        ]
    )


def around(form: str, quote: Callable[[str], str] = str) -> Callable[[str], str]:
    return lambda command: form.replace("C", quote(command))


AROUND = [
    *map(around, ["true && C", "false || C", "true; C", "true | C", "true & C", "(C\n)", "{ C\n}", "! C", "time C"]),
    *map(
        around, ["echo $(C\n)", 'echo "a $(C\n)"', "X=$(C\n)", "export Z=$(C\n)", "echo ${U:-$(C\n)}", "cat < <(C\n)"]
    ),
    *map(
        around, ["if true; then C\nfi", "for i in 1; do C\ndone", "while C\ndo break; done", "case x in x) C\n;; esac"]
    ),
    *map(around, ["f() { C\n}; f", "coproc C\nwait", "# x\nC", "echo '#'; C", "echo # $(\nC", "x=(1 2); C"]),
    *map(around, ["cat <<E2\n$(C\n)\nE2\n", "sh <<'E3'\nC\nE3\n"]),
    *(around(form, single) for form in ("sh -c C", "bash -lc C", "bash -eo pipefail -c C", "eval C", "trap C EXIT")),
    *(around(form, single) for form in ("echo C | sh", "timeout 5 bash -c C", "nohup sh -c C")),
    *(around(form, single) for form in ("echo x | xargs -I% sh -c C", "find . -maxdepth 0 -exec sh -c C ';'")),
    around("env A=1 bash -c C", double),
]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_runs_a_denied_command_was_refused(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    mark, programs, place = tmp_path / "mark", tmp_path / "bin", tmp_path / "place"
    programs.mkdir()
    place.mkdir()
    (programs / "git").write_text(TELLS.format(mark=mark))
    (programs / "git").chmod(0o755)
    denying, in_part = (
        rules(deny=["Bash(git push:*)"]),
        rules().narrowed(["Read", "Write", "Bash(true)", "Bash(echo:*)"]),
    )
    ran = 0
    for _ in range(COMMANDS_A_SEED):
        command = call(rng)
        for _ in range(rng.randrange(4)):
            command = rng.choice(AROUND)(command)
        mark.unlink(missing_ok=True)
        subprocess.run(
            ["bash", "-c", command],
            cwd=place,
            env={"PATH": f"{programs}:/usr/bin:/bin"},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
        if mark.exists():
            ran += 1
            assert bash(denying, command) is not None, command
            assert bash(in_part, command) is not None, command
    assert ran > COMMANDS_A_SEED / 2, "else nothing was tried"
