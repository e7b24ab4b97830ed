"""Sessions of JavaScript scripts: contexts are a cache, processes come and go, the log is what counts."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tenuto.workflows.script import javascript, javascript_contexts
from tenuto.workflows.script.javascript_session import CONTEXTS
from tenuto.workflows.script.protocol import (
    Budget,
    Call,
    CallError,
    Failed,
    Finished,
    InterpreterBusy,
    Note,
    Outcome,
    Session,
    Step,
    StepContext,
    Waiting,
)

META = 'export const meta = { name: "n", description: "d" };\n'
NOW = StepContext(now=0.0)
CHAIN = """
let text = args.start + Math.random();
for (let i = 0; i < args.n; i++) {
  text = (await agent(`${text.length} ${i} ${Date.now()}`)) + text.slice(-40);
  log(text);
}
return text;
"""


@pytest.fixture(autouse=True)
def _interpreters() -> Iterator[None]:
    yield
    javascript.close_pool()


def opened(body: str, args: object = None, seed: str = "seed") -> Session:
    return javascript.open_session(javascript.load(META + body), args=args, has_args=args is not None, seed=seed)


def chain(session: Session, steps: int, *, disturb: list[int] | None = None) -> list[Step]:
    """Drive CHAIN for some steps; before those in `disturb` every interpreter process is killed."""
    seen = [session.start(NOW)]
    for n in range(1, steps + 1):
        if disturb is not None and n in disturb:
            kill_processes()
        seen.append(session.resume({n: Outcome(value=f"answer {n}")}, StepContext(now=float(n))))
    return seen


def kill_processes() -> None:
    for pid in CONTEXTS.pool.pids:
        ended = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        assert select.select([ended], [], [], 10)[0], "the process was not killed"
        os.close(ended)


def test_a_session_goes_on_after_its_process_was_killed() -> None:
    args = {"start": "s", "n": 30}
    undisturbed = chain(opened(CHAIN, args), 30)
    assert isinstance(undisturbed[-1], Finished)
    assert chain(opened(CHAIN, args), 30, disturb=[1, 2, 17, 30]) == undisturbed


def test_equal_inputs_give_equal_steps_and_another_seed_others() -> None:
    args = {"start": "s", "n": 3}
    assert chain(opened(CHAIN, args), 3) == chain(opened(CHAIN, args), 3)
    assert chain(opened(CHAIN, args), 3) != chain(opened(CHAIN, args, seed="other"), 3)


def test_two_sessions_of_one_run_do_not_disturb_each_other() -> None:
    first, second = (opened(CHAIN, {"start": "s", "n": 3}) for _ in range(2))
    context = StepContext(now=1.0)
    assert first.start(NOW) == second.start(NOW)
    one = first.resume({1: Outcome(value="a")}, context)
    assert second.resume({1: Outcome(value="a")}, context) == one
    assert first.resume({2: Outcome(value="b")}, context) != second.resume({2: Outcome(value="c")}, context)


def test_more_sessions_than_contexts_are_kept_all_run_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(javascript_contexts, "CONTEXTS_MAX", 2)
    sessions = [opened("return [await agent('a'), await agent('b')];", seed=str(n)) for n in range(9)]
    for session in sessions:
        session.start(NOW)
    for session in sessions:
        session.resume({1: Outcome(value=1)}, NOW)
    assert [session.resume({2: Outcome(value=2)}, NOW) for session in sessions] == [
        Finished(events=(), value=[1, 2])
    ] * 9


def test_a_rebuild_that_takes_long_goes_on_where_the_last_try_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 40
    session = opened(CHAIN, {"start": "s", "n": steps})
    chain(session, steps - 1)
    monkeypatch.setattr(javascript_contexts, "REBUILD_MARGIN_SECONDS", javascript_contexts.CALL_SECONDS)
    kill_processes()
    tries = 0
    while True:
        tries += 1
        try:
            step = session.resume({steps: Outcome(value="last")}, StepContext(now=40.0))
            break
        except InterpreterBusy:
            assert tries <= steps
    assert isinstance(step, Finished)
    assert tries > 1


def test_close_may_be_called_at_any_time_and_twice() -> None:
    session = opened("return await agent('x');")
    session.close()
    session.start(NOW)
    session.close()
    session.close()
    assert session.resume({1: Outcome(value=1)}, NOW) == Finished(events=(), value=1)


def test_calls_and_notes_keep_the_order_in_which_the_script_made_them() -> None:
    step = opened("phase('A'); agent('1'); log('x'); phase('B'); await agent('2');").start(NOW)
    assert step == Waiting(
        events=(
            Note("phase", "A"),
            Call(1, "agent", {"prompt": "1"}),
            Note("log", "x"),
            Note("phase", "B"),
            Call(2, "agent", {"prompt": "2"}),
        ),
        pending=(1, 2),
    )


def test_outcomes_are_settled_in_call_order_in_one_step() -> None:
    session = opened(
        "const seen = []; const one = (p) => agent(p).then((v) => seen.push(v)); "
        "await Promise.all(['a', 'b', 'c'].map(one)); return seen;"
    )
    session.start(NOW)
    assert session.resume({3: Outcome(value=3), 1: Outcome(value=1)}, NOW) == Waiting(events=(), pending=(2,))
    assert session.resume({2: Outcome(value=2)}, NOW) == Finished(events=(), value=[1, 3, 2])


def test_a_timer_that_was_cleared_is_not_waited_for_and_its_outcome_is_ignored() -> None:
    session = opened(
        "const t = setTimeout(() => log('no'), 5000); await agent('a'); clearTimeout(t); await agent('b');"
    )
    assert isinstance(session.start(NOW), Waiting)
    step = session.resume({2: Outcome(value=None)}, NOW)
    assert step == Waiting(events=(Call(3, "agent", {"prompt": "b"}),), pending=(3,))
    assert session.resume({1: Outcome(value=None)}, NOW) == Waiting(events=(), pending=(3,))


def test_an_error_keeps_its_kind_its_line_and_a_traceback_in_the_scripts_own_lines() -> None:
    session = opened("async function ask() {\n  return await agent('x');\n}\nawait ask();")
    session.start(NOW)
    step = session.resume({1: Outcome(error=CallError("budget", "over", name="WorkflowBudgetExceededError"))}, NOW)
    assert isinstance(step, Failed)
    assert (step.kind, step.message, step.line) == ("budget", "over", 3)
    assert step.traceback is not None
    assert "at ask (line 3:" in step.traceback
    assert "<input>" not in step.traceback


def test_an_error_wrapped_by_the_script_is_the_scripts() -> None:
    session = opened("try { await agent('x'); } catch (cause) { throw new RangeError('mine', { cause }); }")
    session.start(NOW)
    step = session.resume({1: Outcome(error=CallError("stalled", "dead"))}, NOW)
    assert isinstance(step, Failed)
    assert (step.kind, step.message, step.line) == ("script", "RangeError: mine", 2)


@pytest.mark.parametrize(
    "body",
    [
        "const e = new Error('q'); Object.defineProperty(e, 'message', { get() { throw 1; } }); throw e;",
        "throw { toString() { throw 1; }, toJSON() { throw 1; } };",
        "throw Symbol('s');",
        "Promise.prototype.then = null; return 1;",
        "JSON.stringify = JSON.parse = null; Map.prototype.get = null; throw new Error('x');",
    ],
)
def test_a_hostile_error_or_broken_built_ins_fail_the_script_and_nothing_else(body: str) -> None:
    assert isinstance(opened(body).start(NOW), Failed)


def test_text_crosses_whole_with_nul_and_half_surrogates() -> None:
    session = opened("const v = await agent('p\\0q\\ud83d'); return [v, v.length, 'z\\udc00'];")
    step = session.start(NOW)
    assert isinstance(step, Waiting)
    assert step.events == (Call(1, "agent", {"prompt": "p\0q\ufffd"}),)
    done = session.resume({1: Outcome(value="a\0b\u2028😀")}, NOW)
    assert done == Finished(events=(), value=["a\0b\u2028😀", 6, "z\ufffd"])


def test_numbers_that_json_has_not_arrive_as_null() -> None:
    session = opened("return await agent('x');")
    session.start(NOW)
    assert session.resume({1: Outcome(value={"a": [float("nan"), 1.5]})}, NOW) == Finished((), {"a": [None, 1.5]})


def test_a_large_result_comes_back_whole() -> None:
    session = opened("const v = await agent('x'); return v + v;")
    session.start(NOW)
    text = "0123456789abcde\n" * 500_000
    done = session.resume({1: Outcome(value=text)}, NOW)
    assert isinstance(done, Finished)
    assert done.value == text + text


def test_budget_and_failures_are_those_of_the_step() -> None:
    session = opened(
        "const a = [budget.spent(), failures()]; await agent('x'); return [a, budget.spent(), failures()];"
    )
    session.start(StepContext(now=0.0, budget=Budget(total=9, spent=1)))
    failure = {"agent": "a1", "label": "x", "phase": None, "kind": "api_error", "message": "m"}
    context = StepContext(now=1.0, budget=Budget(total=9, spent=4), new_failures=(failure,))
    lost = Outcome(error=CallError("api_error", "m", lost=True))
    assert session.resume({1: lost}, context) == Finished(events=(), value=[[1, []], 4, [failure]])


def test_processes_end_with_the_worker_that_started_them() -> None:
    program = (
        "from tenuto.workflows.script import javascript, javascript_session as s\n"
        "from tenuto.workflows.script.protocol import StepContext\n"
        f"script = javascript.load({META + 'await agent(1);'!r})\n"
        "javascript.open_session(script, args=None, has_args=False, seed='s').start(StepContext(now=0.0))\n"
        "print(*s.CONTEXTS.pool.pids, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        child = os.pidfd_open(int(worker.stdout.readline()))
        worker.kill()
        assert select.select([child], [], [], 10)[0], "the interpreter process outlived its Worker"
        os.close(child)
