"""Time and memory of JavaScript scripts: who is ended, who is not, and what is left of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tenuto.workflows.script import javascript, javascript_contexts
from tenuto.workflows.script.javascript_pool import PROCESSES_MAX
from tenuto.workflows.script.javascript_process import InterpreterProcess
from tenuto.workflows.script.javascript_session import CONTEXTS
from tenuto.workflows.script.protocol import (
    Call,
    Failed,
    Finished,
    InterpreterBusy,
    Outcome,
    Session,
    Step,
    StepContext,
    StepLimit,
)

META = 'export const meta = { name: "n", description: "d" };\n'
NOW = StepContext(now=0.0)


@pytest.fixture(autouse=True)
def _interpreters() -> Iterator[None]:
    yield
    javascript.close_pool()


def opened(body: str, seed: str = "seed") -> Session:
    return javascript.open_session(javascript.load(META + body), args=None, has_args=False, seed=seed)


def insist(session: Session, deadline_s: float = 20.0) -> Step:
    """Start as a Workflow Task that is retried would."""
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            return session.start(NOW)
        except InterpreterBusy:
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "body",
    [
        "while (true) {}",
        "while (true) await null;",
        "await null; try { while (true) {} } finally { return 1; }",
        "return /(a+)+$/.test('a'.repeat(40) + 'b');",
        "return new Array(2 ** 32 - 1).join('');",
    ],
)
def test_a_step_without_an_end_goes_over_its_time(body: str) -> None:
    with pytest.raises(StepLimit) as caught:
        insist(opened(body))
    assert caught.value.limit == "time"


@pytest.mark.parametrize(
    "body",
    [
        "const kept = []; for (;;) kept.push(new Array(1000).fill(0));",
        "const kept = []; for (;;) kept.push('x'.repeat(5000) + kept.length);",
        "const kept = []; for (;;) { kept.push(new Uint8Array(1e6).fill(1)); await null; }",
        # Slow to fill: on most machines their time is over first.
        "const kept = []; for (;;) kept.push('y'.repeat(1e6) + kept.length);",
        "const kept = new Map(); for (let i = 0; ; i++) kept.set(i, [i]);",
        "const turn = () => Promise.resolve().then(turn); await turn();",  # a chain of promises, each kept by the next
        "return [...Array(1e9)];",  # natively, so that only the kernel ends it
    ],
)
def test_a_step_that_takes_all_memory_goes_over_it_each_time_it_is_tried(body: str) -> None:
    session = opened(body)
    for _ in range(3):
        with pytest.raises(StepLimit) as caught:
            insist(session)
        assert caught.value.limit == "memory"


def test_a_loop_that_only_makes_garbage_goes_over_its_time_also_after_a_hoarder() -> None:
    for body, limit in (
        ("const kept = []; for (;;) kept.push(new Array(1000).fill(0));", "memory"),
        ("let last; for (;;) last = 'x'.repeat(1000);", "time"),
    ):
        with pytest.raises(StepLimit) as caught:
            insist(opened(body))
        assert caught.value.limit == limit


def test_a_script_that_throws_null_has_not_run_out_of_memory_whoever_did_before() -> None:
    with pytest.raises(StepLimit):
        insist(opened("const kept = []; for (;;) kept.push(new Array(1000).fill(0));"))
    step = opened("throw null;").start(NOW)
    assert isinstance(step, Failed)
    assert step.message == "null"


def test_endless_recursion_is_an_error_that_a_script_can_catch() -> None:
    step = opened("const down = (n) => down(n + 1) + 1; try { down(0); } catch (e) { return e.name; }").start(NOW)
    assert step == Finished(events=(), value="RangeError")


def test_a_script_may_recurse_some_thousands_deep() -> None:
    step = opened("const down = (n) => (n ? down(n - 1) + 1 : 0); return down(4000);").start(NOW)
    assert step == Finished(events=(), value=4000)


def test_a_returned_script_is_over_whatever_it_left_running() -> None:
    step = opened("(async () => { while (true) await null; })(); return 5;").start(NOW)
    assert step == Finished(events=(), value=5)


def test_after_a_limit_the_session_is_as_before_and_other_contexts_live_on() -> None:
    bystander = opened("return await agent('x');")
    bystander.start(NOW)
    looper = opened("while (true) {}")
    for _ in range(2):
        with pytest.raises(StepLimit):
            insist(looper)
    assert bystander.resume({1: Outcome(value="y")}, NOW) == Finished(events=(), value="y")
    assert len(CONTEXTS.pool.pids) == 1


def test_scripts_that_loop_do_not_make_an_innocent_one_wait() -> None:
    loopers = [opened("while (true) {}", seed=str(n)) for n in range(3)]
    innocent = opened("return 1;")
    ended: list[str] = []

    def loop(session: Session) -> None:
        try:
            insist(session)
        except StepLimit as limit:
            ended.append(limit.limit)

    threads = [threading.Thread(target=loop, args=(session,)) for session in loopers]
    for thread in threads:
        thread.start()
    steps = 0
    while any(thread.is_alive() for thread in threads):
        assert insist(innocent) == Finished(events=(), value=1)
        innocent.close()
        innocent = opened("return 1;", seed=str(steps))
        steps += 1
    assert ended == ["time"] * 3
    assert steps > 10


def test_a_step_that_the_machine_has_no_time_for_is_answered_at_a_later_try(monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened("let n = 0; for (let i = 0; i < 4e6; i++) n += i; return n;")
    monkeypatch.setattr(javascript_contexts, "CALL_SECONDS", 0.01)
    with pytest.raises(InterpreterBusy):
        session.start(NOW)
    assert insist(session) == Finished(events=(), value=7999998000000)
    # Every try attended the same run of the step, so the process that had it was enough.
    assert len(CONTEXTS.pool.pids) == 1


def later(session: Session, deadline_s: float = 20.0) -> Step:
    """Start as a Workflow Task that is retried does: at each try it is another time."""
    now, deadline = 1.0, time.monotonic() + deadline_s
    while True:
        try:
            return session.start(StepContext(now=now))
        except InterpreterBusy:
            assert time.monotonic() < deadline
        now += 1.0


def test_a_later_try_at_another_time_gets_the_answer_where_the_script_saw_no_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = opened(
        "let n = 0; for (let i = 0; i < 4e6; i++) n += i; await agent(`${n}`); return new Date(now() * 1000);"
    )
    monkeypatch.setattr(javascript_contexts, "CALL_SECONDS", 0.01)
    step = later(session)
    assert len(CONTEXTS.pool.pids) == 1
    monkeypatch.setattr(javascript_contexts, "CALL_SECONDS", 1.6)
    assert [event.args["prompt"] for event in step.events if isinstance(event, Call)] == ["7999998000000"]
    ended = session.resume({1: Outcome(value="x")}, StepContext(now=86400.0))
    assert ended == Finished(events=(), value="1970-01-02T00:00:00.000Z")


def test_a_script_that_saw_the_clock_sees_the_time_of_the_try_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened("let n = 0; for (let i = 0; i < 2e6; i++) n += i; return now();")
    monkeypatch.setattr(javascript_contexts, "CALL_SECONDS", 0.01)
    with pytest.raises(InterpreterBusy):
        session.start(StepContext(now=1.0))
    monkeypatch.setattr(javascript_contexts, "CALL_SECONDS", 1.6)
    for now in range(2, 30):
        try:
            assert session.start(StepContext(now=float(now))) == Finished(events=(), value=now)
            return
        except InterpreterBusy:
            continue
    raise AssertionError("never answered")


def test_a_loop_is_ended_though_each_try_is_at_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(javascript_contexts, "CALL_SECONDS", 0.1)
    with pytest.raises(StepLimit) as caught:
        later(opened("while (Date.now() >= 0) {}"))
    assert caught.value.limit == "time"


class Interrupted(BaseException):
    """As Temporal's deadlock detector raises it in a Workflow's thread, wherever that is."""


@pytest.mark.parametrize("place", ["send", "receive"])
def test_a_workflow_task_that_is_interrupted_leaves_no_process_lent(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    for n in range(20):
        with monkeypatch.context() as patched:
            patched.setattr(InterpreterProcess, place, interrupt)
            with pytest.raises(Interrupted):
                opened("return 1", seed=f"{n}").start(NOW)
    assert insist(opened("return 1", seed="last")) == Finished(events=(), value=1)
    assert len(CONTEXTS.pool.pids) == 1


def test_a_process_that_nobody_gives_back_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = [CONTEXTS.pool.lend(None) for _ in range(PROCESSES_MAX)]
    with pytest.raises(InterpreterBusy):
        opened("return 1")
    monkeypatch.setattr(javascript_contexts, "LENT_SECONDS_MAX", 0.1)
    assert insist(opened("return 1")) == Finished(events=(), value=1)
    assert not {process.pid for process in lost} & set(CONTEXTS.pool.pids)
    for process in lost:
        process.end()


def test_a_step_given_up_by_its_session_is_found_by_the_next_session_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = "let n = 0; for (let i = 0; i < 4e6; i++) n += i; return n;"
    lost, found = opened(body), opened(body)
    monkeypatch.setattr(javascript_contexts, "CALL_SECONDS", 0.01)
    with pytest.raises(InterpreterBusy):
        lost.start(NOW)
    assert insist(found) == Finished(events=(), value=7999998000000)
    assert len(CONTEXTS.pool.pids) == 1
