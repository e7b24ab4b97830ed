"""What is kept of one step, so that no effect happens twice unseen: `runs/{run}/steps/{step}/`.

`started.json` is written before something acts that must not be repeated, `record.json` when it has ended. Both name
the Workflow Execution they belong to: after a reset, an operator's own doing, the steps that are made again are new.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json, to_json
from temporalio import activity

from tenuto.workflows.step_contracts import StepInput

from ..store import Store
from ..until_kept import until_kept
from .earlier import name_entry
from .station import StepFailed


def folder_of(run_id: str, step: str) -> str:
    """Where a step's objects lie."""
    return f"runs/{run_id}/steps/{step}"


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier attempts of the step left."""

    started: dict[str, Any] | None = None
    result: Any = None
    ended: bool = False
    failure: tuple[str, str] | None = None
    """Kind and message of a step that failed for good."""

    def raise_failure(self) -> None:
        """Raises `StepFailed` where that is how the step ended."""
        if self.failure is not None:
            raise StepFailed(*self.failure)


class StepJournal:
    """The journal of one step. Methods raise what the store raises."""

    def __init__(self, store: Store, input: StepInput) -> None:
        self._store = store
        self._input = input
        self._folder = folder_of(input.run_id, input.step)
        info = activity.info()
        self._execution = info.workflow_run_id
        self._attempt = info.attempt

    async def before(self) -> Before:
        """Look at what is there; on the first attempt too: numbers start again when an operator resets an Activity."""
        record = await self._get("record")
        if record is not None:
            failure = record.get("failure")
            return Before(result=record["result"], ended=True, failure=tuple(failure) if failure else None)
        return Before(started=await self._get("started"))

    async def start(self, **what: Any) -> None:
        """Write down that the step is about to act."""
        await self._put("started", what)

    async def take_back(self) -> None:
        """It did not act after all, whether that it would is written down or not."""
        with suppress(FileNotFoundError):
            await self._store.delete([f"{self._folder}/started.json"])

    async def end(self, result: Any, **what: Any) -> None:
        """Write down what came of it; later attempts give back `result`. The store is asked until it takes it."""
        await until_kept(lambda: name_entry(self._store, self._input))
        await until_kept(lambda: self._put("record", {**what, "result": result}))

    async def fail(self, failure: StepFailed) -> None:
        """Write down that it failed for good; later attempts fail likewise."""
        await self.end(None, failure=(failure.kind, str(failure)))

    async def _get(self, name: str) -> dict[str, Any] | None:
        try:
            kept: dict[str, Any] = from_json(await self._store.get(f"{self._folder}/{name}.json"))
        except FileNotFoundError:
            return None
        return kept if kept["execution"] == self._execution else None

    async def _put(self, name: str, what: dict[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        kept = {**what, "at": at, "attempt": self._attempt, "execution": self._execution}
        await self._store.put(f"{self._folder}/{name}.json", to_json(kept))
