"""Limits: what passes one is ended whole, the outcome says by which, and the machine hardly notices."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

import pytest

from tenuto.activities.sandbox import cgroups
from tenuto.activities.sandbox.limits import GIB, MIB, Limits

from .conftest import SMALL, Place, processes_with

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no sandbox elsewhere")
BOTH = pytest.mark.parametrize("walls", [True, False], ids=["walls", "no walls"])


def python(*lines: str) -> str:
    return "python3 -I -S - <<'END'\n" + "\n".join(lines) + "\nEND"


BOMBS = {
    "forks": ("bomb() { bomb | bomb & }; bomb; sleep 30", "processes"),
    "patient forks": (
        python("import os, time", "while True:", "  try: os.fork()", "  except OSError: time.sleep(0.5)"),
        "processes",
    ),
    "memory": (python("held = []", "while True: held.append(bytearray(4 << 20))"), "memory"),
    "memory of many": (
        python(
            "import os, time",
            "for _ in range(6):",
            "  if not os.fork(): held = bytearray(64 << 20); time.sleep(30)",
            "time.sleep(30)",
        ),
        "memory",
    ),
    "output": ("yes", "output"),
    "errors": ("yes >&2", "output"),
    "output of a daemon": ("setsid yes & sleep 30", "output"),
    "disk": ("cat /dev/zero > big", "disk"),
    "disk by many files": ("i=0; while :; do head -c 4M /dev/zero > f$i; i=$((i+1)); done", "disk"),
    "disk without a name": (
        python("import os", "file = open('x', 'wb')", "os.unlink('x')", "while True: file.write(bytes(1 << 20))"),
        "disk",
    ),
    "temporary folder": ("cat /dev/zero > $TMPDIR/big", "disk"),
    "home": ("cat /dev/zero > ~/big", "disk"),
    "CPU": (python("while True: pass"), "cpu"),
}


@BOTH
@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_ended_and_named(name: str, walls: bool, place: Place) -> None:
    text, limit = BOMBS[name]
    try:
        outcome = await place.run(
            text, walls=walls, timeout_s=25, limits=replace(SMALL, cpu_s=1 if limit == "cpu" else 20)
        )
    finally:
        written = [*place.root.glob("f[0-9]*"), *place.home.rglob("big")]
        for path in (*written, place.root / "big"):
            path.unlink(missing_ok=True)
    assert (outcome.ended_by, outcome.exit_code) == (limit, 137)
    if outcome.log is not None:
        assert outcome.log.stat().st_size == SMALL.output_bytes
        outcome.log.unlink()


@BOTH
async def test_without_control_groups_the_watchdog_ends_a_fork_bomb(
    place: Place, monkeypatch: pytest.MonkeyPatch, walls: bool
) -> None:
    monkeypatch.setattr(cgroups, "tree", lambda: None)
    outcome = await place.run(BOMBS["patient forks"][0], walls=walls, limits=replace(SMALL, processes=40))
    assert outcome.ended_by == "processes"


@BOTH
async def test_where_only_the_watchdog_bounds_processes_they_leave_it_the_cpu(
    place: Place, monkeypatch: pytest.MonkeyPatch, walls: bool
) -> None:
    own = os.nice(0)
    assert int((await place.run("nice", walls=walls)).stdout) in (own, own + 10)
    monkeypatch.setattr(cgroups, "tree", lambda: None)
    unbounded = not walls or os.getuid() == 0  # elsewhere RLIMIT_NPROC binds
    assert int((await place.run("nice", walls=walls)).stdout) == own + (10 if unbounded else 0)


@BOTH
async def test_a_timeout_ends_all_of_it(place: Place, walls: bool) -> None:
    began = time.monotonic()
    outcome = await place.run("trap '' TERM; setsid sleep 97531 & echo begun; sleep 97531", timeout_s=1.0, walls=walls)
    assert (outcome.ended_by, outcome.exit_code, outcome.stdout) == ("timeout", 124, "begun\n")
    assert time.monotonic() - began < 11
    assert processes_with("97531") == []


async def test_a_huge_file_with_holes_is_an_error_of_the_command_alone(place: Place) -> None:
    outcome = await place.run("truncate -s 10T big; echo after; ls -s big")
    assert outcome.exit_code == 0
    assert "limit exceeded" in outcome.stderr or "too large" in outcome.stderr
    assert outcome.stdout.startswith("after\n0 ")


async def test_scratch_memory_is_bounded(place: Place) -> None:
    outcome = await place.run("cat /dev/zero > /dev/shm/big")
    assert outcome.exit_code == 1
    assert "No space left" in outcome.stderr


async def test_nothing_can_be_written_where_nothing_is_bounded(place: Place) -> None:
    outcome = await place.run("touch /x; touch /dev/x; touch /run/x; touch /etc/x; mkdir /home/x; touch /var/x")
    assert outcome.stderr.count("Read-only") + outcome.stderr.count("No such file") == 6


async def test_no_memory_is_dumped(place: Place) -> None:
    await place.run("sh -c 'kill -SEGV $$'")
    assert [path.name for path in place.root.iterdir() if path.name.startswith("core")] == []


async def test_a_child_shared_memory_counts_once(place: Place) -> None:
    text = python(
        "import os, time",
        "held = bytearray(96 << 20)",
        "for _ in range(5):",
        "  if not os.fork(): time.sleep(0.4); os._exit(0)",
        "for _ in range(5): os.wait()",
        "print('done')",
    )
    outcome = await place.run(text)
    assert (outcome.ended_by, outcome.stdout) == (None, "done\n")


async def test_writing_that_the_disk_has_room_for_is_nobodys_fault(place: Place) -> None:
    outcome = await place.run("head -c 40M /dev/zero > f && rm f && head -c 40M /dev/zero > g && rm g && sleep 0.2")
    assert (outcome.ended_by, outcome.exit_code) == (None, 0)


async def test_who_fills_a_scarce_disk_is_ended_and_who_does_not_is_not(place: Place) -> None:
    import shutil

    scarce = replace(SMALL, disk_reserve_bytes=shutil.disk_usage(place.root).free + GIB, disk_bytes=GIB)
    assert (await place.run("sleep 0.3; echo fine", limits=scarce)).stdout == "fine\n"
    outcome = await place.run("head -c 60M /dev/zero > big; sleep 20", limits=scarce)
    (place.root / "big").unlink()
    assert outcome.ended_by == "disk"


def test_the_limits_themselves_are_sane() -> None:
    limits = Limits()
    assert limits.output_bytes <= 256 * MIB
    assert limits.memory_bytes > 256 * MIB
