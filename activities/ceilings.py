"""A ceiling that is lowered, or set for the first time, binds what is under way: each conversation at its next request.

The run writes one small object. Before a request a conversation looks whether there is news; what a Worker has read of
it is good for `FRESH_S`, so that thousands of agents cost a few reads a second. Whoever writes waits as long: from then
on nobody can begin a request without knowing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter
from temporalio import activity

from tenuto.workflows.budget import RUN
from tenuto.workflows.ceiling_contracts import Standing, TellCeilingsInput, TellCeilingsResult, UnderWay
from tenuto.workflows.share_contracts import Cost

from .agent_request import MAX_TOKENS
from .heartbeat import alive
from .store import Store
from .transcript import Transcript, folder_of
from .until_kept import until_kept
from .worst_case import Input, message_tokens, tokens_most, usd_most

FRESH_S = 0.5
"""How long what was read is believed."""
MARGIN_S = 0.1
RUNS_MAX = 1_000
READ_AT_ONCE = 16
"""Conversations that are read at once, to see what they have cost."""
_LOWERED = TypeAdapter(dict[str, int])


@dataclass(frozen=True, slots=True)
class _Read:
    found: asyncio.Task[Mapping[str, int]]
    until: float
    """Of the monotonic clock."""


class Ceilings:
    """What this Worker knows of ceilings that were lowered, by run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reads: dict[str, _Read] = {}

    async def lowered(self, run_id: str, phase: str | None, say: Callable[[str], None]) -> int:
        """The number of the last lowering that concerns agents of that phase; 0 where there was none.

        A store that is out of reach is waited for: without it no answer could be kept either. `say` is told so.
        """
        found: Mapping[str, int] = {}

        async def look() -> None:
            nonlocal found
            found = await asyncio.shield(self._read(run_id))

        await until_kept(look, say)
        return max(found.get(RUN, 0), found.get(phase or RUN, 0))

    def _read(self, run_id: str) -> asyncio.Task[Mapping[str, int]]:
        read, now = self._reads.get(run_id), time.monotonic()
        if read is None or now >= read.until:
            if len(self._reads) >= RUNS_MAX:
                self._reads.pop(next(iter(self._reads)))
            self._reads[run_id] = read = _Read(asyncio.create_task(_lowered(self._store, run_id)), now + FRESH_S)
        return read.found


class CeilingActivities:
    """Registers `tell_ceilings`. It may run twice: a number never gets smaller."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name="tell_ceilings")
    @alive
    async def tell_ceilings(self, input: TellCeilingsInput) -> TellCeilingsResult:
        """Write down that ceilings are lower, wait until every Worker has to see it, and look what was spent by then.

        Raises:
            What the store raises; Temporal tries again.
        """
        known = await _lowered(self._store, input.run_id)
        merged = {**known, **{scope: max(number, known.get(scope, 0)) for scope, number in input.lowered.items()}}
        await self._store.put(_key(input.run_id), _LOWERED.dump_json(merged))
        await asyncio.sleep(FRESH_S + MARGIN_S)
        places = asyncio.Semaphore(READ_AT_ONCE)

        async def standing(each: UnderWay) -> Standing:
            async with places:
                return await self._standing(input.run_id, each)

        standings = await asyncio.gather(*map(standing, input.under_way))
        return TellCeilingsResult(
            standings={each.agent: found for each, found in zip(input.under_way, standings, strict=True)}
        )

    async def _standing(self, run_id: str, each: UnderWay) -> Standing:
        transcript = Transcript(self._store, folder_of(run_id, each.agent))
        await transcript.load()
        usage = transcript.usage
        paid = Cost(usd=usage.usd, tokens=usage.tokens, output_tokens=usage.output_tokens)
        return Standing(paid=paid, coming=_coming(each.model, transcript))


def _coming(model: str, transcript: Transcript) -> Cost | None:
    """What a request after what is kept may cost. While tools are used there is none under way."""
    if not transcript.answers:
        return None
    last = transcript.messages[-1]
    if last.purpose == "answer" and last.tool_uses and not last.overflowed:
        return Cost()
    tokens = 0
    for message in reversed(transcript.messages):
        if message.usage is not None:
            tokens += message.usage.tokens
            break
        tokens += message_tokens({"role": message.role, "content": message.content})
    input = Input(tokens)
    usd = usd_most(model, input, MAX_TOKENS) or 0.0
    return Cost(usd=usd, tokens=tokens_most(input, MAX_TOKENS), output_tokens=MAX_TOKENS)


async def _lowered(store: Store, run_id: str) -> Mapping[str, int]:
    try:
        return _LOWERED.validate_json(await store.get(_key(run_id)))
    except FileNotFoundError:
        return {}


def _key(run_id: str) -> str:
    return f"runs/{run_id}/ceilings.json"
