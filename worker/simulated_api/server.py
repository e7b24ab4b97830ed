"""The simulated API as a server on a loopback port, inside an event loop or in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import uvicorn

from .app import build_app
from .rules import Control
from .simulation import Simulation

HOST = "127.0.0.1"
KEEP_ALIVE_S = 3600
"""Longer than any client keeps an idle connection, so that none is closed under a request that is on its way."""


class SimulatedApi:
    """A simulated Messages API on `http://127.0.0.1:<port>`.

    Use it as `async with SimulatedApi() as api:` and point clients at `api.url`; code that is not asynchronous uses
    `with SimulatedApi.in_thread() as api:`. `port` 0 takes a free one; `log_path` names the request log, which is
    appended to; `latency_s` is the time to an answer's first byte.

    Raises:
        OSError: the port is taken, or the log cannot be written.
    """

    def __init__(self, port: int = 0, log_path: str | Path | None = None, latency_s: float = 0.0) -> None:
        self._port = port
        self.simulation = Simulation(log_path, latency_s)
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Base URL, as `ANTHROPIC_BASE_URL` takes it."""
        return f"http://{HOST}:{self._port}"

    def control(self, **settings: Any) -> dict[str, Any]:
        """What `POST /_control` does, from Python: `rules`, `reset`, `latency_s`, `chunk_s`, `api_keys`, `limits`.

        Raises:
            pydantic.ValidationError: a setting is not one.
        """
        return self.simulation.control(Control.model_validate(settings))

    def requests(self) -> list[dict[str, Any]]:
        """The request log, oldest first, as `GET /_requests`."""
        return self.simulation.log.records()

    def summary(self) -> dict[str, Any]:
        """Counts over the request log, as `GET /_requests?summary`."""
        return self.simulation.log.summary()

    def usage(self) -> dict[str, Any]:
        """Token totals, as `GET /_usage`."""
        return self.simulation.log.usage()

    async def __aenter__(self) -> SimulatedApi:
        # asyncio turns Nagle's algorithm off only where the protocol is named; with it, each answer waits 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self._port))
        except OSError:
            listener.close()
            self.simulation.log.close()
            raise
        self._port = listener.getsockname()[1]
        self._server = _Server(_config(self.simulation))
        self._serving = asyncio.create_task(self._server.serve([listener]))
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._serving
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._server is not None
        assert self._serving is not None
        self._server.should_exit = True
        await self._serving
        self.simulation.log.close()

    @classmethod
    @contextmanager
    def in_thread(
        cls, port: int = 0, log_path: str | Path | None = None, latency_s: float = 0.0
    ) -> Iterator[SimulatedApi]:
        """The server on an event loop of its own, in a thread. Raises as the class does."""
        api = cls(port, log_path, latency_s)
        started, ended = threading.Event(), threading.Event()
        failures: list[BaseException] = []

        async def serve() -> None:
            async with api:
                started.set()
                await asyncio.to_thread(ended.wait)

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
                failures.append(error)
            finally:
                started.set()

        thread = threading.Thread(target=run, name="simulated-messages-api", daemon=True)
        thread.start()
        started.wait()
        try:
            if not failures:
                yield api
        finally:
            ended.set()
            thread.join()
        if failures:
            raise failures[0]


class _Server(uvicorn.Server):
    """A server that leaves signals to the program around it and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    def capture_signals(self) -> Any:
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _config(simulation: Simulation) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(simulation),
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        # A stalled stream never ends by itself.
        timeout_graceful_shutdown=0,
    )
