"""The `run_agent` Activity against the simulated API over HTTP: values, transcripts, attempts."""

from __future__ import annotations

import asyncio
from typing import Any

import jsonschema
import pytest
from temporalio.exceptions import ApplicationError

from tenuto.workflows.failure_kinds import THROWN_KINDS
from tenuto.workflows.share_contracts import AgentFailureDetails

from .conftest import MODEL, Stage

SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["yes", "no"]}, "score": {"type": "integer"}},
    "required": ["verdict", "score"],
}


def requests(stage: Stage) -> list[dict[str, Any]]:
    return stage.api.requests()


async def test_the_value_is_the_final_text_verbatim(stage: Stage) -> None:
    stage.api.control(rules=[{"reply": {"text": "  two\n\nlines "}}])
    result = await stage.run("Count.")
    assert result.value == "  two\n\nlines "
    assert result.model_dump(exclude_unset=True).keys() == {"value", "usage"}


async def test_the_prompt_is_the_first_user_message_verbatim(stage: Stage) -> None:
    await stage.run("  a prompt\nwith edges  ")
    assert requests(stage)[0]["prompt"] == "  a prompt\nwith edges  "


async def test_an_empty_prompt_and_an_empty_answer_are_fine(stage: Stage) -> None:
    stage.api.control(rules=[{"reply": {"text": ""}}])
    assert (await stage.run(" ")).value == ""


async def test_usage_is_counted_in_tokens_and_dollars(stage: Stage) -> None:
    result = await stage.run()
    usage = requests(stage)[0]["usage"]
    assert result.usage.input_tokens == usage["input_tokens"] > 0
    assert result.usage.output_tokens == usage["output_tokens"] > 0
    assert result.usage.usd == pytest.approx(usage["input_tokens"] * 2e-6 + usage["output_tokens"] * 1e-5)


async def test_siblings_have_the_same_instructions(stage: Stage) -> None:
    stage.api.control(rules=[{"match": {"system_contains": "subagent"}, "reply": {"text": "found"}}])
    results = await asyncio.gather(*(stage.run(f"n {n}", agent=f"a{n}") for n in range(5)))
    assert [result.value for result in results] == ["found"] * 5


async def test_every_message_is_kept_in_order(stage: Stage) -> None:
    result = await stage.run("Keep me.")
    prompt, answer = await stage.turns()
    assert (prompt["purpose"], prompt["content"]) == ("prompt", "Keep me.")
    assert answer["content"][0]["text"] == result.value
    assert answer["request_id"].startswith("req_")
    assert answer["usage"]["output_tokens"] == result.usage.output_tokens


async def test_the_record_says_what_an_agent_did(stage: Stage) -> None:
    result = await stage.run("Record me.", phase="Find", effort="low")
    record = await stage.record()
    assert record["value"] == result.value
    assert record["failure"] is None
    assert (record["prompt"], record["phase"], record["effort"]) == ("Record me.", "Find", "low")
    assert (record["model"], record["served"], record["turns"], record["attempts"]) == (MODEL, MODEL, 1, 1)
    assert record["started_at"] <= record["ended_at"]


async def test_simulate_asks_the_simulation_without_any_credential(stage: Stage) -> None:
    stage.environ.clear()
    assert "[simulated]" in (await stage.run(simulate=True)).value


# ------------------------------------------------------------------------------------------- structured output


async def test_with_a_schema_the_value_is_the_validated_object(stage: Stage) -> None:
    value = (await stage.run(output_schema=SCHEMA)).value
    assert value["verdict"] in ("yes", "no")
    assert isinstance(value["score"], int)
    assert len(requests(stage)) == 1


async def test_a_wrong_answer_is_repaired_in_the_same_conversation(stage: Stage) -> None:
    stage.api.control(
        rules=[
            {"match": {"turn": 1}, "reply": {"json": {"verdict": "maybe"}}},
            {"match": {"last_contains": "$.verdict: 'maybe'"}, "reply": {"json": {"verdict": "no", "score": 2}}},
        ]
    )
    result = await stage.run(output_schema=SCHEMA)
    assert result.value == {"verdict": "no", "score": 2}
    assert [turn["purpose"] for turn in await stage.turns()] == ["prompt", "answer", "repair", "answer"]
    assert result.usage.output_tokens == sum(request["usage"]["output_tokens"] for request in requests(stage))


async def test_a_schema_that_is_never_satisfied_ends_after_five_answers(stage: Stage) -> None:
    stage.api.control(rules=[{"reply": {"text": "sorry, no JSON"}}])
    failure = await failed(stage, output_schema=SCHEMA)
    assert failure.type == "schema"
    assert failure.type in THROWN_KINDS
    assert len(requests(stage)) == 5
    assert failure.message.endswith("last answer: sorry, no JSON")
    assert (await stage.record())["failure"]["raw"] == "sorry, no JSON"
    details = failure.details[0]
    assert isinstance(details, AgentFailureDetails)
    assert details.usage.output_tokens > 0


async def test_an_unusable_schema_costs_no_request(stage: Stage) -> None:
    failure = await failed(stage, output_schema={"type": "array", "items": {}})
    assert failure.type == "unusable_schema"
    assert requests(stage) == []


async def test_what_the_api_cannot_constrain_is_sent_transformed_once_learnt(stage: Stage) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 3}, "t": {"type": ["string", "null"]}},
        "required": ["n"],
    }
    first = await stage.run(output_schema=schema)
    assert first.value["n"] >= 3
    assert [request["status"] for request in requests(stage)] == [400, 200]
    await stage.run("Again.", output_schema=schema, agent="a2")
    assert [request["status"] for request in requests(stage)] == [400, 200, 200]


async def test_a_map_is_asked_for_by_instruction_and_may_come_fenced(stage: Stage) -> None:
    schema = {
        "type": "object",
        "properties": {"by_file": {"type": "object", "additionalProperties": {"type": "number"}}},
    }
    stage.api.control(
        rules=[
            {"match": {"system_contains": "<json_schema>"}, "reply": {"text": '```json\n{"by_file": {"a": 1}}\n```'}}
        ]
    )
    assert (await stage.run(output_schema=schema)).value == {"by_file": {"a": 1}}
    assert [request["status"] for request in requests(stage)] == [400, 200]


async def test_a_model_without_effort_is_asked_without_it(stage: Stage) -> None:
    message = "output_config.effort is not supported by this model"
    stage.api.control(
        rules=[{"times": 1, "fault": {"status": 400, "type": "invalid_request_error", "message": message}}]
    )
    assert (await stage.run(effort="high")).value
    assert len(requests(stage)) == 2


# ------------------------------------------------------------------------------------------------ long answers


async def test_an_answer_over_the_output_limit_is_continued_and_joined(stage: Stage) -> None:
    stage.api.control(
        rules=[
            {"match": {"turn": 1}, "reply": {"text": "one, two, ", "stop_reason": "max_tokens"}},
            {"match": {"last_contains": "Continue exactly where it stopped"}, "reply": {"text": "three"}},
        ]
    )
    assert (await stage.run()).value == "one, two, three"
    assert [turn["purpose"] for turn in await stage.turns()] == ["prompt", "answer", "continue", "answer"]


async def test_an_answer_without_end_is_given_up(stage: Stage) -> None:
    stage.api.control(rules=[{"reply": {"text": "more ", "stop_reason": "max_tokens"}}])
    failure = await failed(stage)
    assert failure.type == "max_tokens"
    assert len(requests(stage)) == 6
    assert (await stage.record())["failure"]["raw"] == "more " * 6


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ({"fault": {"refusal": True}}, "refusal"),
        ({"reply": {"text": "…", "stop_reason": "model_context_window_exceeded"}}, "context_window"),
    ],
)
async def test_a_stop_that_has_no_value_fails_the_agent(stage: Stage, reply: dict[str, Any], kind: str) -> None:
    stage.api.control(rules=[reply])
    failure = await failed(stage)
    assert failure.type == kind
    assert failure.non_retryable
    assert len(requests(stage)) == 1


# ---------------------------------------------------------------------------------------------------- attempts


async def test_a_retry_goes_on_after_the_last_finished_turn(stage: Stage) -> None:
    stage.api.control(
        rules=[
            {"match": {"turn": 1}, "reply": {"json": {"verdict": "maybe"}}},
            {"match": {"turn": 2}, "times": 1, "fault": {"cut_after_events": 2}},
            {"match": {"turn": 2}, "reply": {"json": {"verdict": "yes", "score": 1}}},
        ]
    )
    broken = await failed(stage, output_schema=SCHEMA)
    assert (broken.type, broken.non_retryable) == ("connection", False)
    result = await stage.run(output_schema=SCHEMA, attempt=2)
    assert result.value == {"verdict": "yes", "score": 1}
    assert result.attempts == 2
    assert [request["turn"] for request in requests(stage)] == [1, 2, 2]
    paid = [request["usage"]["output_tokens"] for request in requests(stage) if request["outcome"] == "completed"]
    assert result.usage.output_tokens == sum(paid)


async def test_a_retry_of_a_finished_conversation_asks_nothing(stage: Stage) -> None:
    first = await stage.run("Once.")
    second = await stage.run("Once.", attempt=2)
    assert (second.value, second.usage) == (first.value, first.usage)
    assert len(requests(stage)) == 1


async def test_an_agent_of_one_turn_is_one_object(stage: Stage) -> None:
    await stage.run("Once.")
    assert await stage.store.keys("runs/wf_test") == ["runs/wf_test/agents/a1/record.json"]


async def test_a_gap_in_the_transcript_ends_it(stage: Stage) -> None:
    stage.api.control(rules=[{"match": {"turn": 1}, "reply": {"text": "no"}}])
    first = await stage.run("Once.", output_schema=SCHEMA)
    assert [request["turn"] for request in requests(stage)] == [1, 2]
    await stage.store.delete(["runs/wf_test/agents/a1/turns/000000.json"])
    assert (await stage.run("Once.", attempt=2, output_schema=SCHEMA)).value == first.value
    assert [request["turn"] for request in requests(stage)] == [1, 2, 1, 2]


async def test_what_an_ended_agent_said_last_is_read_with_the_rest_and_kept_again(stage: Stage) -> None:
    stage.api.control(rules=[{"match": {"turn": 1}, "reply": {"text": "no"}}])
    await stage.run(output_schema=SCHEMA)
    before = await stage.turns()
    await stage.run(output_schema=SCHEMA, attempt=2)  # the first one's completion was lost
    assert await stage.turns() == before
    assert [turn["purpose"] for turn in before] == ["prompt", "answer", "repair", "answer"]
    assert len(requests(stage)) == 2


async def test_heartbeats_carry_progress_and_a_quick_agent_needs_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.run()
    assert stage.beats == []
    monkeypatch.setattr("tenuto.activities.agent.FIRST_HEARTBEAT_S", 0.0)
    stage.api.control(rules=[{"latency_s": 0.2}])
    await stage.run(agent="a2")
    assert stage.beats[0].activity
    assert stage.beats[0].turns == 0


async def test_an_agent_over_its_own_ceiling_fails_before_the_next_request(stage: Stage) -> None:
    stage.api.control(rules=[{"reply": {"text": "no" * 2000}}])
    failure = await failed(stage, output_schema=SCHEMA, max_usd=0.03)
    assert failure.type == "budget"
    (details,) = failure.details
    assert 0 < details.usage.usd <= 0.03
    assert len(requests(stage)) >= 1


async def test_an_agent_whose_ceiling_has_no_room_for_an_answer_asks_for_nothing(stage: Stage) -> None:
    failure = await failed(stage, max_usd=0.001)
    assert failure.type == "budget"
    assert "leaves no room" in failure.message
    assert requests(stage) == []


async def failed(stage: Stage, **given: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as raised:
        await stage.run(**given)
    return raised.value


async def test_a_schema_that_the_api_cannot_take_is_instructed_and_still_satisfied(stage: Stage) -> None:
    schema = {
        "type": "object",
        "properties": {"scores": {"type": "object", "additionalProperties": {"type": "integer"}}},
        "required": ["scores"],
    }
    result = await stage.run("Score them.", output_schema=schema)
    jsonschema.validate(result.value, schema)
    assert len(requests(stage)) <= 3
