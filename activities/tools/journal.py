"""What an attempt writes down about its tool calls, so that another attempt neither repeats nor loses one.

Under `{agent}/tools/{turn:06d}-{block:02d}/`: `started.json` before a tool acts whose repetition would be an effect of
its own, with what it noted; `result.json` after it, where the turn's message of results is not written yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from ..store import Store
from ..transcript import ToolRecord
from ..until_kept import until_kept


@dataclass(slots=True)
class Answered:
    """A finished call: the block for the model, and the record for the audit."""

    block: dict[str, Any]
    record: ToolRecord


_ANSWERED = TypeAdapter(Answered)


class ToolJournal:
    """The tool calls of one agent. Raises what the store raises."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = f"{folder}/tools"

    async def started(self, turn: int, block: int, what: dict[str, Any]) -> None:
        """Write down that a call is about to act."""
        await self._store.put(self._key(turn, block, "started"), to_json(what))

    async def answered(self, turn: int, block: int, answered: Answered) -> None:
        """Write down how a call ended. The store is asked until it takes it."""
        key, data = self._key(turn, block, "result"), _ANSWERED.dump_json(answered)
        await until_kept(lambda: self._store.put(key, data))

    async def found(self, turn: int) -> tuple[dict[int, dict[str, Any]], dict[int, Answered]]:
        """What earlier attempts left about a turn: what was started, and what was answered, by block."""
        started: dict[int, dict[str, Any]] = {}
        answered: dict[int, Answered] = {}
        prefix = f"{self._folder}/{turn:06d}-"
        # By folder first: a prefix of the store ends at a `/`.
        for key in await self._store.keys(self._folder):
            if not key.startswith(prefix):
                continue
            block = int(key.removeprefix(prefix).partition("/")[0])
            data = await self._store.get(key)
            if key.endswith("/started.json"):
                started[block] = from_json(data)
            else:
                answered[block] = _ANSWERED.validate_json(data)
        return started, answered

    def _key(self, turn: int, block: int, what: str) -> str:
        return f"{self._folder}/{turn:06d}-{block:02d}/{what}.json"
