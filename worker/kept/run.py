"""One run as the store has it, read piece by piece: no Temporal Service, no Worker, and one agent in memory at a time.

Records are taken as plain JSON: other versions wrote some of them, with fields more or less.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from tenuto.activities.store import Store
from tenuto.activities.transcript import Message, Transcript, folder_of, record_key
from tenuto.workflows.contracts import RunInput, RunReport
from tenuto.workflows.setup_contracts import RunSetup

from ..connect import Unreachable
from ..runs import ENDED, Runs, UnknownRun, check_run_id

READ_AHEAD = 8
"""Agents whose records are fetched at once: a store far away is slow for each, and none may be large."""
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class KeptAgent:
    """One agent. `record` is `None` for one that has not ended, or was lost with its Worker."""

    id: str
    record: dict[str, Any] | None
    messages: list[Message]


@dataclass(frozen=True, slots=True)
class KeptStep:
    """One step. `record` is `None` for one that was begun and has no outcome."""

    id: str
    record: dict[str, Any] | None
    started: dict[str, Any] | None


class KeptRun:
    """A run by what is in the store.

    `report` is the final one; of a run that lives, the one of this moment, where a Temporal Service answers; else
    `None`. `input` is what it was started with, `None` where its starter was killed before it could write that.
    """

    def __init__(self, store: Store, run_id: str, report: RunReport | None, input: RunInput | None) -> None:
        self.store = store
        self.id = run_id
        self.report = report
        self.input = input

    @classmethod
    async def open(cls, runs: Runs, run_id: str) -> KeptRun:
        """Look a run up; a Temporal Service is asked only about one that has no final report, and never started.

        Raises:
            UnknownRun: neither the store nor a Temporal Service knows it.
        """
        check_run_id(run_id)
        folder = f"runs/{run_id}"
        given = await _parsed(runs.store, f"{folder}/input.json", RunInput.model_validate_json)
        report = await _parsed(runs.store, f"{folder}/report.json", RunReport.model_validate_json)
        if report is None:
            try:
                report = await runs.report(run_id)
            except (Unreachable, UnknownRun):
                if given is None and not await runs.store.keys(f"{folder}/agents"):
                    raise UnknownRun(f"there is no run {run_id!r}; `tenuto ls --all` lists them") from None
        return cls(runs.store, run_id, report, given)

    @property
    def ended(self) -> bool:
        """Whether it is known to have ended."""
        return self.report is not None and self.report.status in ENDED

    async def setup(self) -> RunSetup | None:
        """What its agents and steps shared; `None` for a run without a workspace."""
        for key in await self.store.keys(f"runs/{self.id}/setup"):
            found = await _parsed(self.store, key, RunSetup.model_validate_json)
            if found is not None:
                return found
        return None

    async def agent_ids(self) -> list[str]:
        """Every agent and every call that a cap refused, in the order in which they were asked for."""
        known = set(await self.store.folders(f"runs/{self.id}/agents"))
        if self.report is not None:
            known |= {agent.id for agent in self.report.agents} | {each.agent for each in self.report.failures}
        return sorted(known, key=number)

    async def agents(self, ids: Iterable[str] | None = None, *, messages: bool = True) -> AsyncIterator[KeptAgent]:
        """Agents in order of their numbers, with their conversations unless `messages` is false."""

        async def read(agent: str) -> KeptAgent:
            folder = folder_of(self.id, agent)
            record = await self._json(record_key(folder))
            transcript = Transcript(self.store, folder)
            if messages or record is None:
                with suppress(ValueError):  # of another version, or damaged: what can be read of it is what there is
                    await transcript.load()
            return KeptAgent(agent, record, transcript.messages)

        async for agent in ahead(await self.agent_ids() if ids is None else ids, read):
            yield agent

    async def record(self, agent: str) -> dict[str, Any] | None:
        """The record of one agent that has ended."""
        return await self._json(record_key(folder_of(self.id, agent)))

    async def steps(self) -> AsyncIterator[KeptStep]:
        """Steps that left something in the store, in order of their numbers."""

        async def read(step: str) -> KeptStep:
            return await kept_step(self.store, self.id, step)

        async for step in ahead(sorted(await self.store.folders(f"runs/{self.id}/steps"), key=number), read):
            yield step

    async def _json(self, key: str) -> dict[str, Any] | None:
        return await _object(self.store, key)


async def kept_step(store: Store, run_id: str, step: str) -> KeptStep:
    """One step by what is in the store, which may be nothing."""
    folder = f"runs/{run_id}/steps/{step}"
    record = await _object(store, f"{folder}/record.json")
    return KeptStep(step, record, await _object(store, f"{folder}/started.json") if record is None else None)


async def ahead(names: Iterable[T], read: Callable[[T], Awaitable[U]]) -> AsyncIterator[U]:
    """What is read of each name, in their order, with a few fetched in advance."""
    waiting: deque[asyncio.Future[U]] = deque()
    try:
        for name in names:
            waiting.append(asyncio.ensure_future(read(name)))
            if len(waiting) == READ_AHEAD:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for future in waiting:
            future.cancel()


def number(name: str) -> tuple[float, str]:
    """Sorts `a2` before `a10`."""
    digits = re.fullmatch(r"[a-z]+(\d+)", name)
    return (int(digits[1]) if digits else float("inf"), name)


async def _parsed(store: Store, key: str, parse: Callable[[bytes], T]) -> T | None:
    try:
        return parse(await store.get(key))
    except (FileNotFoundError, ValidationError):
        return None


async def _object(store: Store, key: str) -> dict[str, Any] | None:
    try:
        found = from_json(await store.get(key))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
