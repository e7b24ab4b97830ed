"""Siblings with the same prefix are held until the first one's response has begun: only then is the prefix cached.

Waiting is bounded. A leader that fails or is stopped hands over at once, one that is silent after `LEAD_S`; whoever has
waited `WAIT_S` goes on as if there were no cache. A cold cache costs money, a lost hour costs more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

LEAD_S = 10.0
"""How long the first one may take to begin its response before the next one asks too."""
WAIT_S = 20.0
"""The longest that anyone is held."""
WARM_S = 290.0
"""An entry lives 5 minutes from its last use; the rest is for the way there."""
PREFIXES_MAX = 10_000


@dataclass(slots=True, eq=False)
class _Entry:
    warm_until: float = 0.0
    useless: bool = False
    """The API neither read nor wrote a cache for it, so that waiting gains nothing."""
    leader: Passage | None = None
    leads_until: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Wake everyone who waits, to look again."""
        self.changed.set()
        self.changed = asyncio.Event()


class Passage:
    """Leave to send one request. `begun` when its response has begun; `ended` in every case, at the latest then."""

    def __init__(self, entry: _Entry | None, clock: Callable[[], float]) -> None:
        self._entry = entry
        self._clock = clock

    def begun(self, usage: Mapping[str, Any]) -> None:
        """The response has begun, with this `usage`: the prefix is cached from now on."""
        entry = self._entry
        if entry is None:
            return
        entry.useless = not (usage.get("cache_read_input_tokens") or usage.get("cache_creation_input_tokens"))
        entry.warm_until = self._clock() + WARM_S
        self._step_down(entry)
        entry.tell()

    def ended(self) -> None:
        """The request is over. If its response never began, the next one leads."""
        entry = self._entry
        if entry is not None and self._step_down(entry):
            entry.tell()

    def _step_down(self, entry: _Entry) -> bool:
        if entry.leader is not self:
            return False
        entry.leader = None
        return True


class PrefixGate:
    """One per Worker. Keys are whatever tells prefixes apart: credential, model, bytes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[Hashable, _Entry] = {}

    async def passage(self, key: Hashable | None, say: Callable[[str], None] = lambda _text: None) -> Passage:
        """Wait until the prefix is cached, or until it is this request's turn to lead.

        Args:
            key: of the prefix; `None` for a request that has nothing to share, which never waits.
            say: told what is being waited for.
        """
        if key is None:
            return Passage(None, self._clock)
        entry = self._entry(key)
        passage = Passage(entry, self._clock)
        give_up_at = self._clock() + WAIT_S
        while True:
            now = self._clock()
            if now < entry.warm_until or entry.useless or now >= give_up_at:
                return passage
            if entry.leader is None or now >= entry.leads_until:
                entry.leader, entry.leads_until = passage, now + LEAD_S
                return passage
            say("waiting for the prompt cache that a sibling writes")
            await _within(entry.changed, min(entry.leads_until, give_up_at) - now)

    def _entry(self, key: Hashable) -> _Entry:
        entry = self._entries.pop(key, None) or _Entry()
        self._entries[key] = entry
        if len(self._entries) > PREFIXES_MAX:
            # The one that was asked for longest ago. Who still waits at it has it, and is told all the same.
            self._entries.pop(next(iter(self._entries)))
        return entry


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
