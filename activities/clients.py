"""One API client per credential and place, kept for the life of the Worker: connections are what a client is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
from anthropic import AnthropicError, AsyncAnthropic, AsyncAnthropicFoundry, DefaultAioHttpClient, not_given
from anthropic.lib.bedrock import AsyncAnthropicBedrock
from anthropic.lib.vertex import AsyncAnthropicVertex
from opentelemetry import trace

from .credentials import PROFILE, Source
from .errors import NoCredential

CONNECTIONS_MAX = 2000
"""Above what one Worker runs at once: the caps are the run's and the fleet's, never a connection pool's."""
TIMEOUT = httpx2.Timeout(None, connect=15.0)
"""Seconds. Only connecting has a limit here; a silent stream is cut by the agent's own `stall_ms`."""
CLIENTS_MAX = 64

Client = AsyncAnthropic | AsyncAnthropicBedrock | AsyncAnthropicVertex | AsyncAnthropicFoundry


class Clients:
    """Clients by source."""

    def __init__(self) -> None:
        self._clients: dict[Source, Client] = {}
        self._closing: asyncio.Future[None] | None = None
        """Kept, so that it comes to its end."""

    def of(self, source: Source) -> Client:
        """The client for a source.

        Raises:
            NoCredential: the source is not usable as it is configured.
        """
        client = self._clients.get(source)
        if client is None:
            if len(self._clients) >= CLIENTS_MAX:
                # Replaced credentials; requests on them have long ended.
                old = self._clients.pop(next(iter(self._clients)))
                self._closing = asyncio.ensure_future(old.close())
            client = self._clients[source] = _build(source)
        return client

    async def close(self) -> None:
        """Close every connection."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()


def _build(source: Source) -> Client:
    if source.base_url is not None and urlsplit(source.base_url).scheme not in ("http", "https"):
        raise NoCredential(f"ANTHROPIC_BASE_URL is {source.base_url!r}; expected a URL that starts with https://")
    try:
        return _BUILDERS[source.platform](source, _common())
    except (AnthropicError, ValueError, OSError) as error:
        raise NoCredential(f"{source.describe()} cannot be used: {error}") from error


def _common() -> dict[str, Any]:
    limits = httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
    # Retries are Temporal's: they outlive this process, free the slot, and are seen.
    common: dict[str, Any] = {
        "max_retries": 0,
        "timeout": TIMEOUT,
        "http_client": DefaultAioHttpClient(limits=limits, timeout=TIMEOUT),
    }
    if not spans_are_wanted():
        common["open_telemetry"] = False  # else it reckons their attributes all the same
    return common


def spans_are_wanted() -> bool:
    """Whether anybody receives spans."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _key(source: Source, common: dict[str, Any]) -> Client:
    return AsyncAnthropic(api_key=source.secret, base_url=source.base_url, **common)


def _token(source: Source, common: dict[str, Any]) -> Client:
    return AsyncAnthropic(auth_token=source.secret, base_url=source.base_url, **common)


def _sdk(source: Source, common: dict[str, Any]) -> Client:
    profile = dict(source.settings).get(PROFILE)
    return AsyncAnthropic(profile=profile, base_url=source.base_url, **common)


def _bedrock(source: Source, common: dict[str, Any]) -> Client:
    given = dict(source.settings)
    token = given.get("AWS_BEARER_TOKEN_BEDROCK")
    keys = {
        "aws_access_key": given.get("AWS_ACCESS_KEY_ID"),
        "aws_secret_key": given.get("AWS_SECRET_ACCESS_KEY"),
        "aws_session_token": given.get("AWS_SESSION_TOKEN"),
        "aws_profile": given.get("AWS_PROFILE"),
    }
    return AsyncAnthropicBedrock(
        aws_region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
        base_url=given.get("ANTHROPIC_BEDROCK_BASE_URL"),
        # The client takes the one or the other.
        **({"api_key": token} if token else keys),
        **common,
    )


def _vertex(source: Source, common: dict[str, Any]) -> Client:
    given = dict(source.settings)
    return AsyncAnthropicVertex(
        region=given.get("CLOUD_ML_REGION", not_given),
        project_id=given.get("ANTHROPIC_VERTEX_PROJECT_ID", not_given),
        base_url=given.get("ANTHROPIC_VERTEX_BASE_URL"),
        **common,
    )


def _foundry(source: Source, common: dict[str, Any]) -> Client:
    given = dict(source.settings)
    base_url = given.get("ANTHROPIC_FOUNDRY_BASE_URL")
    place = {"base_url": base_url} if base_url else {"resource": given.get("ANTHROPIC_FOUNDRY_RESOURCE")}
    return AsyncAnthropicFoundry(api_key=given.get("ANTHROPIC_FOUNDRY_API_KEY"), **place, **common)


_BUILDERS: dict[str, Callable[[Source, dict[str, Any]], Client]] = {
    "api_key": _key,
    "auth_token": _token,
    "sdk": _sdk,
    "bedrock": _bedrock,
    "vertex": _vertex,
    "foundry": _foundry,
}
