"""What a run knows and waits for when it goes on in a new history: all of it is there again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError

from tenuto.workflows.contracts import Histories, RunAgentInput, RunLimits, RunReport
from tenuto.workflows.control_contracts import AgentInput, SetLimitsInput
from tenuto.workflows.details import MEMO
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.people_contracts import AnswerInput, AnswerResult, EventInput
from tenuto.workflows.setup_contracts import Policy
from tenuto.workflows.step_contracts import RunCommandInput

from .conftest import Stage, echo
from .histories import histories
from .played_steps import PlayedSteps
from .test_continuing import EVENTS, JS, PY

DEADLINE_S = 50
SHORT = Histories(events=EVENTS)
PEOPLE = {
    "s.py": PY
    + """
async def chain(n):
    for i in range(n):
        await agent(f"link {i}")
    return n


async def held(name):
    async def inside():
        log(f"{name} in")
        await wait_for(name)
        log(f"{name} out")
        return name
    return await lock("door", inside)


async def main(args):
    asked = ask("Ship it?", options=["yes", "no"], timeout=3 * 86400, default="no")
    late = ask("And this?", timeout=3600, default="none")
    return await parallel([
        asked, late, held("first"), held("second"), wait_for("never", timeout=7200), chain(args), workflow("inner", 40),
    ])
""",
    "s.js": JS
    + """
async function chain(n) { for (let i = 0; i < n; i++) await agent(`link ${i}`); return n }
const held = (name) => lock('door', async () => {
  log(`${name} in`); await waitFor(name); log(`${name} out`); return name
})
return await parallel([
  () => ask('Ship it?', { options: ['yes', 'no'], timeout: 3 * 86400, default: 'no' }),
  () => ask('And this?', { timeout: 3600, default: 'none' }),
  () => held('first'), () => held('second'), () => waitFor('never', { timeout: 7200 }), () => chain(args),
  () => workflow('inner', 40),
])
""",
}
INNER = PY.replace('name="t"', 'name="inner"') + (
    "async def main(args):\n    for i in range(args):\n        await agent(f'inner {i}')\n"
    "    return await wait_for('inner')\n"
)
SEVERAL = {
    "s.py": PY
    + """
async def main(args):
    async def one(n):
        said = await agent(f"task {n}")
        votes = await vote(f"vote {n}", n=2) if n % 4 == 0 else None
        verdict = (await review(said, reviewers=2))["verdict"] if n % 4 == 1 else None
        green = (await gate(f"make {n}"))["passed"] if n % 4 == 2 else None
        ran = (await sh(f"run {n}"))["exit_code"] if n % 4 == 3 else None
        return [said, votes and votes["live"], verdict, green, ran]
    return await parallel([one(n) for n in range(args)])
""",
    "s.js": JS
    + """
return await parallel(Array.from({ length: args }, (_, n) => async () => {
  const said = await agent(`task ${n}`)
  const votes = n % 4 === 0 ? await vote(`vote ${n}`, { n: 2 }) : null
  const verdict = n % 4 === 1 ? (await review(said, { reviewers: 2 })).verdict : null
  const green = n % 4 === 2 ? (await gate(`make ${n}`)).passed : null
  const ran = n % 4 === 3 ? (await sh(`run ${n}`)).exitCode : null
  return [said, votes && votes.live, verdict, green, ran]
}))
""",
}


async def reported(handle: WorkflowHandle[Any, Any], holds: Callable[[RunReport], bool]) -> RunReport:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                report: RunReport = await handle.query(Orchestration.report, rpc_timeout=timedelta(seconds=3))
            except RPCError:  # asked of a history that ended just then: this test server never answers
                continue
            if holds(report):
                return report
            await asyncio.sleep(0.05)


async def begun_knowing(stage: Stage, chain: list[WorkflowHistory]) -> list[int]:
    """How many agents were done by the memo with which each history but the first began."""
    started = [each.events[0].workflow_execution_started_event_attributes for each in chain[1:]]
    payloads = [each.memo.fields[MEMO] for each in started]
    memos = await stage.client.data_converter.decode(payloads, [dict] * len(payloads))
    return [memo["census"]["done"] for memo in memos]


async def come_to_rest(handle: WorkflowHandle[Any, Any], agents: int) -> None:
    """Wait until so many agents are done and the run waits for nothing but people.

    Read from the memo: a query that meets the end of a history is never answered by the time-skipping server, which
    then skips no time any more.
    """
    async with asyncio.timeout(DEADLINE_S):
        while True:
            memo = await (await handle.describe()).memo_value("tenuto", None, type_hint=dict)
            if memo and memo["status"] == "waiting" and memo["census"]["done"] == agents:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_questions_events_locks_and_nested_workflows_wait_through_all_histories(stage: Stage, name: str) -> None:
    folder = stage.home / "ws" / ".tenuto" / "workflows"
    folder.mkdir(parents=True)
    (folder / "inner.py").write_text(INNER)
    async with stage.playing():
        workspace = str(stage.home / "ws")
        handle = await stage.start(
            PEOPLE[name],
            name,
            args=40,
            has_args=True,
            histories=SHORT,
            workspace=workspace,
            limits=RunLimits(agents=80),
        )
        await come_to_rest(handle, agents=80)
        waiting = await handle.query(Orchestration.report)
        chain = await histories(stage.client, handle)
        assert len(chain) >= 3
        begun = await begun_knowing(stage, chain)
        assert 0 < begun[0] <= begun[-1] <= 80
        assert begun == sorted(begun)
        assert [(view.id, view.state) for view in waiting.questions] == [("q1", "open"), ("q2", "open")]
        assert waiting.status == "waiting"
        told = AnswerInput(answer="yes", question="q1", by="ann")
        answer: AnswerResult = await handle.execute_update("answer", told, result_type=AnswerResult)
        assert answer.answer == "yes"
        for event in ("second", "inner", "first"):
            await handle.signal("event", EventInput(name=event, payload=event))
        report = await asyncio.wait_for(handle.result(), DEADLINE_S)
        log = await handle.query(Orchestration.log)
    assert report.result == ["yes", "none", "first", "second", None, 40, "inner"]
    assert [line for line in log if line.startswith(("first", "second"))] == [
        "first in",
        "first out",
        "second in",
        "second out",
    ]
    assert waiting.started_at == report.started_at
    assert set(Counter(input.prompt for input in stage.asked).values()) == {1}


@pytest.mark.parametrize("name", ["s.py", "s.js"])
async def test_reviews_votes_gates_and_steps_are_finished_before_and_made_once(stage: Stage, name: str) -> None:
    async def play(input: RunAgentInput) -> Any:
        if input.output_schema is not None and "verdict" in input.output_schema["properties"]:
            return {"verdict": "pass", "objections": [], "evidence": ["seen"]}
        return await echo(input)

    results = []
    for given in (None, SHORT):
        steps = PlayedSteps()
        stage.asked.clear()
        async with stage.playing(play, steps):
            handle = await stage.start(
                SEVERAL[name],
                name,
                args=24,
                has_args=True,
                seed="x",
                policy=Policy(),
                workspace="/nowhere",
                histories=given,
                limits=RunLimits(concurrency=4),
            )
            report = await asyncio.wait_for(handle.result(), DEADLINE_S)
        commands = Counter(step.command for step in steps.seen if isinstance(step, RunCommandInput))
        prompts = Counter(input.prompt for input in stage.asked)
        views = [(view.work, view.verdict) for view in (await stage.report(handle)).reviews]
        results.append(
            (report.result, report.census, report.verification, sorted(views), commands, prompts, len(steps.prepared))
        )
    assert len(await histories(stage.client, handle)) >= 3
    assert results[0] == results[1]
    assert report.status == "completed"
    assert [said[1:] for said in report.result[:4]] == [
        [2, None, None, None],
        [None, "confirmed", None, None],
        [None, None, True, None],
        [None, None, None, 0],
    ]
    assert report.verification.reviews.confirmed == 6
    assert [(view.verdict, len(view.votes)) for view in report.reviews] == [("confirmed", 2)] * 6
    assert len(views) == 6
    assert report.verification.gates.passed == 6


async def test_answers_and_events_that_come_all_the_time_are_heard_once_each(stage: Stage) -> None:
    source = PY + (
        "async def main(args):\n"
        "    async def work(n):\n        return await agent(f'task {n}')\n"
        "    async def hear():\n        heard = []\n"
        "        while True:\n            event = await wait_for('tick')\n"
        "            if event is None:\n                return heard\n            heard.append(event)\n"
        "    return await parallel([hear(), *[work(n) for n in range(args)]])\n"
    )
    async with stage.playing():
        handle = await stage.start(source, args=100, has_args=True, histories=SHORT, limits=RunLimits(concurrency=4))
        sent = 0
        async with asyncio.timeout(DEADLINE_S):
            while len(stage.asked) < 100:
                await handle.signal("event", EventInput(name="tick", payload=sent))
                width = SetLimitsInput(concurrency=3 + sent % 3)
                assert f"{width.concurrency} agents" in await handle.execute_update("set_limits", width)
                sent += 1
        await handle.signal("event", EventInput(name="tick", payload=None))
        report = await asyncio.wait_for(handle.result(), DEADLINE_S)
    assert len(await histories(stage.client, handle)) >= 3
    assert report.result[0] == list(range(sent))
    assert set(Counter(input.prompt for input in stage.asked).values()) == {1}


async def test_a_pause_a_width_and_a_skipped_agent_go_over(stage: Stage) -> None:
    """While it is paused, what waits in line is carried from history to history by the events that come."""
    source = PY + "async def main(args):\n    return await parallel([agent(f'task {n}') for n in range(args)])\n"
    async with stage.playing():
        handle = await stage.start(source, args=30, has_args=True, histories=SHORT, limits=RunLimits(concurrency=2))
        await reported(handle, lambda report: report.census.done >= 2)
        await handle.execute_update("pause")
        await handle.execute_update("set_limits", SetLimitsInput(concurrency=5))
        before = await reported(handle, lambda report: report.census.running == 0)
        for n in range(2 * EVENTS):
            await handle.signal("event", EventInput(name="noise", payload=n))
        await handle.execute_update("skip_agent", AgentInput(agent="a30"))
        paused = await reported(handle, lambda report: report.census.skipped == 1)
        assert (paused.status, paused.census.done) == ("paused", before.census.done)
        assert len(await histories(stage.client, handle)) >= 2
        await handle.execute_update("resume")
        report = await asyncio.wait_for(handle.result(), DEADLINE_S)
        log = await handle.query(Orchestration.log)
    assert stage.running_max <= 5
    assert (report.census.done, report.census.skipped) == (29, 1)
    assert [failure.agent for failure in report.failures] == ["a30"]
    assert report.result[:29] == [f"answer to: task {n}" for n in range(29)]
    assert any("goes on in history 2" in line for line in log)


async def test_log_lines_are_kept_whole_and_in_order(stage: Stage) -> None:
    source = PY + (
        "async def main(args):\n"
        "    for n in range(args):\n        for k in range(30):\n            log(f'{n}.{k}')\n"
        "        await agent(f'{n}')\n"
    )
    async with stage.playing():
        handle = await stage.start(source, args=60, has_args=True, histories=SHORT)
        await asyncio.wait_for(handle.result(), DEADLINE_S)
    keys = await stage.store.keys(f"runs/{handle.id}/log")
    lines = [json.loads(line) for key in keys for line in (await stage.store.get(key)).splitlines()]
    said = [line for line in lines if "history" not in line]
    assert said == [f"{n}.{k}" for n in range(60) for k in range(30)]
