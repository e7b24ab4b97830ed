"""Signals to another Workflow: what is put while one is under way goes together in the next, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from temporalio.exceptions import ApplicationError

T = TypeVar("T")


class Outbox(Generic[T]):
    """Sends in the background, so that whoever puts something need not wait.

    Args:
        send: sends one signal with all of a list.
    """

    def __init__(self, send: Callable[[list[T]], Awaitable[None]]) -> None:
        self._send = send
        self._waiting: list[T] = []
        self._sending: asyncio.Task[None] | None = None

    def put(self, item: T) -> None:
        """Send it, after all that was put before."""
        self._waiting.append(item)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._all())

    async def flush(self) -> None:
        """Wait until all is sent."""
        if self._sending is not None:
            await asyncio.shield(self._sending)

    async def _all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._send(batch)
            except ApplicationError:
                # The other one has ended: nobody is left to be told, and its end tells this one what to do.
                self._waiting.clear()
