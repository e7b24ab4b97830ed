"""Asking the Messages API on whichever credential works, without ever running into a known limit."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anthropic

from .clients import Clients
from .context_management import ContextManagement, silence_s
from .credentials import Credentials, Source
from .errors import NoCredential, classify
from .model_limits import cache_tokens_min
from .prefix_gate import Passage, PrefixGate
from .prompt_cache import shared_prefix
from .rate_gate import RateGate
from .streaming import Response, ask

REJECTED_S = 60.0
"""How long a rejected credential comes last: thousands of agents need not find out one by one."""
SIMULATED_KEY = "simulated"


class MessagesApi:
    """One per Worker: its clients, one gate per credential, and one before prefixes that siblings share.

    `simulated_url` starts the simulated API if need be and gives its base URL.
    """

    def __init__(self, credentials: Credentials, simulated_url: Callable[[], Awaitable[str]]) -> None:
        self._credentials = credentials
        self._simulated_url = simulated_url
        self._clients = Clients()
        self._gates: dict[Source, RateGate] = {}
        self._prefixes = PrefixGate()
        self.context = ContextManagement()
        """What is known of the ways in which models keep long conversations within their window."""
        self._rejected_at: dict[Source, float] = {}

    async def ask(
        self, request: Mapping[str, Any], *, simulate: bool, stall_s: float, say: Callable[[str], None]
    ) -> Response:
        """Send one request; on a 401 send it again at once on the next credential.

        `say` is told, in a few words, what is going on.

        Raises:
            NoCredential: there is none.
            RetryLater: the credential's gate stays closed for long.
            anthropic.AuthenticationError: the last credential was rejected too.
            Others as `streaming.ask`.
        """
        sources = await self._sources(simulate)
        for left, source in enumerate(sources, 1 - len(sources)):
            try:
                return await self._ask_on(source, request, stall_s, say)
            except anthropic.AuthenticationError:
                self._rejected_at[source] = time.monotonic()
                if left == 0:
                    raise
        raise NoCredential(self._credentials.describe())

    async def close(self) -> None:
        """Close all connections."""
        await self._clients.close()

    async def _ask_on(
        self, source: Source, request: Mapping[str, Any], stall_s: float, say: Callable[[str], None]
    ) -> Response:
        gate = self._gates.setdefault(source, RateGate())
        passage = await self._passage(source, gate, request, say)
        try:
            client = self._clients.of(source)
            say(f"asking {request['model']}")
            return await ask(
                client,
                request,
                stall_s=stall_s,
                silence_s=silence_s(request, stall_s),
                on_headers=gate.learn,
                on_begun=passage.begun,
            )
        except anthropic.APIStatusError as error:
            gate.obey(classify(error))
            raise
        finally:
            passage.ended()

    async def _passage(
        self, source: Source, gate: RateGate, request: Mapping[str, Any], say: Callable[[str], None]
    ) -> Passage:
        """Leave to ask: no rate limit is closed, and the prefix is in the cache or this request writes it."""
        prefix = shared_prefix(request)
        held = prefix is not None and prefix.tokens >= cache_tokens_min(request["model"])
        key = (source, prefix.digest) if prefix is not None and held else None
        while True:
            await gate.passage(say)
            passage = await self._prefixes.passage(key, say)
            if gate.left_s() <= 0:
                return passage
            # Closed in the meantime: nobody leads while he waits there.
            passage.ended()

    async def _sources(self, simulate: bool) -> Sequence[Source]:
        if simulate:
            return (Source("api_key", "the simulation", await self._simulated_url(), SIMULATED_KEY),)
        sources = self._credentials.sources()
        if not self._rejected_at:
            return sources
        recently = time.monotonic() - REJECTED_S
        return sorted(sources, key=lambda source: self._rejected_at.get(source, 0.0) > recently)
