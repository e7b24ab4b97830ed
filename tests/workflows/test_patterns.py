"""Judges and critics in a real run: what they are asked, and what their answers come to."""

from __future__ import annotations

from typing import Any

from temporalio.exceptions import ApplicationError

from tenuto.workflows.contracts import RunAgentInput

from .conftest import Stage
from .test_reviews import JS, PY, result_of

JUDGED = PY.replace("review", "judge") + (
    "async def main(args):\n    return await judge(['one', 'two', 'three'], criteria=['short'], judges=3)\n"
)


async def test_judges_see_candidates_in_different_orders_and_a_dead_one_gives_no_marks(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        if input.label == "judge 3":
            raise ApplicationError("gone", type="overloaded_error", non_retryable=True)
        blocks = {n: input.prompt.split(f"<candidate_{n}>\n")[1].split("\n")[0] for n in (1, 2, 3)}
        marks = {f"candidate_{n}": 9 if text == "two" else n for n, text in blocks.items()}
        return {**marks, "reason": blocks[1]}

    async with stage.playing(play):
        got, report = await result_of(stage, JUDGED, "judged.py")
    assert (got["winner"], got["value"], got["tied"]) == (1, "two", [1])
    assert [vote["reason"] for vote in got["votes"]] == ["one", "two"]
    assert got["scores"] == [(1 + 3) / 2, 9, (3 + 2) / 2]
    assert report.status == "degraded"
    assert {input.model for input in stage.asked} == {"claude-opus-5-5"}


async def test_a_critic_that_died_found_nothing_out(stage: Stage) -> None:
    source = JS + "return [await critic('r', { task: 't' }), await critic('dead'), await critic('fine')]\n"

    async def play(input: RunAgentInput) -> Any:
        if "dead" in input.prompt:
            raise ApplicationError("gone", type="overloaded_error", non_retryable=True)
        return {"missing": ["a test"] if "<task>\nt\n" in input.prompt else [], "evidence": ["looked"]}

    async with stage.playing(play):
        got, _ = await result_of(stage, source, "critic.js")
    assert [each["verdict"] for each in got] == ["incomplete", "unverified", "complete"]
    assert got[0]["missing"] == ["a test"]
