"""One connection to one server. It is opened, used and closed through this object, from any task.

The package's transports and sessions are built on task groups, and a task group must be left by the task that entered
it. So each session has a task of its own that enters, waits, and leaves; calls go in from wherever they are made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import httpx2
import mcp_types as types
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from . import failures
from .attempt import ATTEMPT, Attempt
from .errors import McpFailure, NotRun, Refused
from .http import MESSAGE_BYTES_MAX, WatchedClient
from .server import Server
from .stdio import Process, stdio_transport
from .streams import Noticed
from .tokens import Tokens

# It logs tracebacks with pieces of messages in them, for failures that are told to the caller anyhow.
logging.getLogger("mcp.client").setLevel(logging.CRITICAL)

CLOSE_S = 15.0
LIST_PAGES_MAX = 64
PROBE_S = 3.0
"""A server that does not answer a ping in this time after it let a call run out is taken to hang."""
Answer = TypeVar("Answer")
_RESULT: TypeAdapter[types.CallToolResult] = TypeAdapter(types.CallToolResult)


class Session:
    """Open once, call many times, close once."""

    def __init__(self, server: Server, tokens: Tokens | None) -> None:
        self._server, self._tokens = server, tokens
        self._close = asyncio.Event()
        self._client: ClientSession | None = None
        self._process: Process | None = None
        self._owner: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        """Set when it can no longer be called."""
        self.free = asyncio.Event()
        """Set while no call is being made."""
        self.free.set()
        self._running = 0
        self.tools_changed = False
        """The server has said that its list of tools is another one."""

    async def open(self) -> None:
        """Connect and shake hands.

        Raises:
            NotRun: it could not be reached, now.
            Unusable: it cannot be used as it is configured.
        """
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ready.add_done_callback(_looked_at)
        self._owner = asyncio.create_task(self._own(ready), name=f"mcp {self._server.name}")
        try:
            async with asyncio.timeout(self._server.connect_timeout_s):
                await asyncio.shield(ready)
        except TimeoutError:
            await self.close()
            raise NotRun(
                f"the MCP server {self._server.name!r} did not get ready within {self._server.connect_timeout_s:g} s"
            ) from None
        except asyncio.CancelledError:
            await self.close()
            raise

    async def close(self) -> None:
        """Leave; a stdio server's process tree is gone then."""
        self._close.set()
        self.ended.set()
        owner = self._owner
        if owner is None:
            return
        if self._client is None:
            owner.cancel()  # still connecting: nothing looks at the event yet
        done, _ = await asyncio.wait({owner}, timeout=CLOSE_S)
        if not done:
            owner.cancel()
            await asyncio.wait({owner}, timeout=CLOSE_S)

    @property
    def experimental(self) -> frozenset[str]:
        """Names under the server's `capabilities.experimental`."""
        found = self._capabilities
        return frozenset(found.experimental or ()) if found is not None else frozenset()

    @property
    def _capabilities(self) -> types.ServerCapabilities | None:
        return self._client.server_capabilities if self._client is not None else None

    # ------------------------------------------------------------------------------------------------- the owner

    async def _own(self, ready: asyncio.Future[None]) -> None:
        attempt = Attempt()
        ATTEMPT.set(attempt)
        try:
            async with self._connected() as client:
                self._client = client
                if not ready.done():
                    ready.set_result(None)
                await first(self._close, self.ended)
        except asyncio.CancelledError:
            if not ready.done():
                ready.set_exception(NotRun(f"the connection to the MCP server {self._server.name!r} was given up"))
        except BaseException as error:  # noqa: BLE001 - groups of whatever a transport raises; it is told, not passed on
            # A process that we ended says nothing about why.
            words = await self._last_words() if self.ended.is_set() else None
            if not ready.done():
                ready.set_exception(failures.of_connecting(self._server, error, attempt, words))
        finally:
            self.ended.set()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[ClientSession]:
        server = self._server
        async with AsyncExitStack() as stack:
            if server.kind == "stdio":
                source, sink, self._process = await stack.enter_async_context(stdio_transport(server))
                streams: Any = (source, sink)
            else:
                streams = await stack.enter_async_context(self._http())
            read = Noticed(streams[0], self.ended)
            client = await stack.enter_async_context(
                ClientSession(
                    read,
                    streams[1],
                    client_info=types.Implementation(name="tenuto", version="1"),
                    list_roots_callback=self._roots if server.kind == "stdio" else None,
                    message_handler=self._heard,
                )
            )
            await _shake_hands(client)
            yield client

    def _http(self) -> Any:
        server = self._server
        if server.kind == "sse":
            return sse_client(server.url, httpx_client_factory=self._split_client)
        client = WatchedClient(server, self._tokens, split=False)
        transport = streamable_http_client(server.url, http_client=client, max_sse_event_size=MESSAGE_BYTES_MAX)
        return _owning(client, transport)

    def _split_client(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        # What the transport would set are its own defaults; ours come from the server's configuration.
        return WatchedClient(self._server, self._tokens, split=True)

    async def _roots(self, context: Any) -> types.ListRootsResult:
        folder = self._server.cwd
        assert folder is not None
        return types.ListRootsResult.model_validate({"roots": [{"uri": folder.as_uri(), "name": folder.name}]})

    async def _heard(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.tools_changed = True

    # ----------------------------------------------------------------------------------------------------- calls

    async def tools(self) -> list[types.Tool]:
        """All tools that the server lists. Raises as `call`."""
        found: list[types.Tool] = []
        cursor: str | None = None
        for _page in range(LIST_PAGES_MAX):
            given = types.PaginatedRequestParams(cursor=cursor) if cursor else None
            try:
                page = await self._asked(partial(_list_tools, given), self._server.connect_timeout_s)
            except Refused:
                if self._capabilities is not None and self._capabilities.tools is None:
                    return []  # it never said that it had any
                raise
            found += page.tools
            if not page.next_cursor or page.next_cursor == cursor:
                break
            cursor = page.next_cursor
        return found

    async def ping(self, timeout_s: float) -> None:
        """One ping. Raises as `call`."""
        await self._asked(lambda client: client.send_ping(), timeout_s)

    async def answers(self) -> bool:
        """Whether the server still answers, after it let a call run out."""
        with suppress(McpFailure):
            await self.ping(PROBE_S)
            return True
        return False

    async def call(self, tool: str, arguments: dict[str, Any], meta: dict[str, Any]) -> types.CallToolResult:
        """Call a tool.

        Raises:
            NotRun, Refused, OutcomeUnknown, Unusable: see there.
        """
        request = types.CallToolRequest(
            params=types.CallToolRequestParams.model_validate({"name": tool, "arguments": arguments, "_meta": meta})
        )
        # Not the package's `call_tool`: it lists all tools anew to validate the result, and drops one that does not
        # fit the tool's own promise, though the call has run.
        return await self._asked(lambda client: client.send_request(request, _RESULT), self._server.timeout_s)

    async def _asked(self, ask: Callable[[ClientSession], Awaitable[Answer]], timeout_s: float) -> Answer:
        client, attempt = self._client, Attempt()
        if client is None or self.ended.is_set():
            raise NotRun(f"the connection to the MCP server {self._server.name!r} has ended")
        before = ATTEMPT.set(attempt)
        self._running += 1
        self.free.clear()
        task = asyncio.ensure_future(ask(client))
        failed = asyncio.create_task(attempt.failed.wait())
        try:
            await asyncio.wait({task, failed}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise failures.of_silence(self._server, attempt, timeout_s)
        except (MCPError, ValidationError, RuntimeError, OSError, ValueError) as error:
            failure = failures.of_call(self._server, error, attempt, await self._why_it_ended(error))
            if isinstance(error, MCPError) and failures.names_a_lost_session(error, attempt.status):
                self.ended.set()
            raise failure from None
        finally:
            ATTEMPT.reset(before)
            self._running -= 1
            if self._running == 0:
                self.free.set()
            # Not waited for: it tells the server that the call is no longer wanted, which a hanging one never reads.
            for each in (task, failed):
                each.cancel()
                each.add_done_callback(_looked_at)

    async def _last_words(self) -> str | None:
        if self._process is None:
            return None
        return self._server.redact(await self._process.last_words())

    async def _why_it_ended(self, error: Exception) -> str | None:
        """In words, where the error is that the session has ended."""
        if not isinstance(error, MCPError) or error.code != types.CONNECTION_CLOSED:
            return None
        self.ended.set()
        return await self._last_words() or "closed the connection"


async def _list_tools(params: types.PaginatedRequestParams | None, client: ClientSession) -> types.ListToolsResult:
    return await client.list_tools(params=params)


async def _shake_hands(client: ClientSession) -> None:
    """`initialize`, which every server of today answers; a server that has only the newer way is asked in that."""
    try:
        await client.initialize()
    except MCPError as error:
        if error.code not in (types.UNSUPPORTED_PROTOCOL_VERSION, types.METHOD_NOT_FOUND):
            raise
        try:
            await client.discover()
        except MCPError:
            raise error from None


@asynccontextmanager
async def _owning(client: WatchedClient, transport: Any) -> AsyncIterator[Any]:
    async with client, transport as streams:
        yield streams


async def first(*events: asyncio.Event) -> None:
    """Until one of some events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _looked_at(future: asyncio.Future[Any]) -> None:
    """An error that nobody waits for any more is no news."""
    if not future.cancelled():
        future.exception()
