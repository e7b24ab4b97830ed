"""Journal entries as they lie in the store. An entry's name says all, so that one listing reads a whole journal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, cast, get_args

from .store import Store

Left = Literal["nothing", "files", "commit"]
"""What an agent left outside of the store: files in the shared workspace, or a commit of a checkout of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished call. `name` is `{key}-{ordinal}`, `agent` whose record has its value."""

    name: str
    agent: str
    left: Left = "nothing"


async def write_entry(store: Store, run_id: str, entry: Entry) -> None:
    """Write one entry. Twice is once. Raises what the store raises."""
    text = json.dumps({"agent": entry.agent, "left": entry.left})
    await store.put(f"runs/{run_id}/journal/{entry.name}_{entry.agent}_{entry.left}", text.encode())


async def read_entries(store: Store, run_id: str) -> list[Entry]:
    """All entries of a run, in the order of their names. Raises what the store raises."""
    found = [_parsed(key.rpartition("/")[2]) for key in await store.keys(f"runs/{run_id}/journal")]
    return [entry for entry in found if entry is not None]


def _parsed(name: str) -> Entry | None:
    entry, _, rest = name.partition("_")
    agent, _, left = rest.rpartition("_")
    if not agent or left not in get_args(Left):
        return None  # something else that was put there: it answers no call
    return Entry(entry, agent, left_of(left))


def left_of(text: str | None) -> Left:
    """What an agent left, from its name; nothing, where none is known."""
    return cast("Left", text) if text in get_args(Left) else "nothing"
