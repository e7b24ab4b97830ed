"""The simulated Messages API inside a Worker: a rehearsal of the whole stack without a key."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from .simulated_api import SimulatedApi

REQUEST_LOG = "simulated-requests.jsonl"
LATENCY_S = 0.3
"""Long enough that a person sees agents at work."""


class Simulation:
    """Starts the server with the first simulated agent. Equal requests get equal answers, whichever Worker asks."""

    def __init__(self, home: Path, latency_s: float = LATENCY_S) -> None:
        self._log = home / "logs" / REQUEST_LOG
        self._latency_s = latency_s
        self._stack = AsyncExitStack()
        self._starting = asyncio.Lock()
        self._api: SimulatedApi | None = None

    async def url(self) -> str:
        """Base URL of the server, started if it is not running yet."""
        async with self._starting:
            if self._api is None:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                api = SimulatedApi(log_path=self._log, latency_s=self._latency_s)
                self._api = await self._stack.enter_async_context(api)
        return self._api.url

    async def __aenter__(self) -> Simulation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
