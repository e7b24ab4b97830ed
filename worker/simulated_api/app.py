"""The ASGI application. `POST /v1/messages` is plain ASGI, because benchmarks wait for it; the rest is Starlette."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from .errors import ApiError, error_body, invalid
from .models import MODELS
from .rules import Control
from .simulation import BODY_BYTES_MAX, Plan, Simulation
from .sse import PING

_log = logging.getLogger(__name__)

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def build_app(simulation: Simulation) -> App:
    """The application that serves one simulation."""
    others = _other_routes(simulation)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/messages" or scope["method"] != "POST":
            await others(scope, receive, send)
            return
        try:
            await _Exchange(simulation, receive, send).run(scope)
        except Exception:
            # The server is told to keep quiet about broken-off responses, which are wanted here, so a bug is told here.
            _log.exception("the simulated Messages API failed")
            raise

    return app


class _Exchange:
    """One request of `POST /v1/messages` and its response."""

    def __init__(self, simulation: Simulation, receive: Receive, send: Send) -> None:
        self._simulation = simulation
        self._receive = receive
        self._send = send
        self._leaving: asyncio.Task[Message] | None = None

    async def run(self, scope: Scope) -> None:
        raw = await self._read()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        plan = self._simulation.plan(headers, raw)
        outcome = "gone"
        try:
            outcome = await self._respond(plan)
        finally:
            if self._leaving is not None:
                self._leaving.cancel()
            self._simulation.ended(plan, outcome)

    async def _read(self) -> bytes:
        message = await self._receive()
        if not message.get("more_body"):
            return bytes(message.get("body", b""))
        body = bytearray(message.get("body", b""))
        while message.get("more_body"):
            message = await self._receive()
            if len(body) <= BODY_BYTES_MAX:
                body += message.get("body", b"")
        return bytes(body)

    async def _respond(self, plan: Plan) -> str:
        if plan.latency_s and not await self._pause(plan.latency_s):
            return "gone"
        if plan.frames:
            await self._send({"type": "http.response.start", "status": plan.status, "headers": plan.headers})
            return await self._stream(plan)
        length = (b"content-length", b"%d" % len(plan.body))
        await self._send({"type": "http.response.start", "status": plan.status, "headers": [*plan.headers, length]})
        plan.begun()
        if plan.stall_after is not None:
            return await self._stall(None)
        if plan.cut_after is not None:
            await self._body(plan.body[: len(plan.body) // 2], more=True)
            return "cut"
        await self._body(plan.body, more=False)
        return plan.outcome

    async def _stream(self, plan: Plan) -> str:
        """Send the events: in one piece where nothing happens between them, one by one otherwise.

        To break off, it returns without ending the body; the server then closes the connection.
        """
        stops = [stop for stop in (plan.cut_after, plan.stall_after) if stop is not None]
        count = min([len(plan.frames), *stops])
        if count > 0:
            plan.begun()
        paced = bool(plan.chunk_s or plan.pauses_s)
        if paced:
            for index in range(count):
                pause_s = plan.pauses_s.get(index, plan.chunk_s if index else 0.0)
                if pause_s and not await self._pause(pause_s):
                    return "gone"
                await self._body(plan.frames[index], more=True)
        else:
            await self._body(b"".join(plan.frames[:count]), more=bool(stops))
        if plan.stall_after == count:
            return await self._stall(plan.stall_pings_s)
        if plan.cut_after == count:
            return "cut"
        if paced or stops:
            await self._body(b"", more=False)
        return plan.outcome

    async def _stall(self, pings_s: float | None) -> str:
        while await self._pause(pings_s):
            await self._body(PING, more=True)
        return "stalled"

    async def _pause(self, seconds: float | None) -> bool:
        """Wait; False as soon as the client has gone away. `None` waits until then."""
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._receive())
        await asyncio.wait({self._leaving}, timeout=seconds)
        return not self._leaving.done()

    async def _body(self, part: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": more})


def _other_routes(simulation: Simulation) -> Starlette:
    async def count_tokens(request: Request) -> Response:
        return JSONResponse(simulation.count_tokens(request.headers, await request.body()))

    async def models(request: Request) -> Response:
        simulation.authenticate(request.headers)
        found = [model.info() for model in MODELS.values()]
        return JSONResponse({"data": found, "first_id": found[0]["id"], "last_id": found[-1]["id"], "has_more": False})

    async def model(request: Request) -> Response:
        simulation.authenticate(request.headers)
        name = request.path_params["name"]
        if name not in MODELS:
            raise ApiError(404, f"model: {name}")
        return JSONResponse(MODELS[name].info())

    async def control(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse(simulation.state())
        try:
            asked = Control.model_validate_json(await request.body())
        except ValidationError as error:
            raise invalid(str(error)) from error
        return JSONResponse(simulation.control(asked))

    async def requests(request: Request) -> Response:
        log = simulation.log
        return JSONResponse(log.summary() if "summary" in request.query_params else log.records())

    async def usage(_request: Request) -> Response:
        return JSONResponse(simulation.log.usage())

    return Starlette(
        routes=[
            Route("/v1/messages/count_tokens", count_tokens, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/{name}", model),
            Route("/_control", control, methods=["GET", "POST"]),
            Route("/_requests", requests),
            Route("/_usage", usage),
        ],
        exception_handlers={ApiError: _refused, HTTPException: _no_such_route},
    )


async def _refused(_request: Request, error: Any) -> Response:
    return JSONResponse(error_body(error.type, error.message, "req_sim"), error.status, headers=error.headers)


async def _no_such_route(request: Request, error: Any) -> Response:
    refusal = ApiError(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
    return await _refused(request, refusal)
