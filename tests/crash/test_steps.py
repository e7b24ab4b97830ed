"""A Worker that is killed while a command runs: nothing is run twice unseen, and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from ..e2e.served import Served, ended, until

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

SCRIPT = """from tenuto import Meta, lock, read, sh
meta = Meta(name="kill", description="One command that must not run twice, or may")
async def main(args):
    async def work():
        command = f"echo x >> {args['log']}; sleep 5.{args['mark']}; echo done >> {args['log']}"
        return (await sh(command, repeat=args["repeat"]))["exit_code"]
    try:
        outcome = await lock("deploy", work)
    except RuntimeError as error:
        outcome = str(error).partition(":")[0]
    return [outcome, (await read(args["log"])).split()]
"""


@pytest.mark.parametrize("repeat", [False, True])
def test_a_command_whose_worker_was_killed_runs_again_only_where_it_may(
    served: Served, tmp_path: Path, repeat: bool
) -> None:
    served.tenuto.script("kill.py", SCRIPT)
    log, mark = f"{'again' if repeat else 'once'}.log", f"{os.getpid()}{int(repeat)}"
    args = json.dumps({"log": log, "repeat": repeat, "mark": mark})
    run_id = f"wf_step_{int(repeat)}"
    follower = served.follow("run", "kill.py", "--args", args, "--id", run_id, "--json", "--workspace", str(tmp_path))
    until((tmp_path / log).exists, 40)
    (worker,) = served.tenuto.json("up")["worker_pids"]
    os.kill(worker, signal.SIGKILL)
    if not repeat:
        until(partial(gone, mark), 10)
    report = ended(follower)
    assert report["result"] == ([0, ["x", "x", "done"]] if repeat else ["unknown_outcome", ["x"]])
    assert report["status"] == "completed"
    assert gone(mark)


def gone(mark: str) -> bool:
    """Whether no process of the command is left."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if line.read_bytes() == f"sleep\0{5}.{mark}\0".encode():
                return False
    return True
