"""A run as a Workflow: how it ends, what it counts, what it refuses."""

import asyncio
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from tenuto.workflows.contracts import RunAgentInput, RunLimits
from tenuto.workflows.orchestration import Orchestration

from .conftest import Stage, echo

PY = (
    "from tenuto import Meta, agent, parallel, pipeline, phase, log, workflow, failures, sleep, now\n"
    'meta = Meta(name="t", description="d")\n'
)
JS = "export const meta = { name: 't', description: 'd' }\n"


async def fail_on_bad(input: RunAgentInput) -> Any:
    if "bad" in input.prompt:
        raise ApplicationError("no such thing", type="invalid_request_error", non_retryable=True)
    return await echo(input)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("s.py", PY + 'async def main(args):\n    return {"n": args["n"], "a": await agent("hello", label="L")}\n'),
        ("s.js", JS + "return { n: args.n, a: await agent('hello', { label: 'L' }) }"),
    ],
)
async def test_a_script_in_either_dialect_comes_to_its_result(stage: Stage, name: str, source: str) -> None:
    async with stage.playing():
        handle = await stage.start(source, name, args={"n": 3}, has_args=True)
        report = await handle.result()
    assert report.status == "completed"
    assert report.result == {"n": 3, "a": "answer to: hello"}
    assert report.census.agents == report.census.done == 1
    assert report.agents[0].label == "L"
    assert report.usage.output_tokens == 5
    assert (await stage.report(handle)).status == "completed"
    assert b'"a"' in await stage.store.get(f"runs/{handle.id}/result.json")


async def test_a_dead_agent_is_null_in_javascript_and_the_run_is_degraded(stage: Stage) -> None:
    async with stage.playing(fail_on_bad):
        handle = await stage.start(
            JS + "return [await agent('bad'), await agent('good'), failures().map(f => f.kind)]", "s.js"
        )
        report = await handle.result()
    assert report.status == "degraded"
    assert report.result == [None, "answer to: good", ["invalid_request_error"]]
    assert [(f.agent, f.kind) for f in report.failures] == [("a1", "invalid_request_error")]
    assert (report.census.done, report.census.failed) == (1, 1)


async def test_a_dead_agent_raises_in_python(stage: Stage) -> None:
    async with stage.playing(fail_on_bad):
        handle = await stage.start(
            PY
            + "async def main(args):\n    try:\n        await agent('bad')\n"
            + "    except RuntimeError as error:\n        return str(error)\n"
        )
        report = await handle.result()
    assert report.result == "invalid_request_error: no such thing"
    assert report.status == "degraded"


@pytest.mark.parametrize("dialect", ["py", "js"])
async def test_the_width_of_a_run_holds_and_is_used(stage: Stage, dialect: str, gate: asyncio.Event) -> None:
    async def play(input: RunAgentInput) -> Any:
        if stage.running == 4:
            gate.set()
        await gate.wait()
        return await echo(input)

    source = (
        PY + "async def main(args):\n    return len(await parallel([agent(f'w {i}') for i in range(20)]))\n"
        if dialect == "py"
        else JS + "return (await parallel(Array.from({length: 20}, (_, i) => () => agent(`w ${i}`)))).length"
    )
    async with stage.playing(play):
        handle = await stage.start(source, f"s.{dialect}", limits=RunLimits(concurrency=4))
        report = await handle.result()
    assert report.result == 20
    assert stage.running_max == 4


async def test_the_call_after_the_cap_throws_and_the_run_fails_with_what_finished(stage: Stage) -> None:
    source = PY + "async def main(args):\n    for i in range(9):\n        await agent(f'w {i}')\n"
    async with stage.playing():
        handle = await stage.start(source, limits=RunLimits(agents=3))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    report = await stage.report(handle)
    assert report.status == "failed"
    assert report.error is not None
    assert report.error.kind == "agent_cap"
    assert "--max-agents" in report.error.message
    assert report.partial == {f"a{n}": f"runs/{handle.id}/agents/a{n}/record.json" for n in (1, 2, 3)}
    assert report.census.agents == report.census.done == 3
    assert [f.kind for f in report.failures] == ["agent_cap"]


async def test_the_cap_error_has_its_name_in_javascript(stage: Stage) -> None:
    source = JS + "await agent('x'); try { await agent('y') } catch (e) { return e.name }"
    async with stage.playing():
        report = await (await stage.start(source, "s.js", limits=RunLimits(agents=1))).result()
    assert report.result == "WorkflowAgentCapError"
    assert report.status == "degraded"


async def test_spent_tokens_refuse_the_next_agent(stage: Stage) -> None:
    source = (
        JS + "await agent('x'); const r = budget.remaining(); try { await agent('y') } catch (e) { return [r, e.name] }"
    )
    async with stage.playing():
        report = await (await stage.start(source, "s.js", limits=RunLimits(output_tokens=5))).result()
    assert report.result == [0, "WorkflowBudgetExceededError"]


async def test_a_loser_of_a_race_is_cancelled_and_counted_skipped_without_degrading(stage: Stage) -> None:
    cancelled = asyncio.Event()

    async def play(input: RunAgentInput) -> Any:
        if "slow" in input.prompt:
            try:
                while True:
                    activity.heartbeat()
                    await asyncio.sleep(0.05)
            finally:
                cancelled.set()
        return await echo(input)

    source = JS + "return await Promise.race([agent('slow one'), agent('quick one')])"
    async with stage.playing(play):
        handle = await stage.start(source, "s.js")
        report = await handle.result()
        assert cancelled.is_set()
    assert report.status == "completed"
    assert (report.census.done, report.census.skipped) == (1, 1)
    assert report.failures == []


async def test_a_stopped_run_ends_its_agents_before_it_says_so(stage: Stage) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def play(input: RunAgentInput) -> Any:
        started.set()
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        finally:
            ended.set()

    async with stage.playing(play):
        handle = await stage.start(PY + "async def main(args):\n    return await agent('x')\n")
        await started.wait()
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as raised:
            await handle.result()
        assert ended.is_set()
    assert isinstance(raised.value.cause, CancelledError)
    report = await stage.report(handle)
    assert report.status == "stopped"
    assert report.census.skipped == 1


async def test_a_stop_that_comes_after_the_end_leaves_the_result_whole(
    stage: Stage, gate: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, put = asyncio.Event(), stage.store.put

    async def slow_put(key: str, data: bytes) -> None:
        if key.endswith("result.json"):
            writing.set()
            await gate.wait()
        await put(key, data)

    monkeypatch.setattr(stage.store, "put", slow_put)
    async with stage.playing():
        handle = await stage.start(PY + "async def main(args):\n    return await agent('x')\n")
        await writing.wait()
        await handle.cancel()
        await handle.query(Orchestration.progress)  # the cancellation has been handled when this is answered
        gate.set()
        report = await handle.result()
    assert report.status == "completed"
    assert report.result == "answer to: x"


async def test_a_script_that_waits_for_nothing_is_stuck(stage: Stage) -> None:
    async with stage.playing():
        handle = await stage.start(JS + "await new Promise(() => {})", "s.js")
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    report = await stage.report(handle)
    assert report.error is not None
    assert report.error.kind == "stuck"


async def test_a_script_error_fails_the_run_with_its_line(stage: Stage) -> None:
    async with stage.playing():
        handle = await stage.start(PY + "async def main(args):\n    x = {}\n    return x['absent']\n")
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    report = await stage.report(handle)
    assert report.error is not None
    assert (report.error.kind, report.error.line) == ("script", 5)
    assert "KeyError" in report.error.message


async def test_timers_are_durable_and_the_clock_is_the_workflows(stage: Stage) -> None:
    source = PY + "async def main(args):\n    t = now()\n    await sleep(7 * 86400)\n    return now() - t\n"
    async with stage.playing():
        report = await (await stage.start(source)).result()
    assert 7 * 86400 <= report.result < 7 * 86400 + 60


async def test_a_nested_workflow_shares_caps_and_is_grouped_under_its_name(stage: Stage) -> None:
    folder = stage.home / "ws" / ".tenuto" / "workflows"
    folder.mkdir(parents=True)
    (folder / "inner.py").write_text(
        'from tenuto import Meta, agent\nmeta = Meta(name="inner", description="d")\n'
        "async def main(args):\n    return await agent('inner ' + args)\n"
    )
    source = PY + "async def main(args):\n    return [await workflow('inner', 'x'), await agent('outer')]\n"
    async with stage.playing():
        handle = await stage.start(source, workspace=str(stage.home / "ws"))
        report = await handle.result()
    assert report.result == ["answer to: inner x", "answer to: outer"]
    assert [(a.id, a.phase) for a in report.agents] == [("a1", "inner"), ("a2", None)]


async def test_an_unknown_workflow_is_an_error_that_lists_those_there_are(stage: Stage) -> None:
    source = JS + "try { await workflow('nope') } catch (e) { return String(e) }"
    async with stage.playing():
        report = await (await stage.start(source, "s.js", workspace=str(stage.home))).result()
    assert "nope" in report.result


DIRECTLY = "return args.folder.name"
RENAMED = "const a = typeof args === 'string' ? JSON.parse(args) : args; const other = {}\nreturn a.folder.name"
ELSEWHERE = "const other = {}\nreturn other.folder.name"


@pytest.mark.parametrize(
    ("body", "given", "told"),
    [
        (DIRECTLY, {}, True),
        (DIRECTLY, {"args": {}, "has_args": True}, False),
        (RENAMED, {}, True),
        (ELSEWHERE, {}, False),
    ],
    ids=["none", "some", "renamed", "elsewhere"],
)
async def test_a_script_that_reaches_into_arguments_is_told_when_there_were_none(
    stage: Stage, body: str, given: dict[str, Any], told: bool
) -> None:
    script = f"export const meta = {{ name: 'n', description: 'd' }};\n{body};\n"
    async with stage.playing():
        handle = await stage.start(script, "s.js", **given)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    report = await stage.report(handle)
    assert report.error is not None
    assert report.error.line == 1 + len(body.splitlines())
    assert ("none were given: --args JSON" in report.error.message) is told
    assert "of undefined" in report.error.message


async def test_all_narrator_lines_are_kept(stage: Stage) -> None:
    source = (
        PY
        + "async def main(args):\n    for i in range(1300):\n        log(f'line {i}')\n"
        + "        if i % 400 == 0:\n            await agent('x')\n"
    )
    async with stage.playing():
        handle = await stage.start(source)
        await handle.result()
        assert len(await handle.query(Orchestration.log)) == 500
    keys = await stage.store.keys(f"runs/{handle.id}/log/")
    text = b"".join([await stage.store.get(key) for key in keys])
    assert text.count(b"\n") == 1300


@pytest.mark.parametrize(
    ("name", "source", "kind"),
    [
        ("s.py", PY + "async def main(args):\n    await agent('x')\n    while True:\n        pass\n", "time_limit"),
        ("s.js", JS + "await agent('x'); while (true) {}", "time_limit"),
        ("s.js", JS + "await agent('x'); while (true) await null", "time_limit"),
        (
            "s.py",
            PY + "async def main(args):\n    x = []\n    while True:\n        x.append('y' * 1000000)\n",
            "memory_limit",
        ),
        ("s.js", JS + "const x = []; while (true) x.push('y'.repeat(1000000) + x.length)", "memory_limit"),
        ("s.js", JS + "while (true) await sleep(0)", "time_limit"),
        ("s.js", JS + "await agent('x'); while (true) await new Promise((done) => setTimeout(done, 0))", "time_limit"),
    ],
)
async def test_a_script_without_end_fails_its_own_run(stage: Stage, name: str, source: str, kind: str) -> None:
    async with stage.playing():
        handle = await stage.start(source, name)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    report = await stage.report(handle)
    assert report.error is not None
    assert report.error.kind == kind


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (
            "s.py",
            PY + "async def main(args):\n    for i in range(500):\n        await sleep(0)\n    return 'through'\n",
        ),
        ("s.js", JS + "for (let i = 0; i < 500; i++) await sleep(0)\nreturn 'through'"),
    ],
)
async def test_a_script_may_let_others_go_first_as_often_as_it_likes(stage: Stage, name: str, source: str) -> None:
    async with stage.playing():
        handle = await stage.start(source, name)
        assert (await handle.result()).result == "through"
    tasks = [
        event
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_task_failed_event_attributes")
    ]
    assert tasks == []
