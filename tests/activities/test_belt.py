"""A turn's calls: which run, in which order, and what another attempt makes of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.store import Store
from tenuto.activities.tools.belt import LOST, in_turns
from tenuto.activities.transcript import Message, now

from .tool_play import Counting, Played, Rules


def answer(*uses: tuple[str, dict[str, Any]], stop_reason: str = "tool_use") -> Message:
    blocks = [
        {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": given}
        for number, (name, given) in enumerate(uses)
    ]
    return Message(purpose="answer", content=blocks, at=now(), stop_reason=stop_reason)


def texts(message: Message) -> list[str]:
    assert isinstance(message.content, list)
    return [block["content"] for block in message.content]


@pytest.fixture
def played(store: Store, tmp_path: Path) -> Played:
    return Played(store, tmp_path, [Counting("Look"), Counting("Write"), Counting("Do", after_loss="unknown")])


async def test_results_come_in_the_order_of_the_calls_with_their_ids(played: Played) -> None:
    message = await played.belt().use(1, answer(("Look", {"n": 1}), ("Do", {"n": 2})), [], resumed=False)
    assert isinstance(message.content, list)
    assert [block["tool_use_id"] for block in message.content] == ["toolu_0", "toolu_1"]
    assert texts(message) == ["Look did {'n': 1}", "Do did {'n': 2}"]
    assert message.role == "user"


async def test_calls_of_one_turn_run_side_by_side_but_writes_wait_for_each_other(played: Played) -> None:
    look, write, _ = played.tools
    both = asyncio.Barrier(2)
    look.pause = both.wait
    calls = answer(("Look", {"n": 1}), ("Look", {"n": 2}), ("Write", {"n": 3}), ("Write", {"n": 4}))
    async with asyncio.timeout(5):
        await played.belt().use(1, calls, [], resumed=False)
    assert (look.inside_max, write.inside_max) == (2, 1)
    assert [call.input["n"] for call in write.calls] == [3, 4]


async def test_an_error_waits_until_the_calls_beside_it_have_ended() -> None:
    ended = []

    async def one(index: int) -> Any:
        if index == 0:
            raise RuntimeError("broken")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(index)

    with pytest.raises(RuntimeError, match="broken"):
        await in_turns(["Look", "Look", "Look"], one)
    assert ended == [1, 2]


@pytest.mark.parametrize(
    ("use", "words", "refused"),
    [
        (("Nothing", {}), "There is no tool 'Nothing' here; the tools are: Look, Write, Do.", True),
        (("Look", {"n": "three"}), "'three' is not of type 'integer'", False),
        (("Look", {"m": 1}), "unexpected", False),
        (("Do", {}), "Do is not allowed in this run", True),
    ],
)
async def test_what_cannot_run_is_one_error_for_the_model_and_counted(
    played: Played, use: tuple[str, dict[str, Any]], words: str, refused: bool
) -> None:
    played.rules = Rules(denied=frozenset({"Do"}))
    message = await played.belt().use(1, answer(use), [], resumed=False)
    assert words in texts(message)[0]
    assert isinstance(message.content, list)
    assert message.content[0]["is_error"] is True
    assert (message.calls[0].ok, message.calls[0].refused) == (False, refused)
    assert all(not tool.calls for tool in played.tools)


def test_a_tool_that_no_rule_allows_is_not_shown(played: Played) -> None:
    played.rules = Rules(hidden=frozenset({"Do"}))
    assert [tool["name"] for tool in played.belt().definitions] == ["Look", "Write"]


async def test_a_failed_call_and_a_broken_tool_are_errors_for_the_model(
    played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    look, _, do = played.tools
    look.fails = True
    do.pause = lambda: 1 / 0
    message = await played.belt().use(1, answer(("Look", {}), ("Do", {})), [], resumed=False)
    assert texts(message) == ["it did not work", "Do failed inside: ZeroDivisionError: division by zero"]
    assert [call.ok for call in message.calls] == [False, False]
    assert "tool Do failed" in caplog.text


async def test_a_call_whose_attempt_was_lost_is_not_made_again_and_the_model_is_told(played: Played) -> None:
    do = played.tools[2]
    do.pause = lambda: asyncio.get_running_loop().create_future()
    first = asyncio.create_task(played.belt().use(1, answer(("Do", {"n": 1})), [], resumed=False))
    async with asyncio.timeout(5):
        while not do.calls:
            await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    do.pause = None
    message = await played.belt().use(1, answer(("Do", {"n": 1})), [], resumed=True)
    assert texts(message) == [LOST]
    assert message.calls[0].unknown
    assert len(do.calls) == 1


async def test_a_repeated_call_after_an_unknown_outcome_keeps_its_key_and_others_do_not(played: Played) -> None:
    do = played.tools[2]
    belt = played.belt()
    first = await belt.use(1, answer(("Do", {"n": 1})), [], resumed=False)
    unknown = first.calls[0].model_copy(update={"unknown": True})
    await belt.use(2, answer(("Do", {"n": 1})), [unknown], resumed=False)
    await belt.use(3, answer(("Do", {"n": 1})), first.calls, resumed=False)
    await belt.use(4, answer(("Do", {"n": 2}), ("Do", {"n": 2})), [], resumed=False)
    keys = [call.key for call in do.calls]
    assert keys[0] == keys[1]
    assert len({keys[0], *keys[2:]}) == 4


async def test_calls_that_were_answered_before_the_loss_do_not_run_again(played: Played) -> None:
    look, write, do = played.tools
    gone = asyncio.Event()

    async def never() -> None:
        gone.set()
        await asyncio.get_running_loop().create_future()

    write.pause = never
    calls = answer(("Do", {"n": 1}), ("Look", {"n": 2}), ("Write", {"n": 3}), ("Do", {"n": 4}))
    first = asyncio.create_task(played.belt().use(1, calls, [], resumed=False))
    await asyncio.wait_for(gone.wait(), 5)
    first.cancel()
    await asyncio.wait([first])
    write.pause = None
    message = await played.belt().use(1, calls, [], resumed=True)
    assert [call.ok for call in message.calls] == [True] * 4
    assert [call.input["n"] for call in do.calls] == [1, 4]
    assert len(look.calls) == 2, "what only looks may look again"
    assert [call.lost for call in write.calls] == [None, {"before": None}]
