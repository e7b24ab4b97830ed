"""Reviews as children of a run: whoever is dead, slow or of another opinion, the verdict is what was really voted."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from tenuto.workflows.contracts import RunAgentInput, RunLimits, RunReport

from .conftest import Stage

LENSES = ["alpha", "beta", "gamma"]
JS = "export const meta = { name: 'reviewed', description: 'd' }\n"
PY = 'from tenuto import Meta, agent, parallel, review\n\nmeta = Meta(name="reviewed", description="d")\n\n\n'
ONCE_JS = JS + "return await review('the work', { lenses: ['alpha', 'beta', 'gamma'], ...args })\n"
ONCE_PY = PY + (
    "async def main(args):\n"
    "    return await review('the work', lenses=['alpha', 'beta', 'gamma'], quorum=args['quorum'])\n"
)
REVISED = PY + (
    "async def main(args):\n"
    "    work = await agent('write it', label='author')\n"
    "    return await review(work, reviewers=2, lenses=['alpha', 'beta'], revise='Mend it.')\n"
)


def lens_of(input: RunAgentInput) -> str | None:
    return next((lens for lens in LENSES if f"lens: {lens}\n" in input.prompt), None)


def says(verdict: str, *objections: str, evidence: str = "seen") -> dict[str, Any]:
    return {"verdict": verdict, "objections": list(objections), "evidence": [evidence]}


async def result_of(stage: Stage, source: str, name: str, **given: Any) -> tuple[Any, RunReport]:
    handle = await stage.start(source, name, has_args="args" in given, **given)
    report = await asyncio.wait_for(handle.result(), 50)
    return report.result, report


@pytest.mark.parametrize("name", ["once.js", "once.py"])
@pytest.mark.parametrize("quorum", [2, 3])
async def test_for_every_subset_of_reviewers_dead_or_contradicting_the_verdict_is_what_was_voted(
    stage: Stage, name: str, quorum: int
) -> None:
    kinds = ("pass", "fail", "abstain", "dead")
    tables = {str(i): combination for i, combination in enumerate(itertools.combinations_with_replacement(kinds, 3))}
    source = (JS if name == "once.js" else PY) + {
        "once.js": "return await parallel(Object.keys(args.tables).map((key) => () => review(`work ${key};`, "
        "{ lenses: ['alpha', 'beta', 'gamma'], quorum: args.quorum })))\n",
        "once.py": "async def main(args):\n    return await parallel([review(f'work {key};', "
        "lenses=['alpha', 'beta', 'gamma'], quorum=args['quorum']) for key in args['tables']])\n",
    }[name]

    async def play(input: RunAgentInput) -> Any:
        key = input.prompt.split("<work>\nwork ")[1].partition(";")[0]
        lens = lens_of(input)
        assert lens is not None
        kind = tables[key][LENSES.index(lens)]
        if kind == "dead":
            raise ApplicationError("gone", type="overloaded_error", non_retryable=True)
        return says(kind, f"{lens} {kind}")

    async with stage.playing(play):
        results, report = await result_of(
            stage, source, name, args={"tables": tables, "quorum": quorum}, limits=RunLimits(concurrency=9)
        )
    for (_, combination), got in zip(tables.items(), results, strict=True):
        passes, fails = combination.count("pass"), combination.count("fail")
        if passes + fails < quorum:
            expected = "unverified"
        elif passes >= quorum > fails:
            expected = "confirmed"
        elif fails >= quorum > passes:
            expected = "refuted"
        else:
            expected = "disputed"
        assert got["verdict"] == expected, combination
        assert [vote["verdict"] for vote in got["votes"]] == [k if k != "dead" else "abstain" for k in combination]
        assert all(
            vote["reason"].startswith("overloaded_error")
            for vote, kind in zip(got["votes"], combination, strict=True)
            if kind == "dead"
        )
    counts = report.verification.reviews
    assert counts.confirmed + counts.refuted + counts.disputed + counts.unverified == len(tables)
    dead = sum(combination.count("dead") for combination in tables.values())
    assert (report.census.agents, report.census.failed, report.status) == (3 * len(tables), dead, "degraded")
    assert report.usage.output_tokens == 5 * (3 * len(tables) - dead)
    assert stage.running_max <= 9


async def test_an_author_that_mends_an_objection_converges_in_the_second_round(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        if input.prompt == "write it":
            return "first draft"
        if lens_of(input) is None:
            return "second draft"
        return says("pass") if "second draft" in input.prompt else says("fail", "It is a draft!")

    async with stage.playing(play):
        got, report = await result_of(stage, REVISED, "revised.py")
    assert (got["verdict"], got["rounds"], got["final"], got["objections"]) == ("confirmed", 2, "second draft", [])
    assert [(v["round"], v["lens"], v["verdict"]) for v in got["votes"]] == [
        (1, "alpha", "fail"),
        (1, "beta", "fail"),
        (2, "alpha", "pass"),
        (2, "beta", "pass"),
    ]
    assert (report.status, report.verification.reviews.confirmed) == ("completed", 1)
    assert (report.census.agents, report.census.done) == (6, 6)
    (revision,) = [input for input in stage.asked if input.continues]
    assert (revision.continues, revision.label) == ("a1", "review-1 revise after round 1 (author)")
    assert stage.asked[0].entry != revision.entry, "an entry in the journal keeps its own value"
    assert "It is a draft!" in revision.prompt and "Mend it." in revision.prompt
    reviewers = [input for input in stage.asked if lens_of(input)]
    assert {input.model for input in reviewers} == {"claude-opus-5-5"}
    assert not [input for input in reviewers if input.continues or "write it" in input.prompt]
    assert len({input.agent for input in stage.asked}) == 6


async def test_an_author_that_never_mends_it_ends_refuted_with_the_standing_objections(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        lens = lens_of(input)
        if lens is None:
            return "a draft"
        number = sum(lens_of(asked) == lens for asked in stage.asked)
        return says("fail", f"The {lens} is missing" + "." * number)

    async with stage.playing(play):
        got, report = await result_of(stage, REVISED, "revised.py")
    # The very same objections came back after a revision: a third round would not settle it.
    assert (got["verdict"], got["rounds"]) == ("refuted", 2)
    assert got["objections"] == ["The alpha is missing..", "The beta is missing.."]
    assert (report.status, report.verification.reviews.refuted) == ("completed", 1)


async def test_new_objections_each_time_end_with_the_last_round(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        lens = lens_of(input)
        return f"draft {len(stage.asked)}" if lens is None else says("fail", f"{lens} objection {len(stage.asked)}")

    async with stage.playing(play):
        got, _ = await result_of(stage, REVISED, "revised.py")
    assert (got["verdict"], got["rounds"]) == ("refuted", 3)
    revisions = [input for input in stage.asked if input.continues]
    assert [input.continues for input in revisions] == ["a1", revisions[0].agent]


async def test_of_several_reviews_the_labels_and_the_failures_say_which_one_it_was_and_whose_work(stage: Stage) -> None:
    source = PY + (
        "async def main(args):\n"
        "    one = await agent('write one', label='src/one.py')\n"
        "    await review(one, lenses=['alpha'])\n"
        "    await review({'claim': True, 'of': None}, lenses=['alpha'])\n"
    )

    async def play(input: RunAgentInput) -> Any:
        if "claim" in input.prompt:
            raise ApplicationError("gone", type="overloaded_error", non_retryable=True)
        return "one" if lens_of(input) is None else says("pass")

    async with stage.playing(play):
        _, report = await result_of(stage, source, "several.py")
    labels = [row.label for row in report.agents]
    assert labels == [
        "src/one.py",
        "review-1 1.1: alpha (src/one.py)",
        'review-2 1.1: alpha ({"claim": true, "of": null})',
    ]
    assert [failure.label for failure in report.failures] == labels[2:]
    assert [(view.id, view.author, view.work) for view in report.reviews] == [
        ("review-1", "a1", "one"),
        ("review-2", None, '{"claim": true, "of": null}'),
    ]


async def test_reviewers_that_contradict_each_other_to_the_end_are_disputed_with_both_positions(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        lens = lens_of(input)
        if lens is None:
            return f"draft {len(stage.asked)}"
        return says("pass", evidence="it runs") if lens == "alpha" else says("fail", "it leaks")

    async with stage.playing(play):
        got, report = await result_of(stage, REVISED, "revised.py")
    assert (got["verdict"], got["objections"]) == ("disputed", ["it leaks", "passed (alpha): it runs"])
    assert [(p["lens"], p["verdict"]) for p in got["positions"]] == [("alpha", "pass"), ("beta", "fail")]
    assert report.verification.reviews.disputed == 1


async def test_where_the_author_is_not_known_another_agent_takes_its_place_and_goes_on(stage: Stage) -> None:
    source = JS + "return await review({ n: 1 }, { lenses: ['alpha'], revise: 'Mend it.' })\n"

    async def play(input: RunAgentInput) -> Any:
        if lens_of(input) is None:
            return f'```json\n{{"n": {len(stage.asked)}}}\n```'
        return says("pass") if '"n": 4' in input.prompt else says("fail", f"wrong {len(stage.asked)}")

    async with stage.playing(play):
        got, _ = await result_of(stage, source, "unknown.js")
    assert (got["verdict"], got["rounds"], got["final"]) == ("confirmed", 3, {"n": 4})
    first, second = [input for input in stage.asked if lens_of(input) is None]
    assert (first.continues, second.continues) == (None, first.agent)
    assert '"n": 1' in first.prompt and "<work>" not in second.prompt
    assert first.model == "claude-sonnet-5-5"


async def test_a_slow_reviewer_is_waited_for(stage: Stage, gate: asyncio.Event) -> None:
    async def play(input: RunAgentInput) -> Any:
        if lens_of(input) == "gamma":
            await gate.wait()
            return says("fail", "too fast")
        gate_opens.append(input.agent)
        if len(gate_opens) == 2:
            gate.set()
        return says("pass")

    gate_opens: list[str] = []
    async with stage.playing(play):
        got, _ = await result_of(stage, ONCE_JS, "slow.js", args={"quorum": 2})
    assert (got["verdict"], got["objections"]) == ("confirmed", ["too fast"])


async def test_a_run_of_width_one_reviews_one_after_the_other(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        return says("pass")

    async with stage.playing(play):
        got, _ = await result_of(stage, ONCE_JS, "narrow.js", args={}, limits=RunLimits(concurrency=1))
    assert (got["verdict"], stage.running_max) == ("confirmed", 1)


async def test_the_agent_cap_holds_inside_a_review_and_what_it_refused_is_no_vote(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        return says("pass")

    async with stage.playing(play):
        got, report = await result_of(stage, ONCE_JS, "capped.js", args={"quorum": 3}, limits=RunLimits(agents=2))
    assert got["verdict"] == "unverified"
    assert got["votes"][2]["agent"] is None and got["votes"][2]["reason"].startswith("agent_cap: ")
    assert (report.census.agents, report.status) == (2, "degraded")
    assert [failure.kind for failure in report.failures] == ["agent_cap"]


async def test_a_cap_that_leaves_no_reviewer_throws(stage: Stage) -> None:
    source = JS + "await agent('x')\nwhile (true) await review('work')\n"
    async with stage.playing():
        handle = await stage.start(source, "endless.js", limits=RunLimits(agents=1))
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 50)
        report = await stage.report(handle)
    assert report.error is not None and report.error.kind == "agent_cap"


@pytest.mark.parametrize(
    ("options", "said"),
    [("{ quorum: 3 }", "2 reviewers can never have 3 votes"), ("{ rounds: 0 }", "rounds"), ("{ lenses: 3 }", "lenses")],
)
async def test_options_that_cannot_be_used_are_refused_and_cost_nothing(stage: Stage, options: str, said: str) -> None:
    source = JS + f"try {{ await review('x', {options}) }} catch (error) {{ return [error.kind, error.message] }}\n"
    async with stage.playing():
        got, report = await result_of(stage, source, "bad.js")
    assert got[0] == "bad_arguments" and said in got[1]
    assert report.census.agents == 0


async def test_a_stopped_run_ends_its_reviews_before_it_says_so(stage: Stage) -> None:
    started = asyncio.Event()

    async def play(input: RunAgentInput) -> Any:
        from temporalio import activity

        started.set()
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)

    async with stage.playing(play):
        handle = await stage.start(ONCE_JS, "stopped.js", args={}, has_args=True)
        await asyncio.wait_for(started.wait(), 30)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 50)
        report = await stage.report(handle)
        assert stage.running == 0
        child = await stage.client.get_workflow_handle(f"{handle.id}/review-1").describe()
    assert report.status == "stopped"
    assert report.census.skipped == report.census.agents > 0
    assert child.status is not None and child.status.name == "CANCELED"


async def test_a_review_reads_round_by_round_in_the_temporal_ui(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        return says("fail", "no good") if lens_of(input) == "alpha" else says("pass")

    async with stage.playing(play):
        handle = await stage.start(ONCE_JS, "seen.js", args={"quorum": 2}, has_args=True)
        await asyncio.wait_for(handle.result(), 50)
        child = stage.client.get_workflow_handle(f"{handle.id}/review-1")
        details = await child.query("__temporal_workflow_metadata")
        assert await child.query("review") is not None
    text = json.dumps(details, default=str)
    assert "Round 1" in text and "no good" in text
