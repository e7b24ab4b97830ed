"""HTTP as MCP servers are spoken to: nothing that goes wrong with one request harms the session of the others.

In the package (mcp 2.3) a connection error of one POST ends the whole transport, a status is lost, a message of more
than 1 MiB in an event stream is an error, and `OAuthClientProvider` lets one request at a time through and answers a
401 by asking a person. So its transports get a client of ours: errors become responses, and `Attempt` hears of them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2

from tenuto.activities.rate_limits import retry_after_s

from .attempt import ATTEMPT, Attempt
from .errors import McpFailure, Unusable
from .server import Server
from .tokens import Tokens

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
CONNECT_S = 10.0
GOODBYE_S = 2.0
"""For the server to hear that a session has ended; it finds out by itself otherwise."""
READ_SPARE_S = 15.0
"""A response may be silent for a call's whole timeout, and it is the call that gives up, not the connection."""
UNHEARD = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
"""Errors before the server can have heard of the request."""


class WatchedClient(httpx2.AsyncClient):
    """The client of one session."""

    def __init__(self, server: Server, tokens: Tokens | None, *, split: bool) -> None:
        """`split`: answers come on another connection than requests go out (the SSE transport)."""
        super().__init__(
            # Uncompressed: a limit in bytes then is one, and no broken compression can end the transport.
            headers={"accept-encoding": "identity", "user-agent": "tenuto", **server.headers},
            timeout=httpx2.Timeout(CONNECT_S, read=server.timeout_s + READ_SPARE_S, write=server.timeout_s, pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=server.concurrency),
        )
        self._server, self._split = server, split
        self._tokens = None if "authorization" in {name.lower() for name in server.headers} else tokens

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request, and answer with a response whatever happens."""
        attempt = ATTEMPT.get() or Attempt()
        posts = request.method == "POST"
        if not self._split and request.method == "GET" and "last-event-id" not in request.headers:
            # A standing stream for what the server has to say by itself: nothing of it is used, and each holds a
            # connection. A server may answer the same, so every client can do without.
            return httpx2.Response(405, request=request)
        if request.method == "GET" and self._split:
            # The one long stream of the SSE transport may be silent for as long as nobody calls.
            request.extensions["timeout"] = {**self.timeout.as_dict(), "read": None}
        elif request.method == "DELETE":
            request.extensions["timeout"] = httpx2.Timeout(GOODBYE_S).as_dict()
        try:
            response = await self._authorized(request, attempt, options)
        except UNHEARD as error:
            return self._no_response(request, attempt, f"cannot be reached ({_words(error)})", again=posts)
        except httpx2.HTTPError as error:
            attempt.sent = True
            return self._no_response(request, attempt, f"broke the connection ({_words(error)})", again=posts)
        except McpFailure as error:
            if isinstance(error, Unusable):
                attempt.authorize = str(error)
            return self._no_response(request, attempt, str(error), again=posts)
        if posts:
            attempt.sent, attempt.status = True, response.status_code
            attempt.retry_after_s = retry_after_s(response.headers, time.time())
        # The one long stream of the SSE transport holds every answer of a session, each with a limit of its own.
        response.stream = _Bounded(response.stream, attempt, MESSAGE_BYTES_MAX if posts or not self._split else None)
        if self._split and posts and response.status_code >= 400:
            # This transport stops writing for good at the first refusal.
            await response.aclose()
            attempt.failed.set()
            return httpx2.Response(202, request=request)
        return response

    async def _authorized(self, request: httpx2.Request, attempt: Attempt, options: dict[str, Any]) -> httpx2.Response:
        used = None
        if self._tokens is not None and (used := await self._tokens.current()):
            request.headers["authorization"] = f"Bearer {used}"
        response = await super().send(request, **options)
        if response.status_code == 401 and self._tokens is not None and used is not None:
            await response.aclose()
            request.headers["authorization"] = f"Bearer {await self._tokens.renew(used)}"
            response = await super().send(request, **options)
        if response.status_code == 401:
            attempt.authorize = self._advice("needs authorization")
        elif response.status_code == 403 and "insufficient_scope" in response.headers.get("www-authenticate", ""):
            attempt.authorize = self._advice("wants a wider authorization than it was given")
        return response

    def _advice(self, what: str) -> str:
        name = self._server.name
        if self._tokens is None:
            return f"the MCP server {name!r} {what}: it does not accept the `headers` of its configuration"
        return f"the MCP server {name!r} {what}: run `tenuto auth mcp {name}`"

    def _no_response(self, request: httpx2.Request, attempt: Attempt, fault: str, *, again: bool) -> httpx2.Response:
        attempt.fault = fault
        if self._split and again:
            attempt.failed.set()
            return httpx2.Response(202, request=request)
        return httpx2.Response(502, request=request)


class _Bounded(httpx2.AsyncByteStream):
    """A response's bytes, up to a limit; a connection that breaks ends them and is noted."""

    def __init__(self, stream: Any, attempt: Attempt, bytes_max: int | None) -> None:
        self._stream, self._attempt, self._bytes_max = stream, attempt, bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for part in self._stream:
                size += len(part)
                if self._bytes_max is not None and size > self._bytes_max:
                    self._attempt.fault = f"sent more than {MESSAGE_BYTES_MAX >> 20} MiB"
                    return
                yield part
        except httpx2.HTTPError as error:
            self._attempt.fault = f"broke the connection ({_words(error)})"

    async def aclose(self) -> None:
        await self._stream.aclose()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
