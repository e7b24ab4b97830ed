"""Questions to people and events from outside: durable waits that only an Update or a Signal ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError

from tenuto.workflows.contracts import RunAgentInput, RunReport
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.people_contracts import AnswerInput, AnswerResult, EventInput

from .conftest import Stage

DAY = 24 * 3600
PY = 'from tenuto import Meta, agent, ask, now, parallel, wait_for\nmeta = Meta(name="t", description="d")\n'
MAIN = PY + "async def main(args):\n    "
JS = "export const meta = { name: 't', description: 'd' }\n"
ASK: dict[str, str] = {
    "s.py": MAIN
    + "began = now()\n"
    + f"    said = await ask('Ship it?', options=['yes', 'no'], default='no', timeout={3 * DAY})\n"
    + "    return [said, now() - began]\n",
    "s.js": JS
    + "const began = now();\n"
    + f"const said = await ask('Ship it?', {{ options: ['yes', 'no'], default: 'no', timeout: {3 * DAY} }});\n"
    + "return [said, now() - began];\n",
}


async def asked(handle: WorkflowHandle[Any, Any], count: int = 1) -> RunReport:
    """The report of a run, once that many questions are open."""
    async with asyncio.timeout(30):
        while True:
            report = await handle.query(Orchestration.report)
            if sum(each.state == "open" for each in report.questions) == count:
                return report
            await asyncio.sleep(0.05)


async def answer(handle: WorkflowHandle[Any, Any], said: Any, question: str | None = None, by: str = "ann") -> Any:
    input = AnswerInput(answer=said, question=question, by=by)
    result: AnswerResult = await handle.execute_update("answer", input, result_type=AnswerResult)
    return result.answer


async def refused(handle: WorkflowHandle[Any, Any], said: Any, question: str | None = None) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as raised:
        await answer(handle, said, question)
    return str(raised.value.cause)


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_question_unanswered_for_three_days_takes_its_default_though_the_worker_was_restarted(
    stage: Stage, name: str
) -> None:
    async with stage.playing(cached=False):
        handle = await stage.start(ASK[name], name)
        waiting = await asked(handle)
    assert waiting.status == "waiting"
    assert waiting.waiting_for is not None
    assert waiting.waiting_for.kind == "question"
    assert waiting.waiting_for.until == waiting.questions[0].until
    async with stage.playing(cached=False):
        report = await handle.result()
        log = await handle.query(Orchestration.log)
    said, seconds = report.result
    assert said == "no"
    assert 3 * DAY <= seconds < 3 * DAY + 60
    assert (report.status, report.waiting_for) == ("completed", None)
    assert (report.questions[0].state, report.questions[0].answer) == ("default", "no")
    assert any("the default is taken" in line for line in log)


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_a_question_answered_on_day_two_goes_on_at_once_though_the_worker_was_restarted(
    stage: Stage, name: str
) -> None:
    async with stage.playing(cached=False):
        handle = await stage.start(ASK[name], name)
        await asked(handle)
    await stage.skip(timedelta(days=1, hours=12))
    async with stage.playing(cached=False):
        assert await answer(handle, "YES") == "yes"
        report = await handle.result()
        log = await handle.query(Orchestration.log)
    said, seconds = report.result
    assert said == "yes"
    assert 1.5 * DAY <= seconds < 1.5 * DAY + 60
    question = report.questions[0]
    assert (question.state, question.by, question.via) == ("answered", "ann", "update")
    assert question.answered_at is not None
    assert any("answered by ann" in line for line in log)


async def test_without_a_default_the_time_that_is_up_throws(stage: Stage) -> None:
    source = MAIN + "return await ask('Now?', timeout=60)\n"
    async with stage.playing():
        handle = await stage.start(source)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        report = await stage.report(handle)
    assert report.error is not None
    assert report.error.kind == "timeout"
    assert "q1" in report.error.message


async def test_several_questions_are_answered_by_their_ids_and_only_as_they_allow(stage: Stage) -> None:
    source = MAIN + "return await parallel([ask('a?', options=[1, 2]), ask('b?')])\n"
    async with stage.playing():
        handle = await stage.start(source)
        report = await asked(handle, 2)
        assert report.waiting_for is not None
        assert "1 more" in report.waiting_for.message
        assert "q1: a?; q2: b?" in await refused(handle, 1)
        assert "it takes: 1, 2" in await refused(handle, 3, "q1")
        assert "open are: q1, q2" in await refused(handle, 1, "q7")
        assert await answer(handle, "2", "q1") == 2
        assert await answer(handle, 2, "q1") == 2, "said again, it is accepted"
        assert "not open any more" in await refused(handle, 1, "q1")
        assert await answer(handle, {"free": True}) == {"free": True}
        report = await handle.result()
    assert report.result == [2, {"free": True}]


async def test_a_run_is_waiting_only_while_nothing_else_of_it_runs(stage: Stage) -> None:
    go, started = asyncio.Event(), asyncio.Event()

    async def play(input: RunAgentInput) -> str:
        started.set()
        await go.wait()
        return "done"

    async with stage.playing(play):
        handle = await stage.start(MAIN + "return await parallel([ask('a?'), agent('work')])\n")
        await asyncio.wait_for(started.wait(), 30)
        busy = await asked(handle)
        assert (busy.status, busy.waiting_for) == ("running", None)
        go.set()
        async with asyncio.timeout(30):
            while (await handle.query(Orchestration.progress)).status != "waiting":
                await asyncio.sleep(0.05)
        described = await handle.describe()
        memo = await described.memo_value("tenuto", None, type_hint=dict)
        await answer(handle, "x")
        report = await handle.result()
    assert memo is not None
    assert memo["status"] == "waiting", "readers without a Worker see it too"
    assert memo["waiting_for"]["kind"] == "question"
    assert report.result == ["x", "done"]


async def test_resuming_a_run_that_waits_for_an_answer_says_how_to_give_it(stage: Stage) -> None:
    async with stage.playing():
        handle = await stage.start(MAIN + "return await ask('a?')\n")
        await asked(handle)
        said = await handle.execute_update("resume", result_type=str)
        assert said == f"it was not paused; q1 waits for an answer: tenuto answer {handle.id} q1 ANSWER"
        await handle.execute_update("pause")
        said = await handle.execute_update("resume", result_type=str)
        assert said.startswith("goes on; q1 waits for an answer")
        await answer(handle, "x")
        await handle.result()


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_an_event_is_awaited_by_name_and_one_that_came_before_counts(stage: Stage, name: str) -> None:
    source = (
        MAIN + "first = await wait_for('a', timeout=60)\n    return [first, await wait_for('b')]\n"
        if name == "s.py"
        else JS + "return [await waitFor('a', { timeout: 60 }), await waitFor('b')]\n"
    )
    async with stage.playing():
        handle = await stage.start(source, name)
        for event in ("b", "a"):
            await handle.signal("event", EventInput(name=event, payload={"n": event}))
        report = await handle.result()
    assert report.result == [{"n": "a"}, {"n": "b"}]


async def test_an_event_that_does_not_come_in_time_throws(stage: Stage) -> None:
    source = (
        MAIN
        + "try:\n        await wait_for('a', timeout=DAY)\n"
        + "    except RuntimeError as error:\n        return str(error)\n"
    )
    async with stage.playing():
        report = await (await stage.start(source.replace("DAY", str(DAY)))).result()
    assert report.result == "timeout: the event 'a' did not come within 86400 s"
    assert report.status == "completed"


async def test_a_question_left_open_when_the_run_ends_is_open_no_more(stage: Stage) -> None:
    source = JS + "ask('never read?'); await sleep(1); return 1\n"
    async with stage.playing():
        report = await (await stage.start(source, "s.js")).result()
    assert report.result == 1
    assert [each.state for each in report.questions] == ["expired"]
    assert report.status == "completed"
