"""`mcp`: one call, under the policy, and made again only where that does no harm."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.workflows.step_contracts import CallMcpInput

from .conftest import Stage, ToolError, WorkerLost

CALL: dict[str, Any] = {"server": "tracker", "tool": "close", "input": {"id": 7}}


@pytest.fixture
async def allowed(stage: Stage) -> Stage:
    await stage.prepare("mcp__tracker")
    return stage


async def test_a_tool_gives_its_value_and_is_asked_with_its_input(allowed: Stage) -> None:
    result = await allowed.run(CallMcpInput, **CALL)
    assert result.value == {"ok": True}
    assert [call[:3] for call in allowed.servers.calls] == [("tracker", "close", {"id": 7})]


async def test_a_tool_that_no_rule_names_is_refused_with_the_rule_that_would_allow_it(stage: Stage) -> None:
    message = await stage.fails(CallMcpInput, "refused", **CALL)
    assert "--allow mcp__tracker__close" in message
    assert stage.servers.calls == []


async def test_a_failed_call_is_an_error_of_the_step_and_fails_again_on_every_attempt(allowed: Stage) -> None:
    allowed.servers.answer = ToolError("there is no issue 7")
    assert "there is no issue 7" in await allowed.fails(CallMcpInput, "mcp", **CALL)
    allowed.servers.answer = "now there is"
    assert "there is no issue 7" in await allowed.fails(CallMcpInput, "mcp", attempt=2, **CALL)
    assert len(allowed.servers.calls) == 1


async def test_a_call_that_a_lost_worker_made_is_not_made_again(allowed: Stage) -> None:
    await lose(allowed)
    message = await allowed.fails(CallMcpInput, "unknown_outcome", attempt=2, **CALL)
    assert "mcp('tracker', 'close')" in message and "repeat: true" in message
    assert len(allowed.servers.calls) == 1


@pytest.mark.parametrize("who", ["author", "server"])
async def test_a_call_that_may_be_repeated_is_made_again_with_the_same_key(allowed: Stage, who: str) -> None:
    await lose(allowed)
    allowed.servers.may_repeat = who == "server"
    result = await allowed.run(CallMcpInput, attempt=2, repeat=who == "author", **CALL)
    assert result.value == {"ok": True}
    keys = [call[3] for call in allowed.servers.calls]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_other_steps_have_other_keys(allowed: Stage) -> None:
    await allowed.run(CallMcpInput, **CALL)
    await allowed.run(CallMcpInput, step="s2", **CALL)
    assert len({call[3] for call in allowed.servers.calls}) == 2


async def test_a_value_that_was_kept_is_given_again(allowed: Stage) -> None:
    await allowed.run(CallMcpInput, **CALL)
    allowed.servers.answer = "another"
    assert (await allowed.run(CallMcpInput, attempt=2, **CALL)).value == {"ok": True}
    assert len(allowed.servers.calls) == 1


async def test_an_answer_of_20_mb_comes_back_whole_and_one_of_60_mb_is_one_clear_error(allowed: Stage) -> None:
    allowed.servers.answer = "x" * 20_000_000
    await allowed.fails(CallMcpInput, "large_value", **CALL)
    assert len((await allowed.run(CallMcpInput, alone=True, **CALL)).value) == 20_000_000
    assert len(allowed.servers.calls) == 1  # what was kept is given, and the server is not asked again
    allowed.servers.answer = "x" * 60_000_000
    assert "60,000,002 bytes" in await allowed.fails(CallMcpInput, "too_large", step="s2", **CALL)


async def lose(stage: Stage) -> None:
    """The call is made, and its Worker is gone before the answer."""
    answer = stage.servers.answer
    stage.servers.answer = WorkerLost()
    with pytest.raises(WorkerLost):
        await stage.run(CallMcpInput, **CALL)
    stage.servers.answer = answer
