"""A conversation of ten turns with tools, and what is left of it when it is lost at any point."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.agent import AgentActivities
from tenuto.activities.credentials import Credentials
from tenuto.activities.store import Store
from tenuto.worker.simulated_api import SimulatedApi

from .conftest import Stage
from .tool_play import Counting, Played

TURNS = 10
CALLS = {1: ["Look"], 2: ["Do"], 3: ["Look", "Do"], 4: ["Write"], 5: ["Do", "Do"], 6: ["Write", "Do", "Look"]}
"""Tools by turn; the turns after them look once each, and the last one answers."""


DO = 5
"""Calls of `Do` in all."""


class Killed(BaseException):
    """The process is gone: no `except Exception` sees it."""


class MortalStore(Store):
    """Dies at a given write, before or after it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.writes = 0
        self.dies_at: tuple[int, str] | None = None

    async def put(self, key: str, data: bytes) -> None:
        self.writes = number = self.writes + 1
        if self.dies_at == (number, "before"):
            raise Killed
        await super().put(key, data)
        if self.dies_at == (number, "after"):
            raise Killed


def rules() -> list[dict[str, Any]]:
    played = []
    for turn in range(1, TURNS):
        names = CALLS.get(turn, ["Look"])
        uses = [{"name": name, "input": {"n": turn * 10 + number}} for number, name in enumerate(names)]
        played.append({"match": {"turn": turn}, "reply": {"tool_use": uses}})
    return [*played, {"match": {"turn": TURNS}, "reply": {"text": "all done"}}]


@pytest.fixture
async def mortal(api: SimulatedApi, tmp_path: Path) -> AsyncIterator[tuple[Stage, MortalStore, Played]]:
    store = MortalStore((tmp_path / "store").as_uri())
    played = Played(store, tmp_path, [Counting("Look"), Counting("Write"), Counting("Do", after_loss="unknown")])

    async def simulated_url() -> str:
        return api.url

    environ = {"ANTHROPIC_API_KEY": "key-one", "ANTHROPIC_BASE_URL": api.url}
    activities = AgentActivities(store, Credentials(tmp_path, environ), simulated_url, played)
    api.control(rules=rules())
    yield Stage(store, api, tmp_path, environ, activities, []), store, played
    await activities.close()


async def test_the_transcript_shows_every_step_and_the_record_what_was_done(
    mortal: tuple[Stage, MortalStore, Played],
) -> None:
    stage, _, played = mortal
    result = await stage.run()
    assert result.value == "all done"
    purposes = [turn["purpose"] for turn in await stage.turns()]
    assert purposes == ["prompt", *["answer", "tool_results"] * (TURNS - 1), "answer"]
    record = await stage.record()
    assert (record["turns"], record["tools"]) == (TURNS, {"calls": 13, "failed": 0, "refused": 0})
    assert record["wrote"] == {"a.txt": "0" * 64}
    assert played.closed == 1


async def test_a_follow_up_goes_on_in_the_earlier_conversation_which_is_not_paid_again(
    mortal: tuple[Stage, MortalStore, Played],
) -> None:
    stage, _, _ = mortal
    first = await stage.run("Do it.")
    stage.api.control(reset=True, rules=[{"match": {"last_contains": "once more"}, "reply": {"text": "better"}}])
    second = await stage.run("Do it once more.", agent="a2", continues="a1")
    assert second.value == "better"
    (asked,) = stage.api.requests()
    assert (asked["prompt"], asked["turn"]) == ("Do it.", TURNS + 1)
    assert 0 < second.usage.output_tokens < first.usage.output_tokens
    assert (await stage.turns("a2"))[-2]["purpose"] == "follow_up"
    assert (await stage.record("a2"))["tools"]["calls"] == 0


async def test_lost_at_any_write_it_goes_on_and_repeats_neither_a_turn_nor_an_effect(
    mortal: tuple[Stage, MortalStore, Played], subtests: pytest.Subtests
) -> None:
    stage, store, played = mortal
    await stage.run(agent="a0")
    writes = store.writes
    assert writes > 2 * TURNS
    for number in range(1, writes + 1):
        for when in ("before", "after"):
            with subtests.test(number=number, when=when):
                await _lost_and_resumed(stage, store, played, f"b{number}{when}", (number, when))


async def _lost_and_resumed(
    stage: Stage, store: MortalStore, played: Played, agent: str, dies_at: tuple[int, str]
) -> None:
    stage.api.control(reset=True, rules=rules())
    for tool in played.tools:
        tool.calls.clear()
    played.folder = f"runs/wf_test/agents/{agent}"
    store.writes, store.dies_at = 0, dies_at
    with pytest.raises(Killed):
        await stage.run(agent=agent)
    store.dies_at = None
    result = await stage.run(agent=agent, attempt=2)
    assert result.value == "all done"
    asked = Counter(record["turn"] for record in stage.api.requests())
    assert set(asked) == set(range(1, TURNS + 1))
    # The answer of one turn may be lost with the process; no other is asked for again.
    assert sorted(asked.values())[:-1] == [1] * (TURNS - 1)
    assert max(asked.values()) <= 2
    _, write, do = played.tools
    done = Counter(call.input["n"] for call in do.calls)
    assert set(done.values()) == {1}, "an effect happened twice"
    told = [call for turn in await stage.turns(agent) for call in turn.get("calls", ()) if call.get("unknown")]
    assert len(told) <= 2, "at most the calls of one turn can be unknown"
    assert DO - len(told) <= len(done) <= DO, "a call was neither made nor told to be unknown"
    assert {call.input["n"] for call in write.calls} == {40, 60}
