"""What a command in the sandbox can do: all that building and testing a project takes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tenuto.activities.sandbox import bubblewrap, force
from tenuto.activities.sandbox.command import TAIL_BYTES, Command, CommandRefused, SandboxUnavailable
from tenuto.activities.sandbox.limits import Limits
from tenuto.activities.sandbox.queue import cpus
from tenuto.activities.sandbox.sandbox import Sandbox

from .conftest import SECRET, Place, git, groups

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no sandbox elsewhere")
BOTH = pytest.mark.parametrize("walls", [True, False], ids=["walls", "no walls"])


@BOTH
async def test_output_exit_code_and_files_are_the_commands_own(place: Place, walls: bool) -> None:
    outcome = await place.run("echo out; echo err >&2; echo made > made.txt; exit 3", walls=walls)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, "out\n", "err\n")
    assert (outcome.stdout_bytes, outcome.stderr_bytes, outcome.ended_by, outcome.log) == (4, 4, None, None)
    assert (place.root / "made.txt").read_text() == "made\n"
    assert (place.root / "made.txt").stat().st_uid == os.getuid()


@BOTH
async def test_a_command_killed_by_a_signal_has_the_shells_exit_code(place: Place, walls: bool) -> None:
    assert (await place.run("kill -TERM $$", walls=walls)).exit_code == 143


async def test_the_workspace_is_at_its_own_path_and_the_directory_is_the_one_asked_for(place: Place) -> None:
    (place.root / "sub").mkdir()
    for cwd in ("sub", str(place.root / "sub"), "./sub/../sub"):
        assert (await place.run("pwd", cwd=cwd)).stdout.strip() == str(place.root / "sub")


@BOTH
@pytest.mark.parametrize("cwd", ["..", "/", "sub/../..", "door", "absent", "README", "/etc"])
async def test_a_directory_outside_of_the_workspace_is_refused(place: Place, cwd: str, walls: bool) -> None:
    (place.root / "door").symlink_to(place.outside)
    with pytest.raises(CommandRefused, match=r"workspace"):
        await place.run("pwd", cwd=cwd, walls=walls)


@BOTH
async def test_a_command_that_no_program_could_take_is_refused(place: Place, walls: bool) -> None:
    for text in ("echo \0", "echo " + "x" * 200_000):
        with pytest.raises(CommandRefused, match="bytes"):
            await place.run(text, walls=walls)
    for env in ({"A=B": "x"}, {"A": "\0"}, {"": "x"}):
        with pytest.raises(CommandRefused, match="variable"):
            await place.sandbox(walls=walls).run(Command("true", env=env))


@BOTH
async def test_the_environment_is_made_anew(place: Place, walls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("PIP_INDEX_URL", f"https://user:{SECRET}@example.com/simple")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    outcome = await place.sandbox(walls=walls).run(Command("env", env={"MINE": "a b\nc", "LD_PRELOAD": ""}))
    variables = dict(line.split("=", 1) for line in outcome.stdout.splitlines() if "=" in line)
    assert SECRET not in outcome.stdout
    assert variables["HOME"] == str(place.home / "home")
    assert variables["MINE"] == "a b"
    assert {"PATH", "TMPDIR", "LANG", "TERM", "USER", "LC_ALL"} <= variables.keys()


async def test_variables_of_the_command_do_not_act_on_what_builds_the_walls(place: Place) -> None:
    (place.root / "evil.c").write_text(
        f'__attribute__((constructor)) void f(void) {{ fclose(fopen("{place.outside}/x", "w")); }}'
    )
    (place.root / "evil.c").write_text("#include <stdio.h>\n" + (place.root / "evil.c").read_text())
    built = await place.run("cc -shared -fPIC -o evil.so evil.c")
    if built.exit_code == 127:
        pytest.skip("there is no compiler")
    outcome = await place.sandbox().run(Command("true", env={"LD_PRELOAD": str(place.root / "evil.so")}))
    assert not (place.outside / "x").exists()
    assert outcome.exit_code != 0


async def test_home_and_temporary_folder_last_from_command_to_command(place: Place) -> None:
    await place.run("echo kept > ~/kept; echo kept > /tmp/kept; echo kept > $XDG_CACHE_HOME/kept || mkdir -p ~/.cache")
    outcome = await place.run("cat ~/kept /tmp/kept")
    assert outcome.stdout == "kept\nkept\n"
    assert not Path("/tmp/kept").exists()


async def test_programs_that_a_command_installs_for_the_user_are_found_by_the_next(place: Place) -> None:
    installed = (
        "mkdir -p ~/.local/bin && printf '#!/bin/sh\\necho here' > ~/.local/bin/mine && chmod +x ~/.local/bin/mine"
    )
    assert (await place.run(installed)).exit_code == 0
    assert (await place.run("mine")).stdout == "here\n"


async def test_commits_have_the_products_identity(place: Place) -> None:
    outcome = await place.run("echo 1 > one && git add one && git commit --quiet -m second && git status --short")
    assert (outcome.exit_code, outcome.stdout) == (0, ""), outcome.stderr
    assert git(place.root, "log", "-1", "--format=%an <%ae> %cn <%ce>") == (
        "Tenuto subagent <subagent@tenuto.invalid> Tenuto subagent <subagent@tenuto.invalid>"
    )


async def test_a_server_on_the_loopback_works_without_network(place: Place) -> None:
    (place.root / "server.py").write_text(
        "import http.server, threading, urllib.request\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "print(urllib.request.urlopen(f'http://localhost:{server.server_port}/README').read())\n"
    )
    assert "a project" in (await place.run("python3 server.py")).stdout


async def test_an_own_environment_with_tests_can_be_made_and_used(place: Place) -> None:
    (place.root / "test_it.py").write_text("import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n")
    outcome = await place.run(
        "python3 -m venv --without-pip .venv && .venv/bin/python -m unittest -q test_it", timeout_s=60
    )
    assert outcome.exit_code == 0, outcome.stderr


async def test_programs_see_an_ordinary_user(place: Place) -> None:
    outcome = await place.run(
        "id -u; id -un; getent passwd $(id -u) | cut -d: -f6; tar cf t.tar README && tar xf t.tar"
    )
    uid, _name, home = outcome.stdout.split()
    assert (int(uid) != 0, home, outcome.exit_code) == (True, str(place.home / "home"), 0)


@BOTH
async def test_of_much_output_the_ends_are_kept_and_all_of_it_in_the_log(place: Place, walls: bool) -> None:
    outcome = await place.run("seq 100000; echo error >&2", walls=walls)
    assert outcome.stdout.endswith("99999\n100000\n")
    assert len(outcome.stdout) == TAIL_BYTES
    assert outcome.stdout_bytes == 588_895
    assert outcome.log is not None
    assert sorted(outcome.log.read_text().splitlines()) == sorted([*map(str, range(1, 100_001)), "error"])
    outcome.log.unlink()


async def test_what_is_not_text_is_replaced(place: Place) -> None:
    assert (await place.run("printf 'a\\377b'")).stdout == "a\N{REPLACEMENT CHARACTER}b"


async def test_no_more_commands_than_cpus_run_at_once_and_the_others_are_told(place: Place) -> None:
    said: list[str] = []
    script = "mkdir .running.$$ && ls -d .running.* | wc -l && sleep 0.2 && rmdir .running.$$"
    sandboxes = [place.sandbox() for _ in range(cpus() * 3)]
    outcomes = await asyncio.gather(*(each.run(Command(script.replace("$$", f"n{number}")), say=said.append)
                                      for number, each in enumerate(sandboxes)))  # fmt: skip
    assert max(int(outcome.stdout) for outcome in outcomes) <= cpus()
    assert len(said) == cpus() * 2


async def test_before_is_called_when_the_turn_has_come_and_its_error_is_raised_with_nothing_run(place: Place) -> None:
    async def fails() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError):
        await place.sandbox().run(Command("touch ran"), before=fails)
    assert not (place.root / "ran").exists()


@pytest.mark.parametrize("root", ["/", "/usr", "/etc"])
async def test_a_system_folder_is_no_workspace(place: Place, root: str) -> None:
    with pytest.raises(SandboxUnavailable, match="--workspace"):
        await Sandbox(Path(root), home=place.home).run(Command("true"))


async def test_where_no_walls_can_be_had_the_error_says_why_and_names_the_switch(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.outside / "bwrap").write_text(
        "#!/bin/sh\necho 'bwrap: Creating new namespace failed: Permission denied' >&2; exit 1\n"
    )
    (place.outside / "bwrap").chmod(0o755)
    cases: Mapping[str, tuple[list[str], str]] = {
        "linux": ([str(place.outside / "bwrap")], "namespace failed: Permission denied"),
        "linux2": ([], "bubblewrap is not installed"),
        "darwin": ([], "darwin"),
    }
    for platform, (programs, words) in cases.items():
        monkeypatch.setattr(bubblewrap, "_known", {})
        monkeypatch.setattr(bubblewrap, "programs", lambda found=programs: found)
        monkeypatch.setattr(sys, "platform", platform)
        began: list[str] = []

        async def before(began: list[str] = began) -> None:
            began.append("begun")

        with pytest.raises(SandboxUnavailable, match=words) as raised:
            await place.sandbox().run(Command("true"), before=before)
        assert "--no-sandbox" in str(raised.value)
        assert began == [], "nothing is written down as begun"


async def test_a_host_that_is_mended_has_walls_without_a_new_worker(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = bubblewrap.programs
    monkeypatch.setattr(bubblewrap, "_known", {})
    monkeypatch.setattr(bubblewrap, "programs", lambda: [])
    with pytest.raises(SandboxUnavailable):
        await force.probe()
    monkeypatch.setattr(bubblewrap, "programs", programs)
    await force.probe()


async def test_what_is_in_force_is_said_limit_by_limit() -> None:
    lines = force.describe_limits()
    assert [line.partition(":")[0] for line in lines] == ["processes", "memory", "output", "disk", "CPU"]
    assert str(Limits().processes) in lines[0]
    assert "bubblewrap at" in await force.describe_walls()
    assert groups() == []
