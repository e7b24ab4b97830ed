"""Where output goes: a reader that leaves early is no error, and an output that takes nothing is one in plain words."""

from __future__ import annotations

import subprocess

import pytest

from .command import COMMAND, Tenuto
from .kept_runs import keep_run, record

RUN = "wf_kept"
COMMANDS = [f"show {RUN}", f"show {RUN} --json", f"result {RUN} --json", "ls --json", "ls --all", "--help"]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def kept(shared: Tenuto) -> Tenuto:
    """A run that is large enough for a pipe to be full before its reader has it all."""
    keep_run(shared.home, RUN, [record(RUN, number) for number in range(1500)])
    return shared


def in_shell(tenuto: Tenuto, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        capture_output=True,
        text=True,
        cwd=tenuto.folder,
        env=tenuto.environ({"TENUTO": COMMAND}),
        timeout=45,
        check=False,
    )


@pytest.mark.parametrize("words", COMMANDS)
def test_a_full_disk_is_said_in_one_line(kept: Tenuto, words: str) -> None:
    done = in_shell(kept, f'"$TENUTO" {words} >/dev/full')
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("tenuto:")]
    assert len(said) == 1
    assert said[0].startswith("tenuto: cannot write")
    assert said[0].endswith("No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", COMMANDS)
def test_a_closed_stdout_is_said_in_one_line(kept: Tenuto, words: str) -> None:
    done = in_shell(kept, f'"$TENUTO" {words} >&-')
    assert done.returncode == 1
    assert "cannot write the output: Bad file descriptor" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [f"show {RUN}", f"show {RUN} --json", "ls --all"])
def test_a_reader_that_leaves_early_is_no_error(kept: Tenuto, words: str) -> None:
    done = in_shell(kept, f'"$TENUTO" {words} | head -c 10')
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_does_its_work_though_its_stderr_takes_nothing(kept: Tenuto) -> None:
    for place in ("2>&-", "2>/dev/full"):
        assert in_shell(kept, f'"$TENUTO" show {RUN} --json <&- {place}').returncode == 0
        assert in_shell(kept, f'"$TENUTO" show wf_unknown {place}').returncode == 2


def test_a_result_goes_to_stdout_as_it_goes_to_a_file(shared: Tenuto) -> None:
    source = 'from tenuto import Meta\nmeta = Meta(name="n", description="d")\nasync def main(args):\n    return args\n'
    started = shared("run", shared.script("returns.py", source), "--simulate", "--args", "a text", "--id", "wf_words")
    assert started.returncode == 0, started.stderr
    done = shared("result", "wf_words", "-o", "-")
    assert (done.returncode, done.stdout) == (0, "a text")
    assert not (shared.folder / "-").exists()
