"""Asking the Messages API on whichever credential works, without ever running into a known limit."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anthropic

from tenuto.workflows import failure_kinds as kinds

from .clients import Clients
from .context_management import ContextManagement, silence_s
from .credentials import Credentials, Source
from .errors import NoCredential, RetryLater, Verdict, classify
from .model_limits import cache_tokens_min
from .prefix_gate import Passage, PrefixGate
from .prompt_cache import shared_prefix
from .rate_gate import RateGate
from .streaming import Response, ask

REJECTED_S = 60.0
"""How long a rejected credential comes last: thousands of agents need not find out one by one."""
REFUSED_S = 15.0
"""So long a refused credential is not asked on again, unless another one takes its place; then one agent tries."""
SIMULATED_KEY = "simulated"


async def _nothing() -> None:
    """Nothing keeps a request from being sent."""


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
        self._refused: dict[Source, tuple[float, Verdict]] = {}
        """Credentials without access or credit: since when, and in whose words."""
        self._resumed: dict[str, int] = {}

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        simulate: bool,
        stall_s: float,
        say: Callable[[str], None],
        check: Callable[[], Awaitable[None]] = _nothing,
        accepted: Callable[[float], None] = lambda _asked_at: None,
        begun: Callable[[Response], None] = lambda _response: None,
    ) -> Response:
        """Send one request; on a 401 send it again at once on the next credential.

        `say` is told, in a few words, what is going on; `check` is called when nothing is left to be waited for, and
        what it raises keeps the request from being sent; `accepted` is told, with the moment (monotonic) at which it
        was sent, that the API began to answer the request; `begun` sees the answer from there on.

        Raises:
            What `check` raises.
            NoCredential: there is none.
            RetryLater: the credential's gate stays closed for long, or it was refused a moment ago.
            anthropic.AuthenticationError: the last credential was rejected too.
            Others as `streaming.ask`.
        """
        sources = await self._sources(simulate)
        for left, source in enumerate(sources, 1 - len(sources)):
            try:
                self._check_refused(source)
                return await self._ask_on(source, request, stall_s, say, check, accepted=accepted, begun=begun)
            except anthropic.AuthenticationError:
                self._rejected_at[source] = time.monotonic()
                if left == 0:
                    raise
            except RetryLater as error:
                if left == 0 or error.kind != kinds.CREDENTIAL:
                    raise
        raise NoCredential(self._credentials.describe())

    async def check(self, *, simulate: bool) -> None:
        """Whether there is any use in asking now: nothing is sent.

        Raises:
            NoCredential: there is none.
            RetryLater: the API said no, and it is too early to ask it again.
        """
        sources = await self._sources(simulate)
        for left, source in enumerate(sources, 1 - len(sources)):
            try:
                self._check_refused(source, try_again=False)
                if (gate := self._gates.get(source)) is not None:
                    gate.check()
            except RetryLater as error:
                if left == 0 or error.kind != kinds.CREDENTIAL:
                    raise
            else:
                return
        raise NoCredential(self._credentials.describe())

    def open_gates(self) -> None:
        """Ask again at once, whatever the API said about when."""
        self._refused.clear()
        for gate in self._gates.values():
            gate.open()

    def open_gates_of(self, run_id: str, resumed: int) -> None:
        """The same, the first time that an agent brings the news of it."""
        if resumed > self._resumed.get(run_id, 0):
            self._resumed[run_id] = resumed
            self.open_gates()

    def _check_refused(self, source: Source, *, try_again: bool = True) -> None:
        """Raise `RetryLater` for a credential that was refused a moment ago; else the caller is the one who tries."""
        refused = self._refused.get(source)
        if refused is None:
            return
        since, verdict = refused
        left = since + REFUSED_S - time.monotonic()
        if left > 0:
            raise RetryLater(verdict.kind, verdict.message, left)
        if try_again:
            self._refused[source] = (time.monotonic(), verdict)

    async def close(self) -> None:
        """Close all connections."""
        await self._clients.close()

    async def _ask_on(
        self,
        source: Source,
        request: Mapping[str, Any],
        stall_s: float,
        say: Callable[[str], None],
        check: Callable[[], Awaitable[None]],
        *,
        accepted: Callable[[float], None],
        begun: Callable[[Response], None],
    ) -> Response:
        gate = self._gates.setdefault(source, RateGate())
        async with gate.place(say):
            passage = await self._passage(source, gate, request, say)
            try:
                await check()
                return await self._send(source, passage, request, stall_s, say=say, accepted=accepted, begun=begun)
            except anthropic.APIStatusError as error:
                verdict = classify(error)
                gate.obey(verdict)
                if verdict.kind in (kinds.CREDENTIAL, kinds.CREDIT):
                    self._refused[source] = (time.monotonic(), verdict)
                raise
            finally:
                passage.ended()

    async def _send(
        self,
        source: Source,
        passage: Passage,
        request: Mapping[str, Any],
        stall_s: float,
        *,
        say: Callable[[str], None],
        accepted: Callable[[float], None],
        begun: Callable[[Response], None],
    ) -> Response:
        asked_at = time.monotonic()

        def answering(response: Response) -> None:
            self._refused.pop(source, None)
            passage.begun(response.usage)
            accepted(asked_at)
            begun(response)

        client = self._clients.of(source)
        say(f"asking {request['model']}")
        return await ask(
            client,
            request,
            stall_s=stall_s,
            silence_s=silence_s(request, stall_s),
            on_headers=self._gates[source].learn,
            on_begun=answering,
        )

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
