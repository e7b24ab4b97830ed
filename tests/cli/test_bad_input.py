"""Bad input of every kind: one clear line, the right exit code, no traceback, and nothing started."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from pathlib import Path

import pytest

from .command import COMMAND, Tenuto

GOOD = 'from tenuto import Meta\nmeta = Meta(name="n", description="d")\nasync def main(args):\n    return args\n'
NO_META = "return 1\n"

pytestmark = pytest.mark.e2e


@pytest.fixture
def files(tenuto: Tenuto) -> Path:
    tenuto.script("good.py", GOOD)
    tenuto.script("nometa.js", NO_META)
    tenuto.script("empty.py", "")
    tenuto.script("huge.js", "//" + "x" * 600 * 1024)
    tenuto.script("module.ts", "export {}")
    tenuto.script("typed.py", GOOD.replace("return args", "return int(1) + 'x'"))
    (tenuto.folder / "binary.py").write_bytes(bytes(range(256)))
    (tenuto.folder / "folder.py").mkdir()
    return tenuto.folder


SCRIPTS = {
    "absent.py": (2, "does not exist"),
    "folder.py": (2, "is a directory"),
    "unknown-name": (2, "no saved workflow"),
    "binary.py": (1, "binary file"),
    "empty.py": (1, "is empty"),
    "huge.js": (1, "at most 524,288"),
    "nometa.js": (1, "meta"),
    "module.ts": (1, "TypeScript"),
    "typed.py": (1, "typed.py:4:"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_that_cannot_run_is_named_with_the_reason(tenuto: Tenuto, files: Path, name: str) -> None:
    code, words = SCRIPTS[name]
    checked, run = tenuto("check", name), tenuto("run", name, "--simulate")
    assert (checked.returncode, run.returncode) == (code, 2)
    for done in (checked, run):
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
    if name not in ("nometa.js", "typed.py"):
        assert run.stderr.count("\n") == 1, "a line with a caret follows only where there is a place in the script"
    assert not tenuto.home.exists()


def test_a_check_tells_what_a_script_names_and_is_not_there(tenuto: Tenuto) -> None:
    meta = "export const meta = { name: 'n', description: 'd' };\n"
    tenuto.script("names.js", meta + "await agent('x', { agentType: 'mason' });\nreturn await workflow('lost');\n")
    done = tenuto("check", "names.js")
    assert done.returncode == 0
    assert "note: line 2 asks for the agent type 'mason', and there are: Explore" in done.stdout
    assert "note: line 3 runs the workflow 'lost'" in done.stdout
    assert len(tenuto.json("check", "names.js")["notes"]) == 2
    assert not tenuto.home.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "Missing argument"),
        (["run", "good.py", "--bogus"], "No such option: --bogus"),
        (["frobnicate"], "No such command"),
        (["run", "good.py", "--args", "{'n': 3}"], "not valid JSON"),
        (["run", "good.py", "--args", "@absent.json"], "does not exist"),
        (["run", "good.py", "--size", "huge"], "--size"),
        (["run", "good.py", "--concurrency", "0"], "--concurrency"),
        (["run", "good.py", "--max-usd", "much"], "--max-usd"),
        (["run", "good.py", "--effort", "some"], "--effort"),
        (["run", "good.py", "--workspace", "absent"], "not a directory"),
        (["run", "good.py", "--workspace", "/", "--simulate"], "the workspace / is a system folder"),
        (["run", "good.py", "--workspace", "/bin", "--simulate"], "is a system folder"),
        (["run", "good.py", "--workspace", "home/store", "--simulate"], "where Tenuto keeps its own files"),
        (["run", "good.py", "--id", "../etc", "--simulate"], "expected letters, digits"),
        (["run", "good.py", "--model", "made-up", "--max-usd", "1", "--simulate"], "price of the model 'made-up'"),
        (["run", "good.py"], "no credential"),
        (["logs", "wf_x", "-f", "--json"], "choose one"),
        (["worker"], "TEMPORAL_ADDRESS is not set"),
        (["show", "../x"], "expected letters"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tenuto: Tenuto, files: Path, words: list[str], said: str) -> None:
    if "home/store" in words:
        (tenuto.home / "store").mkdir(parents=True)
    done = tenuto(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tenuto.home / "service").exists(), "nothing was started"


@pytest.mark.parametrize("name", ["TENUTO_DISABLE", "CLAUDE_CODE_DISABLE_WORKFLOWS"])
def test_starting_runs_can_be_turned_off(tenuto: Tenuto, files: Path, name: str) -> None:
    done = tenuto("run", "good.py", "--simulate", env={name: "1"})
    assert done.returncode == 2
    assert name in done.stderr
    assert not tenuto.home.exists()


@pytest.mark.parametrize(
    "words",
    [["run", "good.py", "--simulate", "--local-store", "--workspace", "folder.py"], ["ls"], ["show", "wf_x"]],
)
def test_an_address_where_no_temporal_listens_is_said_in_one_line_within_seconds(
    tenuto: Tenuto, files: Path, words: list[str]
) -> None:
    began = time.monotonic()
    done = tenuto(*words, env={"TEMPORAL_ADDRESS": "127.0.0.1:9", "TENUTO_LOCAL_STORE": "1"})
    assert time.monotonic() - began < 6
    assert done.returncode == 2
    assert "127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tenuto.home / "service").exists()


def test_a_silent_address_is_given_up_after_seconds(tenuto: Tenuto) -> None:
    """A firewall that drops packets, or something that accepts and never speaks."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        done = tenuto("ls", env={"TEMPORAL_ADDRESS": f"127.0.0.1:{port}", "TENUTO_LOCAL_STORE": "1"})
    assert time.monotonic() - began < 8
    assert done.returncode == 2
    assert "within 5 s" in done.stderr


@pytest.mark.parametrize("command", [["show"], ["result"], ["logs"], ["stop"]])
def test_an_unknown_run_is_exit_code_2(shared: Tenuto, command: list[str]) -> None:
    done = shared(*command, "wf_unknown")
    assert done.returncode == 2
    assert "there is no run 'wf_unknown'" in done.stderr


def test_debug_shows_where_an_error_came_from(tenuto: Tenuto) -> None:
    done = tenuto("run", "absent.py", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_help_and_check_are_there_at_once(tenuto: Tenuto, files: Path) -> None:
    for words in (["--help"], ["check", "good.py"]):
        fastest = 9.0
        for _ in range(3):
            began = _children_cpu_s()
            assert tenuto(*words).returncode == 0
            fastest = min(fastest, _children_cpu_s() - began)
        assert fastest < 0.6, words


def _children_cpu_s() -> float:
    """CPU seconds of the commands that have ended: how busy the machine is does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("store", ["s3://", "s3:///prefix", "gs://", "az://", "az://container", "file:///proc/x"])
@pytest.mark.parametrize("words", [["ls"], ["run", "good.py", "--simulate"]])
def test_a_store_that_cannot_be_opened_is_one_line(tenuto: Tenuto, files: Path, store: str, words: list[str]) -> None:
    done = tenuto(*words, env={"TENUTO_STORE": store})
    said = [line for line in done.stderr.splitlines() if "holds Tenuto's own folder" not in line]
    assert (done.returncode, len(said)) == (2, 1)
    assert store in done.stderr
    assert "TENUTO_STORE" in done.stderr
    assert not (tenuto.home / "service" / "supervisor.json").exists()


def test_a_working_directory_that_was_deleted_is_needed_by_few_commands(shared: Tenuto, tmp_path: Path) -> None:
    def there(words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "bash",
                "-c",
                f'mkdir -p "{tmp_path}/gone" && cd "{tmp_path}/gone" && rmdir "$PWD" && "{COMMAND}" {words}',
            ],
            capture_output=True,
            text=True,
            env=shared.environ(),
            timeout=45,
            check=False,
        )

    assert there("ls").returncode == 0
    unknown = there("show wf_unknown")
    assert (unknown.returncode, "there is no run" in unknown.stderr) == (2, True)
    for words in ("run good.py --simulate", "check good.py", "workflows"):
        done = there(words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "the working directory does not exist any more" in done.stderr
    script = shared.script("elsewhere.py", GOOD)
    assert there(f"run {script} --simulate --workspace {shared.folder}").returncode == 0


@pytest.mark.parametrize("words", [["check"], ["run", "--simulate"]])
def test_a_pipe_is_no_script(tenuto: Tenuto, words: list[str]) -> None:
    os.mkfifo(tenuto.folder / "pipe.js")
    done = tenuto(*words, "pipe.js")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is a pipe" in done.stderr
