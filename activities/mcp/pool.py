"""Sessions of one Worker: opened when they are needed, shared by its agents, replaced when they are dead."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mcp_types as types

from tenuto.activities.rate_gate import RateGate

from .errors import McpFailure, NotRun
from .server import Server
from .session import Session, first
from .tokens import Tokens

IDLE_S = 600.0
CONNECT_TRIES = 3
CONNECT_PAUSE_S = 0.5
"""Before the second try; doubles."""
FAILED_S = 30.0
"""A server that could not be reached is not waited for again by each of a thousand agents that start."""


class Slot:
    """One server: at most one session that takes calls, how many at once, and how long to hold back."""

    def __init__(self, server: Server, home: Path, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.server = server
        self.places = asyncio.Semaphore(server.concurrency)
        self.gate = RateGate()
        self._users = 0
        self._used_at = time.monotonic()
        self._tokens = None if server.kind == "stdio" else Tokens(home, server.name, server.url)
        self._spawn = spawn
        self._session: Session | None = None
        self._retired: set[Session] = set()
        self._connecting: asyncio.Task[Session] | None = None
        self._doubt: asyncio.Task[bool] | None = None
        self._tools: list[types.Tool] | None = None
        self._tools_of: Session | None = None
        self._failed: tuple[float, McpFailure] | None = None
        self.experimental: frozenset[str] = frozenset()
        """Names that the server has under `capabilities.experimental`."""

    async def session(self) -> Session:
        """A session that takes calls; whoever asks while it is being opened waits for that one.

        Raises:
            NotRun, Unusable: there is none to be had.
        """
        session = self._session
        if session is not None and self._doubt is not None and not await asyncio.shield(self._doubt):
            self._retire(session)
        session = self._session
        if session is not None and not session.ended.is_set():
            return session
        if session is not None:
            self._retire(session)
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(), name=f"mcp connect {self.server.name}")
            self._connecting.add_done_callback(self._connected)
        # Shielded: an agent that is stopped must not take the connection from the others that wait for it.
        return await asyncio.shield(self._connecting)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Not idle while this is open."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._used_at = time.monotonic()

    def rest(self, idle_s: float) -> None:
        """Give up a session that has not been used for so long. A call that starts now opens another."""
        if self._users == 0 and self._session is not None and time.monotonic() - self._used_at > idle_s:
            self._retire(self._session)

    async def tools(self, *, remember_failure: bool = True) -> list[types.Tool]:
        """What the server offers, as long as it does not say that this has changed.

        Raises as `Session.call`; with `remember_failure` at once for a while after it failed.
        """
        with self.in_use():
            return await self._list(remember_failure)

    async def _list(self, remember_failure: bool) -> list[types.Tool]:
        if remember_failure and self._failed is not None and time.monotonic() < self._failed[0]:
            raise self._failed[1]
        known, of = self._tools, self._tools_of
        if known is not None and of is not None and of is self._session and not of.tools_changed:
            return known
        try:
            session = await self.session()
            session.tools_changed = False
            self._tools, self._tools_of = await session.tools(), session
        except McpFailure as error:
            self._failed = (time.monotonic() + FAILED_S, error)
            raise
        self._failed = None
        return self._tools

    def listed(self, tool: str) -> types.Tool | None:
        """A tool as the server last listed it."""
        return next((each for each in self._tools or [] if each.name == tool), None)

    def doubt(self, session: Session) -> None:
        """A call on it ran out of time: before the next one, see whether the server still answers."""
        if session is self._session and self._doubt is None:
            self._doubt = asyncio.create_task(session.answers())
            self._doubt.add_done_callback(self._settled)

    async def close(self) -> None:
        """End its session, and one that is just being opened."""
        connecting = self._connecting
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait({connecting})
        sessions = [*self._retired, *([self._session] if self._session is not None else [])]
        self._session, self._doubt = None, None
        await asyncio.gather(*(session.close() for session in sessions))

    async def _connect(self) -> Session:
        deadline = time.monotonic() + self.server.connect_timeout_s
        for number in range(1, CONNECT_TRIES + 1):
            session = Session(self.server, self._tokens)
            try:
                await session.open()
            except NotRun as error:
                pause = CONNECT_PAUSE_S * 2 ** (number - 1) if error.wait_s is None else error.wait_s
                if number == CONNECT_TRIES or time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause * random.uniform(1, 1.2))
            else:
                self._session, self._doubt = session, None
                self.experimental = session.experimental
                return session
        raise AssertionError("the last try returns or raises")

    def _connected(self, task: asyncio.Task[Session]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # raised in those who wait; there may be none any more

    def _settled(self, task: asyncio.Task[bool]) -> None:
        if not task.cancelled() and task.result() and self._doubt is task:
            self._doubt = None

    def _retire(self, session: Session) -> None:
        """Give it no more calls; those that it has may finish before it is closed."""
        if session is self._session:
            self._session, self._doubt = None, None
            self._retired.add(session)
            self._spawn(self._close_when_free(session))

    async def _close_when_free(self, session: Session) -> None:
        # Bounded by the timeout of the calls that run; an ended session fails them at once.
        await first(session.free, session.ended)
        await session.close()
        self._retired.discard(session)


class Pool:
    """Slots by server. One per Worker, used in one event loop."""

    def __init__(self, home: Path, *, idle_s: float = IDLE_S) -> None:
        self._home, self._idle_s = home, idle_s
        self._slots: dict[str, Slot] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tidying: asyncio.Task[None] | None = None

    def slot(self, server: Server) -> Slot:
        """The slot of a server, without opening anything."""
        slot = self._slots.get(server.key)
        if slot is None:
            slot = self._slots[server.key] = Slot(server, self._home, self._spawn)
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.create_task(self._tidy())
        return slot

    async def close(self) -> None:
        """End every session. Processes of stdio servers are gone then."""
        if self._tidying is not None:
            self._tidying.cancel()
        slots, self._slots = list(self._slots.values()), {}
        await asyncio.gather(*(slot.close() for slot in slots), return_exceptions=True)
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tidy(self) -> None:
        """Close what nobody has used for a while. A slot stays: conversations hold it, and it is small."""
        while True:
            await asyncio.sleep(self._idle_s / 10)
            for slot in self._slots.values():
                slot.rest(self._idle_s)
