"""Attempts from different angles agree, or stand disputed with what each of them holds."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from tenuto.workflows.contracts import RunAgentInput

from .conftest import Stage
from .test_reviews import JS, PY, result_of

SCRIPTS = {
    "converge.js": JS + "return await converge('Why?', { angles: ['x', 'y', 'z'], ...args })\n",
    "converge.py": PY.replace("review", "converge")
    + "async def main(args):\n    return await converge('Why?', angles=['x', 'y', 'z'], schema=args['schema'])\n",
}
SCHEMA = {"type": "object", "properties": {"why": {"type": "string"}}}


def angle_of(input: RunAgentInput, asked: list[RunAgentInput]) -> str:
    """By its first prompt, however often it was continued."""
    while input.continues is not None:
        input = next(each for each in asked if each.agent == input.continues)
    return input.prompt[-1]


@pytest.mark.parametrize("name", SCRIPTS)
async def test_attempts_that_do_not_agree_at_first_converge_in_their_own_conversations(stage: Stage, name: str) -> None:
    async def play(input: RunAgentInput) -> Any:
        return {"why": "rust" if input.continues else angle_of(input, stage.asked)}

    async with stage.playing(play):
        got, report = await result_of(stage, SCRIPTS[name], name, args={"schema": SCHEMA})
    assert (got["verdict"], got["value"], got["rounds"]) == ("confirmed", {"why": "rust"}, 2)
    assert [(each["angle"], each["group"]) for each in got["positions"]] == [("x", 0), ("y", 0), ("z", 0)]
    assert (report.status, report.census.done, report.verification.reviews.confirmed) == ("completed", 6, 1)
    second = sorted((input for input in stage.asked if input.continues), key=lambda input: input.agent)
    assert [input.continues for input in second] == ["a1", "a2", "a3"]
    own, others = '"why": "x"', ('"why": "y"', '"why": "z"')
    assert own not in second[0].prompt and all(each in second[0].prompt for each in others)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_attempts_that_never_agree_are_disputed_with_every_position(stage: Stage, name: str) -> None:
    async def play(input: RunAgentInput) -> Any:
        return {"why": angle_of(input, stage.asked)}

    async with stage.playing(play):
        got, report = await result_of(stage, SCRIPTS[name], name, args={"schema": SCHEMA})
    assert (got["verdict"], got["value"], got["rounds"]) == ("disputed", None, 3)
    assert [each["value"] for each in got["positions"]] == [{"why": "x"}, {"why": "y"}, {"why": "z"}]
    assert (report.census.agents, report.verification.reviews.disputed) == (9, 1)


async def test_of_texts_in_other_words_an_agent_says_whether_they_claim_the_same(stage: Stage) -> None:
    async def play(input: RunAgentInput) -> Any:
        return {"same": [1, 1, 1]} if input.output_schema else f"It is rust, says {angle_of(input, stage.asked)}"

    async with stage.playing(play):
        got, report = await result_of(stage, SCRIPTS["converge.js"], "converge.js", args={})
    assert (got["verdict"], got["value"], got["rounds"]) == ("confirmed", "It is rust, says x", 1)
    assert report.census.agents == 4


@pytest.mark.parametrize(("quorum", "verdict"), [(3, "unverified"), (2, "confirmed")])
async def test_an_attempt_that_died_holds_nothing(stage: Stage, quorum: int, verdict: str) -> None:
    async def play(input: RunAgentInput) -> Any:
        if angle_of(input, stage.asked) == "y":
            raise ApplicationError("gone", type="overloaded_error", non_retryable=True)
        return {"why": "rust"}

    args = {"schema": SCHEMA, "quorum": quorum}
    async with stage.playing(play):
        got, report = await result_of(stage, SCRIPTS["converge.js"], "converge.js", args=args)
    assert (got["verdict"], got["positions"][1]["group"]) == (verdict, None)
    assert got["positions"][1]["reason"].startswith("overloaded_error")
    assert report.status == "degraded"
