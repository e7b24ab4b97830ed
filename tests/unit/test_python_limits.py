"""Limits of a Python step, and who is to blame for one that was cut."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tenuto.workflows.script import python
from tenuto.workflows.script.protocol import Finished, InterpreterBusy, Note, Outcome, StepContext, StepLimit, Waiting
from tenuto.workflows.script.python_pool import GUILTY_CPU_SECONDS, Lease, pool

from .python_play import open_script, result

NOW = StepContext(now=0.0)
BELOW_TEMPORALS_DETECTOR = 2.0
NATIVE = "async def main():\n    x = 3**50000000\n    return x * x * x * x > 0\n"
"""One operation that no clock inside the interpreter can interrupt."""


@pytest.fixture(scope="module", autouse=True)
def _processes_end() -> Iterator[None]:
    yield
    python.close_pool()


def cut(body: str) -> StepLimit:
    """The limit that the first step goes over. A busy machine may have to be asked again: that is the contract."""
    session = open_script(body)
    deadline = time.monotonic() + 30
    while True:
        started = time.monotonic()
        try:
            step = session.start(NOW)
        except StepLimit as limit:
            assert time.monotonic() - started < BELOW_TEMPORALS_DETECTOR
            return limit
        except InterpreterBusy:
            assert time.monotonic() < deadline, "the machine stayed busy"
        else:
            pytest.fail(f"the step passed: {step}")


@pytest.mark.parametrize(
    "body",
    [
        "async def main():\n    while True: pass\n",
        "while True: pass\nasync def main(): pass\n",
        "async def main():\n    while True: await sleep(0)\n",
        "async def main():\n    while True: log('x')\n",
        "async def main():\n    while True: await nothing()\nasync def nothing(): pass\n",
        "def loop():\n    while True: pass\nasync def main():\n    try: loop()\n    except BaseException: pass\n",
        "async def main():\n    return pow(3, 10**700, 7**20000)\n",
        NATIVE,
    ],
)
def test_a_step_that_computes_without_end_is_cut_in_time(body: str) -> None:
    assert cut(body).limit == "time"


@pytest.mark.parametrize(
    "body",
    [
        "async def main():\n    a = []\n    while True: a.append('x' * 100_000 + str(len(a)))\n",
        "async def main():\n    return len('x' * 10**9)\n",
        "async def main():\n    return 9 ** (10**10)\n",
        "async def main():\n    x = 'ab' * 10**7\n    return len(x.replace('ab', 'cd').split('c'))\n",
        "async def main():\n    try:\n        return len([0] * 10**9)\n    except BaseException:\n        return 0\n",
        # Slow to fill: on most machines their time is over first.
        "async def main():\n    a = []\n    while True: a.append([len(a)])\n",
        "async def main():\n    a = {}\n    while True: a['k' + str(len(a))] = str(len(a)) * 10\n",
    ],
)
def test_a_step_that_allocates_without_end_is_cut_for_its_memory_each_time(body: str) -> None:
    assert [cut(body).limit for _ in range(2)] == ["memory"] * 2


def test_a_loop_that_only_makes_garbage_is_cut_for_its_time_also_after_a_hoarder() -> None:
    assert cut("async def main():\n    a = []\n    while True: a.append([len(a)])\n").limit == "memory"
    assert cut("async def main():\n    while True: a = 'x' * 1000\n").limit == "time"


def test_after_a_cut_the_same_step_can_be_tried_again_and_others_go_on() -> None:
    body = "async def main(args):\n    await agent('x')\n    while args: pass\n    return 1\n"
    session = open_script(body, True)
    session.start(NOW)
    for _ in range(2):
        with pytest.raises((StepLimit, InterpreterBusy)):
            session.resume({0: Outcome()}, NOW)
    assert result(body) == 1


def test_errors_that_a_script_raises_itself_are_no_limits() -> None:
    body = (
        "async def main():\n    try:\n        raise MemoryError('x')\n    except MemoryError:\n"
        "        raise TimeoutError('y') from None\n"
    )
    step = open_script(body).start(NOW)
    assert getattr(step, "message", None) == "TimeoutError: y"


@pytest.mark.parametrize("sent", [signal.SIGSTOP, signal.SIGKILL], ids=["starved", "lost"])
def test_a_process_that_is_starved_or_lost_says_nothing_about_the_script(
    sent: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "async def main():\n    log('a')\n    await agent('x')\n    log('b')\n    return 1\n"
    session = open_script(body)
    first = session.start(NOW)
    check = Lease.check

    def stop_it(lease: Lease) -> None:
        check(lease)
        if lease.pid is not None:
            os.kill(lease.pid, sent)

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "check", stop_it)
        started = time.monotonic()
        with pytest.raises(InterpreterBusy):
            session.resume({0: Outcome()}, NOW)
        assert time.monotonic() - started < BELOW_TEMPORALS_DETECTOR
    assert isinstance(first, Waiting)
    assert session.resume({0: Outcome()}, NOW) == Finished((Note("log", "b"),), 1)


def test_a_step_waits_only_so_long_for_a_process_and_is_unchanged() -> None:
    python.close_pool()
    python.set_pool_size(1)
    try:
        session = open_script("async def main():\n    return 1\n")
        with pool().lease(seed="someone else"):
            started = time.monotonic()
            with pytest.raises(InterpreterBusy, match="no interpreter process was free"):
                session.start(NOW)
            assert time.monotonic() - started < 1.0
        assert session.start(NOW) == Finished((), 1)
    finally:
        python.close_pool()
        python.set_pool_size(max(2, os.cpu_count() or 1))


def test_a_pool_has_at_least_one_process() -> None:
    with pytest.raises(ValueError, match="at least one"):
        python.set_pool_size(0)


def test_a_step_cut_by_the_clock_is_guilty_only_of_the_cpu_it_used() -> None:
    with pool().lease(seed="x") as lease:
        assert isinstance(lease.verdict(GUILTY_CPU_SECONDS / 2), InterpreterBusy)
        assert isinstance(lease.verdict(GUILTY_CPU_SECONDS), StepLimit)


def test_no_process_is_held_between_steps() -> None:
    python.close_pool()
    sessions = [open_script("async def main():\n    return await agent('x')\n") for _ in range(20)]
    waiting = [session.start(NOW) for session in sessions]
    assert all(isinstance(step, Waiting) for step in waiting)
    python.close_pool()
    assert [session.resume({0: Outcome(value="y")}, NOW) for session in sessions] == [Finished((), "y")] * 20


def test_closing_the_pool_ends_its_processes_and_may_be_repeated() -> None:
    with pool().lease(seed="x") as lease:
        pid = lease.pid
    assert pid is not None
    os.kill(pid, 0)
    python.close_pool()
    python.close_pool()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
