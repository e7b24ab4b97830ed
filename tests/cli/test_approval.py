"""On a terminal `run` shows what it is about to start and asks, once for each script; elsewhere it does not ask."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time

from .command import COMMAND, Tenuto

SCRIPT = """from tenuto import Meta, agent
meta = Meta(name="{name}", description="To be approved", phases=["Work"])
async def main(args):
    return await agent("work", phase="Work")
"""


def on_terminal(tenuto: Tenuto, *words: str, answer: str, timeout_s: float = 60) -> tuple[int, str]:
    """Run the command on a terminal of its own, and answer what it asks: its exit code, and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *words],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=tenuto.folder,
        env=tenuto.environ({"TERM": "dumb", "COLUMNS": "200"}),
    )
    os.close(theirs)
    shown, answered = "", False
    deadline = time.monotonic() + timeout_s
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65536).decode("utf-8", "replace")
                except OSError:
                    break  # the other end is closed: the command has ended
            if "Run it?" in shown and not answered:
                os.write(ours, f"{answer}\n".encode())
                answered = True
        return process.wait(timeout=max(1.0, deadline - time.monotonic())), shown
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def test_a_script_is_shown_and_asked_about_once_and_again_after_an_edit(shared: Tenuto) -> None:
    shared.script("approved.py", SCRIPT.format(name="approved"))
    words = ("run", "approved.py", "--simulate", "--detach")
    code, shown = on_terminal(shared, *words, "--id", "wf_refused", answer="n")
    assert code == 2 and "not started" in shown
    assert all(word in shown for word in ("To be approved", "Work", "1000 agents, 16 at once", "no ceiling in dollars"))
    assert shared("show", "wf_refused").returncode == 2, "nothing was started"
    code, shown = on_terminal(shared, *words, "--id", "wf_first", answer="y")
    assert code == 0 and "wf_first runs" in shown
    code, shown = on_terminal(shared, *words, "--id", "wf_second", answer="n")
    assert code == 0 and "Run it?" not in shown
    shared.script("approved.py", SCRIPT.format(name="edited"))
    code, shown = on_terminal(shared, *words, "--id", "wf_edited", answer="n")
    assert code == 2 and "Run it?" in shown


def test_yes_and_a_pipe_ask_nothing_and_approve_nothing(shared: Tenuto) -> None:
    shared.script("piped.py", SCRIPT.format(name="piped"))
    words = ("run", "piped.py", "--simulate", "--detach")
    assert shared(*words, "--id", "wf_piped").returncode == 0
    code, shown = on_terminal(shared, *words, "--yes", "--id", "wf_yes", answer="n")
    assert code == 0 and "Run it?" not in shown
    code, shown = on_terminal(shared, *words, "--id", "wf_asked", answer="n")
    assert code == 2 and "Run it?" in shown, "who was not asked has approved nothing"


def test_the_owner_of_a_run_is_shown_wherever_runs_are(shared: Tenuto) -> None:
    shared.script("owned.py", SCRIPT.format(name="owned"))
    assert shared("run", "owned.py", "--simulate", "--id", "wf_owned", "--owner", "ann").returncode == 0
    listed = next(line for line in shared("ls").stdout.splitlines() if line.startswith("wf_owned"))
    assert "ann" in listed.split()
    assert "of ann" in shared("show", "wf_owned").stdout.splitlines()[0]
    assert shared.json("show", "wf_owned")["owner"] == "ann"
