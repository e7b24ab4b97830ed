"""How many calls of a run are under way at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from types import TracebackType
from typing import TypeVar

Given = TypeVar("Given")


class Width:
    """A gate `width` calls wide; waiters enter in the order in which they came.

    Unlike a semaphore its width can change while calls are waiting. While it is closed only those enter that finish
    what is under way already (`to_finish`).
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._inside = 0
        self._closed = False
        self._waiting: deque[_Waiter] = deque()
        self._returning: deque[_Waiter] = deque()

    @property
    def inside(self) -> int:
        """Calls under way."""
        return self._inside

    def resize(self, width: int) -> None:
        """Change the width; calls already inside stay."""
        self._width = width
        self._admit()

    def close(self) -> None:
        """Let nobody in but those that finish what is under way."""
        self._closed = True

    def open(self) -> None:
        """Let everybody in again, in order."""
        self._closed = False
        self._admit()

    @property
    def to_finish(self) -> _ToFinish:
        """The gate for a call that something under way waits for: `async with width.to_finish`."""
        return _ToFinish(self)

    def place(self, *, finishing: bool) -> Width | _ToFinish:
        """The gate for a call, which finishes something under way or does not."""
        return self.to_finish if finishing else self

    async def __aenter__(self) -> None:
        await self.enter(finishing=False)

    async def enter(self, *, finishing: bool, first: bool = False) -> None:
        """Wait for a place; whoever has one gives it back by `leave`.

        Args:
            finishing: it may enter while the gate is closed.
            first: it has been inside before, and comes back before all that have not.
        """
        line = self._returning if first else self._waiting
        if self._inside < self._width and (finishing if self._closed else not line):
            self._inside += 1
            return
        waiter = _Waiter(asyncio.get_running_loop().create_future(), finishing)
        line.append(waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled():
                self.leave()  # admitted and cancelled in the same moment: the place goes to the next
            elif waiter in line:
                line.remove(waiter)  # else somebody who left has found it cancelled, and passed it over
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Give a place back."""
        self._inside -= 1
        self._admit()

    def _admit(self) -> None:
        while self._inside < self._width and (waiter := self._next()) is not None:
            if not waiter.turn.done():
                self._inside += 1
                waiter.turn.set_result(None)

    def _next(self) -> _Waiter | None:
        for line in (self._returning, self._waiting):
            for waiter in line:
                if waiter.finishing or not self._closed:
                    line.remove(waiter)
                    return waiter
        return None


class Place:
    """A call's place in several gates at once: `async with Place(width, pending, finishing=False) as place`."""

    def __init__(self, *gates: Width, finishing: bool) -> None:
        self._gates = gates
        self._finishing = finishing
        self._entered: list[Width] = []

    async def away(self, what: Awaitable[Given], *, first: bool) -> Given:
        """Wait for something without the place, which others may take, and come back: before all that are new, or not.

        Runs of earlier versions came back behind those that waited, which their histories record.
        """
        self._leave()
        given = await what
        await self._enter(finishing=True, first=first)
        return given

    async def __aenter__(self) -> Place:
        try:
            await self._enter(finishing=self._finishing)
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    async def _enter(self, *, finishing: bool, first: bool = False) -> None:
        for gate in self._gates:
            await gate.enter(finishing=finishing, first=first)
            self._entered.append(gate)

    def _leave(self) -> None:
        while self._entered:
            self._entered.pop().leave()


class _Waiter:
    """One call that waits. Compared by identity."""

    __slots__ = ("finishing", "turn")

    def __init__(self, turn: asyncio.Future[None], finishing: bool) -> None:
        self.turn = turn
        self.finishing = finishing


class _ToFinish:
    """The same gate, for those that enter while it is closed too."""

    def __init__(self, width: Width) -> None:
        self._of = width

    async def __aenter__(self) -> None:
        await self._of.enter(finishing=True)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._of.leave()
