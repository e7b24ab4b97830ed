"""How many calls of a run are under way at once."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType


class Width:
    """A gate `width` calls wide; waiters enter in the order in which they came.

    Unlike a semaphore its width can change while calls are waiting.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def inside(self) -> int:
        """Calls under way."""
        return self._inside

    def resize(self, width: int) -> None:
        """Change the width; calls already inside stay."""
        self._width = width
        self._admit()

    async def __aenter__(self) -> None:
        if self._inside < self._width and not self._waiting:
            self._inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # admitted and cancelled in the same moment: the place goes to the next
            else:
                self._waiting.remove(turn)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._inside < self._width:
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)
