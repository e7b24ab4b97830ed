"""How much one Workflow Task sends: its response has at most 4 MiB, and one that is larger can never be given."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from . import details

SENT_BYTES_MAX = 2_000_000
PAUSE = timedelta(milliseconds=1)
INLINE_BYTES_MAX = 16 * 1024
"""Of one payload: larger ones go to the store."""
BYTES_PER_CHARACTER = 4
COMMAND_BYTES = 1_000


class Pace:
    """Lets calls through, in order, until a Workflow Task has enough; the others go with a later one."""

    def __init__(self) -> None:
        self._sent = 0
        self._at = -1
        """Length of the history at the task that `_sent` is of."""
        self._pause: asyncio.Task[None] | None = None

    async def room_for(self, given: Any) -> None:
        """Wait until what a call is given can be sent."""
        characters = details.size(given, INLINE_BYTES_MAX)
        size = COMMAND_BYTES + min(INLINE_BYTES_MAX, characters * BYTES_PER_CHARACTER)
        while not self._fits(size):
            if self._pause is None or self._pause.done():
                self._pause = asyncio.create_task(_until_the_next_task())
            await asyncio.shield(self._pause)
        self._sent += size

    def _fits(self, size: int) -> bool:
        length = workflow.info().get_current_history_length()
        if length != self._at:
            self._at, self._sent = length, 0
        return self._sent == 0 or self._sent + size <= SENT_BYTES_MAX


async def _until_the_next_task() -> None:
    await workflow.sleep(PAUSE)
