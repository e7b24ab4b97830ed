"""The `run_agent` Activity when something goes wrong: what is waited for, what is retried, what ends an agent."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from obstore.exceptions import GenericError
from temporalio.exceptions import ApplicationError

from tenuto.activities import until_kept
from tenuto.workflows.contracts import AgentProgress
from tenuto.workflows.control_contracts import AcceptedInput, HeldInput
from tenuto.workflows.failure_kinds import HOLDS, THROWN_KINDS

from .conftest import Stage


async def failed(stage: Stage, **given: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as raised:
        await stage.run(**given)
    return raised.value


def delay_s(failure: ApplicationError) -> float:
    assert failure.next_retry_delay is not None
    return failure.next_retry_delay.total_seconds()


async def test_a_permanent_error_fails_that_agent_with_the_apis_own_type(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"status": 400, "message": "messages: too many of them"}}])
    failure = await failed(stage)
    assert (failure.type, failure.non_retryable) == ("invalid_request_error", True)
    assert failure.message.startswith("messages: too many of them (request req_")
    assert failure.type not in THROWN_KINDS
    record = await stage.record()
    assert record["failure"]["kind"] == "invalid_request_error"
    assert record["turns"] == 0


async def test_an_unknown_model_fails_that_agent(stage: Stage) -> None:
    failure = await failed(stage, model="claude-nonesuch")
    assert (failure.type, failure.non_retryable) == ("not_found_error", True)


async def test_overload_backs_off_with_jitter(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"status": 529}}])
    delays = {delay_s(await failed(stage, attempt=attempt)) for attempt in (1, 1, 1)}
    assert len(delays) == 3
    assert all(0.5 <= delay <= 1.5 for delay in delays)
    assert 30 <= delay_s(await failed(stage, attempt=20)) <= 90


async def test_an_error_event_within_a_stream_is_the_error_it_names(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"sse_error": "overloaded_error"}}])
    failure = await failed(stage)
    assert (failure.type, failure.non_retryable) == ("overloaded_error", False)


async def test_a_server_error_without_end_is_given_up_at_last(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"status": 500}}])
    assert not (await failed(stage, attempt=49)).non_retryable
    last = await failed(stage, attempt=50)
    assert last.non_retryable
    assert last.message.startswith("given up after 50 attempts: ")


async def test_after_a_rate_limit_nobody_asks_before_it_is_over(stage: Stage) -> None:
    stage.api.control(rules=[{"times": 1, "fault": {"status": 429, "retry_after": 1}}])
    failure = await failed(stage, agent="first")
    assert failure.type == "rate_limit"
    assert delay_s(failure) >= 1
    limited = time.monotonic()
    results = await asyncio.gather(*(stage.run(agent=f"a{n}") for n in range(8)))
    assert len(results) == 8
    assert time.monotonic() - limited > 0.9
    first, *others = [request["received"] for request in stage.api.requests()]
    assert len(others) == 8
    assert min(others) - first >= 1


async def test_a_long_rate_limit_frees_the_slot_of_those_who_would_wait(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"status": 429, "retry_after": 45}}])
    await failed(stage, agent="first")
    waiting = await failed(stage, agent="second")
    assert waiting.type == "rate_limit"
    assert delay_s(waiting) <= 5
    assert len(stage.api.requests()) == 1
    (told,) = stage.told
    assert isinstance(told, HeldInput)
    assert (told.kind, told.until is None) == ("quota", False)


async def test_a_usage_limit_waits_for_its_reset(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"status": 429, "retry_after": 7200}}])
    failure = await failed(stage)
    assert failure.type == "quota"
    assert failure.type in HOLDS
    assert not failure.non_retryable
    (told,) = stage.told
    assert isinstance(told, HeldInput)
    assert told.until is not None
    assert 7190 < datetime.fromisoformat(told.until).timestamp() - time.time() < 7202


async def test_a_new_credential_ends_a_usage_limit_at_the_next_look(stage: Stage) -> None:
    stage.api.control(rules=[{"match": {"key": "key-one"}, "fault": {"status": 429, "retry_after": 7200}}])
    assert delay_s(await failed(stage)) <= 5
    waiting = await failed(stage, attempt=2)
    assert waiting.type == "quota"
    assert len(stage.api.requests()) == 1, "looking asks the API for nothing"
    stage.environ["ANTHROPIC_API_KEY"] = "key-two"
    environment = stage.environment(attempt=900)
    held = stage.beats[-1]
    environment.info = dataclasses.replace(environment.info, heartbeat_details=[held])
    result = await environment.run(stage.activities.run_agent, stage.input())
    assert (result.value is not None, isinstance(stage.told[-1], AcceptedInput)) == (True, True)


async def test_attempts_that_waited_try_nobodys_patience(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"status": 500}}])
    environment = stage.environment(attempt=900)
    beat = AgentProgress(held=True, holds=899)
    environment.info = dataclasses.replace(environment.info, heartbeat_details=[beat])
    with pytest.raises(ApplicationError) as raised:
        await environment.run(stage.activities.run_agent, stage.input())
    assert not raised.value.non_retryable
    assert delay_s(raised.value) < 2


async def test_a_person_can_have_it_asked_before_the_reset(stage: Stage) -> None:
    stage.api.control(rules=[{"times": 1, "fault": {"status": 429, "retry_after": 7200}}])
    await failed(stage)
    await failed(stage, agent="a2")
    assert (await stage.run(agent="a3", resumed=1)).value


async def test_one_rejected_credential_is_not_asked_on_by_everybody(stage: Stage) -> None:
    stage.api.control(api_keys=["another"])
    await failed(stage)
    for n in range(5):
        assert (await failed(stage, agent=f"b{n}")).type == "credential"
    assert len(stage.api.requests()) == 1
    assert len(stage.told) == 1


async def test_exhausted_credit_parks_and_is_told_once(stage: Stage) -> None:
    stage.api.control(rules=[{"match": {"key": "key-one"}, "fault": {"status": 402}}])
    assert {(await failed(stage, agent=f"a{n}")).type for n in range(4)} == {"credit"}
    assert len(stage.api.requests()) == len(stage.told) == 1
    stage.environ["ANTHROPIC_API_KEY"] = "key-two"
    assert (await stage.run(agent="a1")).value


async def test_an_agent_that_starts_over_begins_a_fresh_conversation(stage: Stage) -> None:
    await stage.run("first words")
    stage.api.control(rules=[{"times": 1, "fault": {"status": 529}}])
    await failed(stage, restarts=1)
    await stage.run("first words", restarts=1, attempt=2)
    assert [message["purpose"] for message in await stage.turns()] == ["prompt", "answer"]
    assert len([r for r in stage.api.requests() if r["status"] == 200]) == 2


async def test_a_rejected_credential_gives_way_to_the_next_at_once(stage: Stage) -> None:
    stage.api.control(api_keys=["key-two"])
    stage.environ["ANTHROPIC_AUTH_TOKEN"] = "key-two"
    assert (await stage.run()).value
    assert [request["status"] for request in stage.api.requests()] == [401, 200]
    await stage.run(agent="a2")
    assert [request["status"] for request in stage.api.requests()] == [401, 200, 200]


async def test_without_an_accepted_credential_the_agent_is_parked_not_failed(stage: Stage) -> None:
    stage.api.control(api_keys=["another"])
    failure = await failed(stage)
    assert (failure.type, failure.non_retryable) == ("credential", False)
    assert delay_s(failure) <= 5
    assert stage.beats[-1].held
    stage.environ["ANTHROPIC_API_KEY"] = "another"
    assert (await stage.run(attempt=2)).value


async def test_without_any_credential_the_agent_is_parked_and_says_where_it_looked(stage: Stage) -> None:
    stage.environ.clear()
    failure = await failed(stage)
    assert (failure.type, failure.non_retryable) == ("credential", False)
    assert "credentials.env" in failure.message


async def test_a_key_in_the_file_helps_the_next_attempt(stage: Stage) -> None:
    stage.environ.clear()
    await failed(stage)
    (stage.home / "credentials.env").write_text(f"ANTHROPIC_API_KEY=k\nANTHROPIC_BASE_URL={stage.api.url}\n")
    assert (await stage.run(attempt=2)).value


async def test_exhausted_credit_parks_the_agent(stage: Stage) -> None:
    stage.api.control(
        rules=[{"fault": {"status": 400, "message": "Your credit balance is too low to access the API."}}]
    )
    failure = await failed(stage)
    assert (failure.type, failure.non_retryable) == ("credit", False)


async def test_a_stalled_stream_is_cut_and_asked_again(stage: Stage) -> None:
    stage.api.control(rules=[{"times": 1, "fault": {"stall_after_events": 2}}])
    assert (await stage.run(stall_ms=200)).value
    assert len(stage.api.requests()) == 2


async def test_a_silent_answer_is_a_stall_too(stage: Stage) -> None:
    stage.api.control(rules=[{"times": 1, "fault": {"delay_s": 30}}])
    assert (await stage.run(stall_ms=200)).value


async def test_two_stalls_without_progress_end_the_agent(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"stall_after_events": 2}}])
    failure = await failed(stage, stall_ms=100)
    assert (failure.type, failure.non_retryable) == ("stalled", True)
    assert failure.type in THROWN_KINDS
    assert len(stage.api.requests()) == 2


async def test_a_ping_counts_as_life(stage: Stage, until: Callable[..., Any]) -> None:
    stage.api.control(rules=[{"fault": {"stall_after_events": 2, "stall_pings_s": 0.05}}])
    agent = asyncio.create_task(stage.run(stall_ms=250, timeout_s=1.0))
    with pytest.raises(ApplicationError) as raised:
        await agent
    assert raised.value.type == "timeout"
    assert len(stage.api.requests()) == 1


async def test_the_timeout_is_the_calls_not_the_attempts(stage: Stage) -> None:
    stage.api.control(latency_s=30)
    first = await failed(stage, timeout_s=0.2)
    assert (first.type, first.non_retryable) == ("timeout", True)
    # ActivityEnvironment schedules in 1970: a later attempt has no time left.
    later = await failed(stage, timeout_s=60, attempt=2)
    assert later.type == "timeout"


async def test_a_broken_connection_is_retried(stage: Stage) -> None:
    stage.api.control(rules=[{"fault": {"cut_after_events": 3}}])
    failure = await failed(stage)
    assert (failure.type, failure.non_retryable) == ("connection", False)
    stage.environ["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
    refused = await failed(stage)
    assert (refused.type, refused.non_retryable) == ("connection", False)


async def test_cancellation_closes_the_stream_and_says_what_the_stopped_agent_has_cost(
    stage: Stage, until: Callable[..., Any]
) -> None:
    stage.api.control(rules=[{"fault": {"stall_after_events": 2}}])
    environment = stage.environment()
    running = asyncio.create_task(environment.run(stage.activities.run_agent, stage.input()))
    await until(lambda: len(stage.api.requests()) == 1)
    environment.cancel()
    with pytest.raises(ApplicationError) as raised:
        await running
    assert (raised.value.type, raised.value.non_retryable) == ("stopped", True)
    assert raised.value.details[0].lost.input_tokens > 0
    await until(lambda: stage.api.requests()[0]["finished"] is not None)
    assert (await stage.record())["failure"]["kind"] == "skipped"


async def test_an_answer_is_held_until_the_store_takes_it_and_never_asked_for_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(until_kept, "PAUSE_MAX_S", 0.01)
    put, failed = stage.store.put, list[str]()

    async def failing(key: str, data: bytes) -> None:
        if len(failed) < 5:
            failed.append(key)
            raise GenericError("the disk is full")
        await put(key, data)

    monkeypatch.setattr(stage.store, "put", failing)
    result = await stage.run("Say something.")
    assert len(failed) == 5
    assert len(stage.api.requests()) == 1
    assert (await stage.record())["value"] == result.value
