"""Nothing outlives its command, however the command's Activity or its Worker ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tenuto.activities.sandbox import cgroups
from tenuto.activities.sandbox.command import Command
from tenuto.activities.sandbox.owner import MARK, OWNER, is_gone
from tenuto.activities.sandbox.sweep import remove_home, sweep

from .conftest import Place, groups, processes_with, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no sandbox elsewhere")
BOTH = pytest.mark.parametrize("walls", [True, False], ids=["walls", "no walls"])

LEAVES = (
    "setsid sh -c 'trap \"\" TERM; sleep {m}; sleep {m}' & (nohup sleep {m} &) ; sleep {m} & touch begun; sleep {m}"
)

WORKER = """
    import asyncio, sys
    from pathlib import Path
    from tenuto.activities.sandbox.command import Command
    from tenuto.activities.sandbox.sandbox import Sandbox

    root, home, walls, text = sys.argv[1:]
    sandbox = Sandbox(Path(root), home=Path(home), walls=walls == "True")
    print(asyncio.run(sandbox.run(Command(text))))
"""


@contextmanager
def worker(place: Place, text: str, walls: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that runs a command, as a Worker does."""
    code = textwrap.dedent(WORKER)
    started = subprocess.Popen([sys.executable, "-c", code, str(place.root), str(place.home), str(walls), text])
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@BOTH
async def test_a_cancelled_command_is_gone_when_the_cancellation_arrives(place: Place, walls: bool) -> None:
    task = asyncio.create_task(place.sandbox(walls=walls).run(Command(LEAVES.format(m="8765431"))))
    while not (place.root / "begun").exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with("8765431") == []
    assert list((place.home / "spool").glob("*")) == []


@BOTH
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21])
async def test_a_command_can_be_cancelled_at_any_moment(place: Place, walls: bool, turns: int) -> None:
    task = asyncio.create_task(place.sandbox(walls=walls).run(Command("sleep 8765432")))
    for _ in range(turns):
        await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with("8765432") == []
    assert processes_with(str(place.root)) == []


async def test_a_second_cancellation_does_not_cut_the_clearing_up_short(place: Place) -> None:
    task = asyncio.create_task(place.sandbox(walls=False).run(Command(LEAVES.format(m="8765433"))))
    while not (place.root / "begun").exists():
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with("8765433") == []


async def test_a_command_that_waits_for_its_turn_can_be_cancelled(place: Place) -> None:
    sandbox = place.sandbox()
    running = [asyncio.create_task(sandbox.run(Command("sleep 0.5"))) for _ in range(16)]
    await asyncio.sleep(0.1)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert (await sandbox.run(Command("echo free"))).stdout == "free\n"


@BOTH
def test_after_sigkill_of_the_worker_everything_is_gone_within_ten_seconds(place: Place, walls: bool) -> None:
    mark = f"876544{int(walls)}"
    with worker(place, LEAVES.format(m=mark), walls) as started:
        until((place.root / "begun").exists)
        until(lambda: len(processes_with(f"sleep\0{mark}")) == 4)
        started.send_signal(signal.SIGKILL)
        started.wait()
        until(lambda: processes_with(mark) == [], 10)
        until(lambda: processes_with(str(place.root)) == [], 10)
    sweep(place.home.parent)
    tree = cgroups.tree()
    assert tree is None or not list(tree.parent.glob(f"{cgroups.PREFIX}{started.pid}.*")), "its groups are swept"


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.005, 0.01, 0.02, 0.03])
def test_a_worker_killed_while_the_walls_go_up_leaves_nothing_running(place: Place, delay: float) -> None:
    mark = f"87655{int(delay * 1000):03}"
    with worker(place, f"sleep {mark}", True) as started:
        until(lambda: children(started.pid) or started.poll() is not None, 20)
        signal.sigtimedwait([], delay)
        started.send_signal(signal.SIGKILL)
        started.wait()
    sweep(place.home.parent)
    until(lambda: processes_with(mark) == [], 10)


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def test_a_sweep_ends_what_dead_workers_left_and_nothing_of_live_ones(place: Place) -> None:
    spool = place.home / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    dead = subprocess.Popen(["true"])
    gone = f"{dead.pid}.1.{OWNER.rpartition('.')[2]}"
    dead.wait()
    assert is_gone(gone)
    assert not is_gone(OWNER)
    assert not is_gone("7.7.7"), "a process of another container cannot be seen, so it is not gone"
    for owner in (gone, OWNER, "7.7.7"):
        (spool / f"{owner}-1.log").write_text("half")
    orphan = subprocess.Popen(["sleep", "100"], env={MARK: gone})
    ours = subprocess.Popen(["sleep", "100"], env={MARK: OWNER})
    try:
        until(lambda: Path(f"/proc/{orphan.pid}/cmdline").read_bytes().startswith(b"sleep"))
        sweep(place.home.parent)
        assert orphan.wait(5) == -signal.SIGKILL
        assert ours.poll() is None
    finally:
        for each in (orphan, ours):
            each.kill()
            each.wait()
    assert sorted(path.name for path in spool.glob("*.log")) == sorted([f"{OWNER}-1.log", "7.7.7-1.log"])
    for path in spool.glob("*.log"):
        path.unlink()
    assert groups() == []


def test_a_home_is_removed_with_folders_that_cannot_be_written() -> None:
    base = Path(tempfile.mkdtemp(prefix="tenuto-test-", dir="/tmp"))
    home, elsewhere = base / "wf_ended", base / "elsewhere"
    module = home / "home" / "go" / "pkg" / "mod"
    module.mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "file").write_text("kept")
    (module / "file").write_text("x")
    (module / "link").symlink_to(elsewhere)
    (module / "file").chmod(0o400)
    module.chmod(0o500)
    if os.geteuid() == 0:  # permissions do not bind root: it is done by someone whom they bind
        subprocess.run(["chown", "-Rh", "65534", str(base)], check=True)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                remove_home(home)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    else:
        remove_home(home)
    try:
        assert not home.exists()
        assert (elsewhere / "file").read_text() == "kept"
    finally:
        shutil.rmtree(base)
