"""Three attempts from different angles converge, or end disputed with what each of them holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .served import Served, ended

pytestmark = pytest.mark.e2e

PY = """from tenuto import Meta, converge
meta = Meta(name="causes", description="Why?")
SCHEMA = {"type": "object", "properties": {"why": {"type": "string"}}, "required": ["why"]}
async def main(args):
    schema = SCHEMA if args["typed"] else None
    return await converge("CAUSE: why?", angles=["ring one", "ring two", "ring three"], rounds=2, schema=schema)
"""
JS = """export const meta = {name: "causes-js", description: "Why?"}
const schema = {type: "object", properties: {why: {type: "string"}}, required: ["why"]}
return await converge("CAUSE: why?", {
  angles: ["ring one", "ring two", "ring three"], rounds: 2, schema: args.typed ? schema : undefined,
})
"""
SCRIPTS = {"py": PY, "js": JS}


def answer(match: dict[str, Any], value: Any) -> dict[str, Any]:
    return {"match": match, "reply": {"text": value if isinstance(value, str) else json.dumps(value)}}


def causes(served: Served, dialect: str, run_id: str, *, typed: bool) -> dict[str, Any]:
    served.tenuto.script(f"causes.{dialect}", SCRIPTS[dialect])
    args = json.dumps({"typed": typed})
    return ended(served.follow("run", f"causes.{dialect}", "--args", args, "--id", run_id, "--json"))


@pytest.mark.parametrize("dialect", SCRIPTS)
def test_attempts_that_hear_of_each_other_converge(served: Served, dialect: str) -> None:
    first = [answer({"prompt_contains": f"ring {n}", "turn": 1}, {"why": n}) for n in ("one", "two", "three")]
    served.api.control(rules=[*first, answer({"prompt_contains": "CAUSE", "turn": 2}, {"why": "rust"})])
    report = causes(served, dialect, f"wf_agree_{dialect}", typed=True)
    result = report["result"]
    assert (result["verdict"], result["value"], result["rounds"]) == ("confirmed", {"why": "rust"}, 2)
    assert (report["status"], report["census"]["done"]) == ("completed", 6)
    assert report["verification"]["reviews"]["confirmed"] == 1


@pytest.mark.parametrize("dialect", SCRIPTS)
def test_attempts_that_never_agree_are_disputed_with_every_position(served: Served, dialect: str) -> None:
    served.api.control(rules=[answer({"prompt_contains": f"ring {n}"}, {"why": n}) for n in ("one", "two", "three")])
    report = causes(served, dialect, f"wf_dispute_{dialect}", typed=True)
    result = report["result"]
    assert (result["verdict"], result["value"], result["rounds"]) == ("disputed", None, 2)
    assert [each["value"]["why"] for each in result["positions"]] == ["one", "two", "three"]
    assert report["verification"]["reviews"]["disputed"] == 1


@pytest.mark.parametrize("dialect", SCRIPTS)
@pytest.mark.parametrize(("same", "verdict"), [([1, 1, 1], "confirmed"), ([1, 1, 2], "disputed")])
def test_of_answers_in_other_words_an_agent_says_which_claim_the_same(
    served: Served, dialect: str, same: list[int], verdict: str
) -> None:
    compared = answer({"prompt_contains": "Which of them claim the same?"}, {"same": same})
    said = [answer({"prompt_contains": f"ring {n}"}, f"It is rust, says {n}.") for n in ("one", "two", "three")]
    served.api.control(rules=[compared, *said])
    result = causes(served, dialect, f"wf_words_{verdict}_{dialect}", typed=False)["result"]
    assert result["verdict"] == verdict
    if verdict == "confirmed":
        assert (result["value"], result["rounds"]) == ("It is rust, says one.", 1)
    else:
        assert [each["group"] for each in result["positions"]] == [0, 0, 1]
