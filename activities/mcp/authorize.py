"""`tenuto auth mcp NAME`: a person authorizes Tenuto with an HTTP server, once; the tokens are kept for its agents."""

from __future__ import annotations

import asyncio
import html
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import AnyUrl, ValidationError

from .errors import Unusable
from .server import Server
from .tokens import Grant, path_of, write_grant

logging.getLogger("mcp.client").setLevel(logging.CRITICAL)  # as in `session.py`

WAIT_S = 600.0
"""For the person."""
CALLBACK = "/callback"


async def authorize(
    server: Server,
    home: Path,
    show: Callable[[str], None],
    paste: Callable[[], Awaitable[str]] | None = None,
) -> Path | None:
    """Have a person authorize, and keep the grant; the file, or `None` if the server asks for no authorization.

    Args:
        show: is given the address that the person opens.
        paste: reads the address that the browser was sent to (or the code in it), where this host has no browser.

    Raises:
        Unusable: it did not come to a grant; the message says why.
    """
    if server.kind == "stdio":
        raise Unusable(f"the MCP server {server.name!r} is a local process; only HTTP servers are authorized with")
    if "authorization" in {name.lower() for name in server.headers}:
        raise Unusable(
            f"the MCP server {server.name!r} has an Authorization header in its configuration, which is used as it is; "
            "take it out to authorize instead"
        )
    async with _loopback(server.oauth.get("callbackPort")) as (port, arrived):
        kept = _Kept(_registered(server, port))
        state: list[str] = []

        async def redirect(url: str) -> None:
            state[:] = parse_qs(urlsplit(url).query).get("state", [])
            show(url)

        async def answer() -> AuthorizationCodeResult:
            async with asyncio.timeout(WAIT_S):
                if paste is None:
                    return _result(await arrived)
                return _result(_pasted(await paste(), state))

        provider = OAuthClientProvider(server.url, _metadata(server, port), kept, redirect, answer)
        status = await _first_request(server, provider)
        if kept.token is None:
            if status < 400:
                return None
            raise Unusable(f"the MCP server {server.name!r} answered HTTP {status} and offered no way to authorize")
    path = path_of(home, server.name)
    write_grant(path, _grant(server, provider, kept.token))
    return path


class _Kept:
    """What the flow stores: kept here until it is complete."""

    def __init__(self, client: OAuthClientInformationFull | None) -> None:
        self.token: OAuthToken | None = None
        self.client = client

    async def get_tokens(self) -> OAuthToken | None:
        return None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.token = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def _address(port: int) -> AnyUrl:
    return AnyUrl(f"http://127.0.0.1:{port}{CALLBACK}")


def _metadata(server: Server, port: int) -> OAuthClientMetadata:
    scopes = server.oauth.get("scopes")
    scope = " ".join(scopes) if isinstance(scopes, list) else scopes if isinstance(scopes, str) else None
    return OAuthClientMetadata(
        client_name="Tenuto", redirect_uris=[_address(port)], token_endpoint_auth_method="none", scope=scope
    )


def _registered(server: Server, port: int) -> OAuthClientInformationFull | None:
    """A client that a person registered by hand (`oauth.clientId`), else none: the flow registers one."""
    client_id = server.oauth.get("clientId")
    if not isinstance(client_id, str):
        return None
    return OAuthClientInformationFull(
        client_id=client_id, redirect_uris=[_address(port)], token_endpoint_auth_method="none"
    )


async def _first_request(server: Server, provider: OAuthClientProvider) -> int:
    """Make the server ask for an authorization; its status in the end."""
    message: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": LATEST_HANDSHAKE_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "tenuto", "version": "1"},
        },
    }
    headers = {**server.headers, "accept": "application/json, text/event-stream"}
    try:
        async with httpx2.AsyncClient(auth=provider, headers=headers, timeout=30) as client:
            how: dict[str, Any] = {"json": message} if server.kind == "http" else {}
            async with client.stream("POST" if how else "GET", server.url, **how) as response:
                return response.status_code
    except TimeoutError:
        raise Unusable(
            f"nobody authorized with the MCP server {server.name!r} within {WAIT_S / 60:g} minutes"
        ) from None
    except (OAuthFlowError, httpx2.HTTPError, ValidationError, ValueError) as error:
        words = server.redact(str(error) or type(error).__name__).partition("\n")[0][:300]
        raise Unusable(f"the MCP server {server.name!r} could not be authorized with: {words}") from None


def _grant(server: Server, provider: OAuthClientProvider, token: OAuthToken) -> Grant:
    context = provider.context
    assert context.client_info is not None
    metadata = context.oauth_metadata
    endpoint = str(metadata.token_endpoint) if metadata is not None else urljoin(server.url, "/token")
    grant = Grant(
        server_url=server.url,
        token_endpoint=endpoint,
        resource=context.get_resource_url() if context.protected_resource_metadata is not None else None,
        client=context.client_info,
    )
    return grant.with_token(token)


def _pasted(text: str, state: list[str]) -> dict[str, str]:
    """The parameters of a pasted address, or of a bare code: who pastes it was shown the address with the state."""
    text = text.strip()
    if "code=" in text or "error=" in text:
        return _parameters(text)
    return {"code": text, "state": state[0] if state else ""}


def _parameters(target: str) -> dict[str, str]:
    query = urlsplit(target).query or target
    return {name: values[0] for name, values in parse_qs(query).items()}


def _result(given: dict[str, str]) -> AuthorizationCodeResult:
    if "error" in given:
        raise OAuthFlowError(f"the authorization server said {given['error'][:80]!r}")
    if not given.get("code"):
        raise OAuthFlowError("no authorization code came back; paste the whole address that the browser was sent to")
    return AuthorizationCodeResult(code=given["code"], state=given.get("state"), iss=given.get("iss"))


@asynccontextmanager
async def _loopback(wanted: Any) -> AsyncIterator[tuple[int, asyncio.Future[dict[str, str]]]]:
    """Listen on this host for the browser that comes back; its port, and what it brings."""
    arrived: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                line = (await reader.readline()).decode(errors="replace").split(" ")
            target = line[1] if len(line) > 1 else ""
            right = urlsplit(target).path == CALLBACK
            given = _parameters(target) if right else {}
            writer.write(_page(right, given.get("error")))
            await writer.drain()
            if right and not arrived.done():
                arrived.set_result(given)
        except (TimeoutError, OSError, ValueError):
            pass  # not the browser that is waited for
        finally:
            writer.close()

    port = wanted if isinstance(wanted, int) and 0 < wanted < 65536 else 0
    try:
        listener = await asyncio.start_server(serve, "127.0.0.1", port, limit=64 * 1024)
    except OSError as error:
        raise Unusable(f"port {port} on 127.0.0.1 cannot be listened on: {error.strerror or error}") from None
    try:
        yield int(listener.sockets[0].getsockname()[1]), arrived
    finally:
        listener.close()
        arrived.cancel()


def _page(right: bool, error: str | None) -> bytes:
    if not right:
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    said = f"not authorized: {html.escape(error[:80])}" if error else "authorized"
    body = f"<!doctype html><title>Tenuto</title><p>Tenuto is {said}. You may close this page.</p>".encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body
