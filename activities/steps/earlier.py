"""Steps that an earlier run has made already: looked up by their entry, and taken over where they still hold.

A command holds while the workspace stands as it left it, by the size and time of every file that git does not ignore;
a file that was written holds unless it is gone, or is again what it was before. Whatever else it is now came after.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from tenuto.workflows.step_contracts import StepInput

from ..left_behind import sha256_of
from ..store import Store
from ..workspace.files import Files, OutsideWorkspace

LOOK_S = 0.25
"""How long a look at all files may take besides as long as the command itself did: it must not be what a step costs."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """One step of the earlier run."""

    step: str
    record: dict[str, Any]

    @property
    def result(self) -> Any:
        """What came of it."""
        return self.record["result"]


async def earlier_step(store: Store, input: StepInput) -> Earlier | None:
    """The step of the run that this one resumes; `None` where there is none that came to an end by a value.

    Raises what the store raises.
    """
    if input.entry is None or input.resumed is None:
        return None
    named = await _get(store, _key(input.resumed, input.entry))
    if named is None:
        return None
    step = str(named.get("step"))
    record = await _get(store, f"runs/{input.resumed}/steps/{step}/record.json")
    if record is None or record.get("failure") is not None or "result" not in record:
        return None
    return Earlier(step, record)


async def name_entry(store: Store, input: StepInput) -> None:
    """Let a run that resumes this one find the step. Raises what the store raises."""
    if input.entry is not None:
        await store.put(_key(input.run_id, input.entry), to_json({"step": input.step}))


async def stand_of(files: Files, duration_s: float) -> str | None:
    """How the workspace stands; `None` where a look would take longer than it is worth.

    Args:
        duration_s: how long the command took.
    """
    return await asyncio.to_thread(_stand_of, files, time.monotonic() + LOOK_S + duration_s)


def still_written(files: Files, path: str, record: dict[str, Any]) -> bool:
    """Whether a file that an earlier run wrote need not be written again. Blocking."""
    now = sha256_of(files, path)
    return now is not None and (now == record.get("sha256") or now != record.get("was"))


async def carried(store: Store, input: StepInput, key: str | None, name: str) -> str | None:
    """An object of the earlier step, copied to this one; `None` where there is none."""
    if key is None:
        return None
    mine = f"runs/{input.run_id}/steps/{input.step}/{name}"
    try:
        await store.copy(key, mine)
    except FileNotFoundError:
        return None
    return mine


def _stand_of(files: Files, deadline: float) -> str | None:
    stand = hashlib.sha256()
    try:
        for info in files.walk("**"):
            stand.update(f"{info.path}\0{info.size}\0{info.mtime_ns}\0{info.mode}\n".encode("utf-8", "replace"))
            if time.monotonic() > deadline:
                return None
    except (OSError, OutsideWorkspace):
        return None
    return stand.hexdigest()


def _key(run_id: str, entry: str) -> str:
    return f"runs/{run_id}/entries/{entry}.json"


async def _get(store: Store, key: str) -> dict[str, Any] | None:
    try:
        found = from_json(await store.get(key))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
