"""Journal entries as they lie in the store: at the beginning of the record of the agent that answered the call.

An object of its own would cost each agent as much as its record. So a whole journal is read by the beginnings of its
records, and an entry is there exactly when its value is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from pydantic_core import from_json

from .store import Store

Left = Literal["nothing", "files", "commit"]
"""What an agent left outside of the store: files in the shared workspace, or a commit of a checkout of its own."""

BEGINNING_BYTES = 1024
"""Of a record, in which its entry is whole."""
READS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished call. `name` is `{key}-{ordinal}`, `agent` whose record has its value."""

    name: str
    agent: str
    left: Left = "nothing"

    def first(self) -> dict[str, Any]:
        """The fields that a record with this entry begins with."""
        return {"entry": self.name, "left": self.left, "agent": self.agent}


async def read_entries(store: Store, run_id: str) -> list[Entry]:
    """All entries of a run, in the order of their names. Raises what the store raises."""
    turns = asyncio.Semaphore(READS_AT_ONCE)

    async def one(key: str) -> Entry | None:
        async with turns:
            return _parsed(await store.beginning(key, BEGINNING_BYTES))

    keys = [key for key in await store.keys(f"runs/{run_id}/agents") if key.endswith("/record.json")]
    found = [entry for entry in await asyncio.gather(*map(one, keys)) if entry is not None]
    return sorted(found, key=lambda entry: (entry.name, entry.agent))


def _parsed(beginning: bytes) -> Entry | None:
    try:
        first = from_json(beginning, allow_partial=True)
    except ValueError:
        return None  # something else that was put there: it answers no call
    if (
        not isinstance(first, dict)
        or not isinstance(first.get("entry"), str)
        or not isinstance(first.get("agent"), str)
    ):
        return None
    return Entry(first["entry"], first["agent"], left_of(first.get("left")))


def left_of(text: str | None) -> Left:
    """What an agent left, from its name; nothing, where none is known."""
    return cast("Left", text) if text in get_args(Left) else "nothing"
