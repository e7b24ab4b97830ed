"""What a Python script does, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.workflows.script import python
from tenuto.workflows.script.protocol import (
    Budget,
    Call,
    CallError,
    Failed,
    Finished,
    Note,
    Outcome,
    StepContext,
    Waiting,
)

from .python_play import HEAD_LINES, logged, open_script, play, result, script

NOW = StepContext(now=1_700_000_000.25)


def fails_with(error: CallError) -> Any:
    return lambda call: Outcome(error=error)


def test_a_coroutine_starts_nothing_before_it_is_awaited() -> None:
    body = (
        "async def main():\n    a = agent('a')\n    log('first')\n    b = await agent('b')\n    return [b, await a]\n"
    )
    step, events, _ = play(body)
    assert [event.text if isinstance(event, Note) else event.args["prompt"] for event in events] == ["first", "b", "a"]
    assert isinstance(step, Finished)
    assert step.value == ["b", "a"]


def test_only_the_options_that_were_given_are_sent() -> None:
    body = (
        "async def main():\n    return await agent('x', label='l', stall_ms=5, schema={'type': 'object'}, model=None)\n"
    )
    _, events, _ = play(body)
    assert events == [Call(0, "agent", {"prompt": "x", "label": "l", "stall_ms": 5, "schema": {"type": "object"}})]


def test_a_prompt_that_is_no_text_is_turned_into_one() -> None:
    assert result("async def main():\n    return [await agent(p) for p in ('', 3, None, [1])]\n") == [
        "",
        "3",
        "None",
        "[1]",
    ]


def test_notes_and_calls_keep_their_order() -> None:
    body = (
        "async def main():\n    phase('A')\n    print('one', end='')\n    print(' two\\nthree')\n    log({'k': 1})\n"
        "    await agent('x')\n    print('open end', end='')\n    return None\n"
    )
    _, events, _ = play(body)
    assert events == [
        Note("phase", "A"),
        Note("log", "one two"),
        Note("log", "three"),
        Note("log", '{"k":1}'),
        Call(0, "agent", {"prompt": "x"}),
        Note("log", "open end"),
    ]


def test_print_without_end_is_cut_and_says_so() -> None:
    _, events, _ = play("async def main():\n    print('x' * 2_000_000)\n    print('y')\n")
    lines = logged(events)
    assert len(lines[0]) == 1 << 20
    assert "dropped" in lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CallError("skipped", "by ada", lost=True), "skipped: by ada"),
        (CallError("stalled", "no progress"), "stalled: no progress"),
        (CallError("agent_cap", "3 agents"), "limit: 3 agents"),
        (CallError("budget", "no tokens left"), "limit: no tokens left"),
    ],
)
def test_a_failed_call_raises_what_the_api_says(error: CallError, text: str) -> None:
    body = (
        "async def main():\n    try:\n        await agent('x')\n    except RuntimeError as error:\n"
        "        return str(error)\n"
    )
    assert result(body, answer=fails_with(error)) == text


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CallError("stalled", "no progress"), "RuntimeError: stalled: no progress"),
        (CallError("agent_cap", "the cap of 3 agents is reached"), "the cap of 3 agents is reached"),
    ],
)
def test_an_uncaught_failed_call_fails_the_script_with_its_kind(error: CallError, message: str) -> None:
    body = "async def main():\n    return await deep()\nasync def deep():\n    return await agent('x')\n"
    step, _, _ = play(body, answer=fails_with(error))
    assert isinstance(step, Failed)
    assert (step.kind, step.message, step.line) == (error.kind, message, HEAD_LINES + 4)
    assert step.traceback is not None
    assert f"line {HEAD_LINES + 2}, in main" in step.traceback


def test_an_error_of_the_script_has_its_line() -> None:
    step, _, _ = play("async def main():\n    x = {}\n    return x['a']\n")
    assert isinstance(step, Failed)
    assert (step.kind, step.message, step.line) == ("script", "KeyError: a", HEAD_LINES + 3)


def test_parallel_gives_none_for_what_fails_and_says_why() -> None:
    body = (
        "async def main():\n    return await parallel([agent('a'), lambda: agent('bad'), lambda: 5, lambda: 1 / 0,"
        " lambda: None])\n"
    )
    step, events, _ = play(
        body,
        answer=lambda call: (
            Outcome(error=CallError("stalled", "boo")) if call.args["prompt"] == "bad" else Outcome(value="ok")
        ),
    )
    assert isinstance(step, Finished)
    assert step.value == ["ok", None, 5, None, None]
    assert logged(events) == [
        "parallel[3] failed: ZeroDivisionError: division by zero",
        "parallel[1] failed: stalled: boo",
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("parallel([3])", "TypeError: parallel() takes awaitables"),
        ("parallel([lambda: 1] * 4097)", "ValueError: parallel() takes at most 4096 items, not 4097"),
        ("pipeline('abc')", "TypeError: pipeline() takes a list of items, not str"),
        ("pipeline([1] * 4097)", "ValueError: pipeline() takes at most 4096 items, not 4097"),
        ("pipeline(3)", "TypeError: 'int' object is not iterable"),
        ("workflow(3)", "TypeError: workflow() takes"),
    ],
)
def test_calls_that_make_no_sense_are_refused_when_made(call: str, message: str) -> None:
    body = (
        f"from typing import Any\nasync def main():\n    f: Any = {call.partition('(')[0]}\n"
        f"    return await f({call.partition('(')[2]}\n"
    )
    step, events, _ = play(body)
    assert isinstance(step, Failed)
    assert step.message.startswith(message)
    assert events == []


def test_empty_lists_give_empty_lists() -> None:
    assert result("async def main():\n    return [await parallel([]), await pipeline([], agent)]\n") == [[], []]


def test_pipeline_moves_each_item_on_by_itself() -> None:
    body = (
        "async def main():\n    return await pipeline(['a', 'b'], first, second)\n"
        "async def first(x):\n    return await agent(x)\nasync def second(y, x):\n    return await agent(y + x)\n"
    )
    session = open_script(body)
    step = session.start(NOW)
    assert isinstance(step, Waiting)
    assert step.pending == (0, 1)
    step = session.resume({1: Outcome(value="B")}, NOW)
    assert step == Waiting((Call(2, "agent", {"prompt": "Bb"}),), (0, 2))


def test_a_stage_that_gives_none_or_raises_ends_its_item() -> None:
    body = (
        "async def main():\n    return await pipeline([0, 1, 2, 'x'], stage, lambda y, x: [y, x])\n"
        "def stage(x):\n    return None if x == 1 else x + 1\n"
    )
    step, events, _ = play(body)
    assert isinstance(step, Finished)
    assert step.value == [[1, 0], None, [3, 2], None]
    assert [line.partition(":")[0] for line in logged(events)] == ["pipeline[3] failed"]


def test_a_pipeline_without_stages_gives_the_items() -> None:
    assert result("async def main():\n    return await pipeline([None, {'a': 1}])\n") == [None, {"a": 1}]


def test_workflow_sends_arguments_only_where_given() -> None:
    body = (
        "async def main():\n    await workflow('a')\n    await workflow({'script_path': 'b.js'}, None)\n"
        "    await workflow('c', args=[1])\n"
    )
    _, events, _ = play(body)
    assert [event.args for event in events if isinstance(event, Call)] == [
        {"name": "a"},
        {"script_path": "b.js", "args": None},
        {"name": "c", "args": [1]},
    ]


def test_the_clock_is_workflow_time_and_sleep_is_a_durable_timer() -> None:
    body = (
        "import asyncio, time\nfrom datetime import date, datetime, timedelta, timezone\nasync def main():\n"
        "    await sleep(5)\n    await asyncio.sleep(2.5)\n    time.sleep(3)\n    await sleep(0)\n"
        "    await asyncio.sleep(-1)\n"
        "    return [now(), time.time(), datetime.now(), datetime.now(timezone(timedelta(hours=2))), date.today()]\n"
    )
    step, events, _ = play(body, context=lambda number: StepContext(now=number * 86_400.0))
    assert [event.args for event in events if isinstance(event, Call)] == [{"seconds": s} for s in (5, 2.5, 3.0)]
    assert isinstance(step, Finished)
    assert step.value == [
        *(259_200.0, 259_200.0),
        *("1970-01-04T00:00:00", "1970-01-04T02:00:00+02:00", "1970-01-04"),
    ]


def test_time_sleep_stops_the_whole_script_while_other_answers_wait() -> None:
    body = (
        "import asyncio, time\nasync def main():\n    return await asyncio.gather(one('a'), one('b'))\n"
        "async def one(x):\n    value = await agent(x)\n    time.sleep(7)\n    return value\n"
    )
    session = open_script(body)
    session.start(NOW)
    step = session.resume({0: Outcome(value="A")}, NOW)
    assert step == Waiting((Call(2, "sleep", {"seconds": 7.0}),), (1, 2))
    assert session.resume({1: Outcome(value="B")}, NOW) == Waiting((), (2,))
    assert session.resume({2: Outcome()}, NOW) == Waiting((Call(3, "sleep", {"seconds": 7.0}),), (3,))
    assert session.resume({3: Outcome()}, NOW) == Finished((), ["A", "B"])


def test_an_answer_that_nothing_awaits_yet_is_kept_until_something_does() -> None:
    body = (
        "import asyncio\nasync def main():\n    timer = asyncio.sleep(1, 'rang')\n    first = await agent('a')\n"
        "    return [first, await timer]\n"
    )
    session = open_script(body)
    step = session.start(NOW)
    assert isinstance(step, Waiting)
    while isinstance(step, Waiting):
        step = session.resume({step.pending[0]: Outcome(value="x")}, NOW)
    assert step.value == ["x", "rang"] if isinstance(step, Finished) else step


def test_randomness_comes_from_the_seed() -> None:
    loaded = python.load(
        script("import random\nasync def main():\n    return [random.random(), random.randint(1, 10**9)]\n")
    )

    def value(seed: str) -> Any:
        return python.open_session(loaded, args=None, has_args=False, seed=seed).start(NOW)

    assert value("a") == value("a")
    assert value("a") != value("b")


def test_the_budget_is_what_the_step_says() -> None:
    body = (
        "async def main():\n    first = [budget.total, budget.spent(), budget.remaining() > 10**12, budget.usd.total]\n"
        "    await agent('x')\n    return [first, budget.total, budget.spent(), budget.remaining(), budget.usd.total,"
        " budget.usd.spent(), budget.usd.remaining()]\n"
    )
    budgets = [Budget(), Budget(total=100, spent=30, usd_total=2.0, usd_spent=0.5)]
    step, _, _ = play(body, context=lambda number: StepContext(now=0, budget=budgets[number]))
    assert isinstance(step, Finished)
    assert step.value == [[None, 0, True, None], 100, 30, 70, 2.0, 0.5, 1.5]


def test_failures_accumulate() -> None:
    body = (
        "async def main():\n    await agent('x')\n    seen = len(failures())\n    await agent('y')\n"
        "    return [seen, failures()]\n"
    )
    news: list[tuple[dict[str, Any], ...]] = [(), ({"agent": "1"},), ({"agent": "2"},)]
    step, _, _ = play(body, context=lambda number: StepContext(now=0, new_failures=news[number]))
    assert isinstance(step, Finished)
    assert step.value == [1, [{"agent": "1"}, {"agent": "2"}]]


def test_args_are_none_when_none_were_given() -> None:
    assert result("async def main(args):\n    return [args]\n") == [None]


def test_a_thousand_agents_in_one_parallel() -> None:
    body = (
        "async def main():\n    return await parallel([one(i) for i in range(1000)])\n"
        "async def one(i):\n    return [await agent(str(i)), await agent('again')]\n"
    )
    session = open_script(body)
    step = session.start(NOW)
    while isinstance(step, Waiting):
        step = session.resume({call_id: Outcome(value=call_id) for call_id in step.pending[:100]}, NOW)
    assert isinstance(step, Finished)
    assert [pair[0] for pair in step.value] == list(range(1000))


def test_a_second_run_with_the_same_answers_is_the_same_step_by_step() -> None:
    body = (
        "import asyncio, random\nasync def main():\n    log(str(random.random()))\n"
        "    a = await asyncio.gather(*[agent(str(random.random())) for _ in range(5)])\n"
        "    await sleep(random.random())\n    return [a, now(), random.random()]\n"
    )
    assert play(body)[2] == play(body)[2]


def test_a_race_leaves_the_loser_running() -> None:
    body = (
        "import asyncio\nasync def main():\n    try:\n        await asyncio.gather(agent('a'), agent('b'))\n"
        "    except RuntimeError as error:\n        log(str(error))\n    return 'done'\n"
    )
    session = open_script(body)
    session.start(NOW)
    step = session.resume({0: Outcome(error=CallError("stalled", "x"))}, NOW)
    assert step == Finished((Note("log", "stalled: x"),), "done")


def test_a_name_that_is_not_there_is_a_name_error() -> None:
    body = (
        "async def main():\n    try:\n        eval('nope(1)')\n    except NameError as error:\n"
        "        return str(error)\n"
    )
    assert result(body) == "name 'nope' is not defined"


def test_answers_to_calls_that_do_not_wait_are_refused() -> None:
    session = open_script("async def main():\n    await agent('x')\n")
    with pytest.raises(RuntimeError, match="never started"):
        session.resume({}, NOW)
    session.start(NOW)
    with pytest.raises(ValueError, match="call 7"):
        session.resume({7: Outcome()}, NOW)
    session.close()
    session.close()
    with pytest.raises(RuntimeError, match="ended"):
        session.resume({0: Outcome()}, NOW)


def test_infinity_is_what_remains_without_a_ceiling() -> None:
    assert result("async def main():\n    return budget.remaining() == float('inf')\n") is True
