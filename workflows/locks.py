"""The locks of one run: one holder each, first come first served, shared with nested workflows."""

from __future__ import annotations

import asyncio
from collections import deque


class Locks:
    """Named locks. An owner is whoever gives back what it holds when it ends: one script, or a hand-written body."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[tuple[object, asyncio.Future[None]]]] = {}
        """By name: holder first, then those who wait, in order."""

    def restore(self, name: str, owner: object) -> None:
        """Let an owner hold what it held in an earlier history."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn.set_result(None)
        self._queues[name] = deque([(owner, turn)])

    def held(self, owner: object) -> list[str]:
        """Names of the locks that an owner holds."""
        return [name for name, queue in self._queues.items() if queue[0][0] is owner and queue[0][1].done()]

    async def take(self, name: str, owner: object) -> None:
        """Wait until the lock is held. A wait that is cancelled holds nothing."""
        queue = self._queues.setdefault(name, deque())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (owner, turn)
        queue.append(entry)
        if len(queue) == 1:
            turn.set_result(None)
            return
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(name, entry)  # waiting, or admitted and cancelled in the same moment
            raise

    def release(self, name: str, owner: object) -> None:
        """Give back a lock, if the owner holds it; the next in line has it at once."""
        queue = self._queues.get(name)
        if queue and queue[0][0] is owner:
            self._leave(name, queue[0])

    def drop(self, owner: object) -> None:
        """The owner has ended: what it holds is given back, and it waits no more."""
        for name in list(self._queues):
            for entry in [each for each in self._queues.get(name, ()) if each[0] is owner]:
                entry[1].cancel()
                self._leave(name, entry)

    def waits(self, owner: object) -> list[str]:
        """Names of the locks that an owner waits for."""
        return [
            name
            for name, queue in self._queues.items()
            if any(each is owner and not turn.done() for each, turn in queue)
        ]

    def _leave(self, name: str, entry: tuple[object, asyncio.Future[None]]) -> None:
        queue = self._queues.get(name)
        if queue is None or entry not in queue:
            return
        queue.remove(entry)
        if not queue:
            del self._queues[name]
        elif not queue[0][1].done():
            queue[0][1].set_result(None)
