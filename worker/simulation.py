"""The simulated Messages API inside a Worker: a rehearsal of the whole stack without a key."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from .simulated_api import SimulatedApi

ANSWERS = Path(__file__).parent / "demo" / "answers.json"
"""What simulated agents say about the demo's own prompts; any other prompt gets an answer by its hash."""
LATENCY_S = 0.3
"""Long enough that a person sees agents at work."""


def request_log(home: Path) -> Path:
    """Every request to the simulated API of that home, as JSON Lines, across Workers."""
    return home / "logs" / "simulated-requests.jsonl"


class Simulation:
    """Starts the server with the first simulated agent. Equal requests get equal answers, whichever Worker asks."""

    def __init__(self, home: Path, latency_s: float = LATENCY_S) -> None:
        self._log = request_log(home)
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
                await self._stack.enter_async_context(api)
                api.control(**json.loads(ANSWERS.read_text(encoding="utf-8")))
                self._api = api
        return self._api.url

    async def __aenter__(self) -> Simulation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
