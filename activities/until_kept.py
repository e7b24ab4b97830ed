"""Keeping what is nowhere else yet, whatever the store does meanwhile.

An answer that was paid for, or the outcome of something that was done: once it is known, it must not become unknown
because a disk is full or the store out of reach for an hour. So the attempt that holds it waits, alive, and asks the
store again; it ends with its Worker, or when it is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from obstore.exceptions import BaseError as StorageError

log = logging.getLogger(__name__)

PAUSE_S, PAUSE_MAX_S = 0.5, 30.0
WAITING_FOR_STORE = "waiting for the store"
"""How what an Activity says of itself begins meanwhile."""


def _unsaid(_words: str) -> None:
    """Whoever does not show what it is doing has the log."""


async def until_kept(put: Callable[[], Awaitable[None]], say: Callable[[str], None] = _unsaid) -> None:
    """Call `put` until the store has taken it; `say` is told, in a few words, what is being waited for."""
    pause = PAUSE_S
    while True:
        try:
            return await put()
        except (StorageError, OSError) as error:
            words = str(error).splitlines()[0]
            log.warning("the store does not do what it has to, trying again: %s", words)
            say(f"{WAITING_FOR_STORE}, which says: {words[:200]}")
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(PAUSE_MAX_S, 2 * pause)
