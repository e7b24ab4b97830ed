"""An HTTP server that speaks MCP on a loopback port and does as it is told, with an authorization server beside it."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

TOOLS: list[dict[str, Any]] = [
    {"name": "echo", "annotations": {"readOnlyHint": True}},
    {"name": "write"},
    {"name": "hang"},
    {"name": "drop"},
    {"name": "big"},
    {"name": "crash"},
    {"name": "slow"},
    {"name": "safe_drop", "annotations": {"readOnlyHint": True}},
]


class HttpServer:
    """Runs in a thread of its own; start it with `with`."""

    def __init__(self, *, port: int = 0) -> None:
        self.ran: Counter[str] = Counter()
        """Calls that were run, by tool."""
        self.asked: Counter[str] = Counter()
        """Requests, by JSON-RPC method."""
        self.headers: list[dict[str, str]] = []
        self.metas: list[dict[str, Any]] = []
        self.refuse: list[tuple[int, dict[str, str]]] = []
        """Statuses and headers with which the next calls are refused."""
        self.refused_at: list[float] = []
        self.called_at: list[float] = []
        self.sse = False
        self.sessions: set[str] = set()
        self.running = self.running_most = 0
        self.oauth = Authorization(self)
        routes = [
            Route("/mcp", self._post, methods=["POST"]),
            Route("/mcp", self._delete, methods=["DELETE"]),
            Route("/sse", self._stream, methods=["GET"]),
            Route("/messages", self._message, methods=["POST"]),
            *self.oauth.routes,
        ]
        self.streams: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        config = uvicorn.Config(Starlette(routes=routes), port=port, log_level="critical", timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = port

    def _serve(self) -> None:
        asyncio.run(self._server.serve())

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"

    def __enter__(self) -> HttpServer:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_args: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    async def _stream(self, _request: Request) -> Response:
        """The older transport: answers come on one long stream."""
        name = secrets.token_hex(8)
        queue = self.streams[name] = asyncio.Queue()

        async def events() -> AsyncIterator[str]:
            yield f"event: endpoint\ndata: /messages?session_id={name}\n\n"
            while True:
                yield f"event: message\ndata: {json.dumps(await queue.get())}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _message(self, request: Request) -> Response:
        message = await request.json()
        params, queue = message.get("params") or {}, self.streams[request.query_params["session_id"]]
        self.asked[message["method"]] += 1
        if message["method"] == "initialize":
            info = {"name": "scripted", "version": "1"}
            result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
            queue.put_nowait(self._answer(message, result))
        elif message["method"] == "tools/list":
            tools = [{"inputSchema": {"type": "object"}, **tool} for tool in TOOLS]
            queue.put_nowait(self._answer(message, {"tools": tools}))
        elif message["method"] == "tools/call":
            answered = await self._call(message, params)
            if not isinstance(answered, JSONResponse):
                return answered
            queue.put_nowait(json.loads(bytes(answered.body)))
        elif "id" in message:
            queue.put_nowait(self._answer(message, {}))
        return Response(status_code=202)

    async def _delete(self, request: Request) -> Response:
        self.sessions.discard(request.headers.get("mcp-session-id", ""))
        return Response(status_code=204)

    async def _post(self, request: Request) -> Response:
        message = await request.json()
        method, params = message["method"], message.get("params") or {}
        self.asked[method] += 1
        self.headers.append(dict(request.headers))
        if self.oauth.on and not self.oauth.accepts(request):
            where = f"{self.origin}/.well-known/oauth-protected-resource/mcp"
            return Response(status_code=401, headers={"www-authenticate": f'Bearer resource_metadata="{where}"'})
        if "id" not in message:
            return Response(status_code=202)
        if method == "initialize":
            session = secrets.token_hex(8)
            self.sessions.add(session)
            result = {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "scripted", "version": "1"},
            }
            return JSONResponse(self._answer(message, result), headers={"mcp-session-id": session})
        if request.headers.get("mcp-session-id") not in self.sessions:
            return Response(status_code=404)
        if method == "tools/list":
            tools = [{"inputSchema": {"type": "object"}, "description": "A tool.", **tool} for tool in TOOLS]
            return JSONResponse(self._answer(message, {"tools": tools}))
        if method == "tools/call":
            return await self._call(message, params)
        return JSONResponse(self._answer(message, {}))

    async def _call(self, message: dict[str, Any], params: dict[str, Any]) -> Response:
        if self.refuse:
            status, headers = self.refuse.pop(0)
            self.refused_at.append(time.monotonic())
            return Response(status_code=status, headers=headers)
        tool, arguments = params["name"], params.get("arguments") or {}
        self.called_at.append(time.monotonic())
        self.ran[tool] += 1
        self.metas.append(params.get("_meta") or {})
        self.running += 1
        self.running_most = max(self.running, self.running_most)
        try:
            if tool == "hang":
                await asyncio.sleep(3600)
            if tool == "slow":
                await asyncio.sleep(0.1)
        finally:
            self.running -= 1
        if tool == "crash":
            return Response(status_code=500)
        if tool in ("drop", "safe_drop") and self.ran[tool] == 1:
            return StreamingResponse(_broken(), media_type="application/json", headers={"content-length": "5000"})
        text = "x" * int(arguments["bytes"]) if tool == "big" else json.dumps(arguments)
        answer = self._answer(message, {"content": [{"type": "text", "text": text}]})
        if self.sse:
            return Response(f"event: message\ndata: {json.dumps(answer)}\n\n", media_type="text/event-stream")
        return JSONResponse(answer)

    def _answer(self, message: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}


async def _broken() -> AsyncIterator[bytes]:
    yield b'{"jsonrpc": "2.0", '
    raise ConnectionResetError("as the test wants it")


class Authorization:
    """OAuth 2.1 as the MCP specification asks for it: discovery, registration, PKCE code grant, rotating refresh."""

    def __init__(self, server: HttpServer) -> None:
        self.on = False
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.codes: set[str] = set()
        self.refreshes = 0
        self.refresh_status = 200
        self.registered: list[dict[str, Any]] = []
        self._server = server
        self.routes = [
            Route("/.well-known/oauth-protected-resource/mcp", self._resource),
            Route("/.well-known/oauth-authorization-server", self._metadata),
            Route("/register", self._register, methods=["POST"]),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]

    def accepts(self, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self.access

    async def _resource(self, _request: Request) -> Response:
        origin = self._server.origin
        return JSONResponse({"resource": self._server.url, "authorization_servers": [origin]})

    async def _metadata(self, _request: Request) -> Response:
        origin = self._server.origin
        return JSONResponse(
            {
                "issuer": origin,
                "authorization_endpoint": f"{origin}/authorize",
                "token_endpoint": f"{origin}/token",
                "registration_endpoint": f"{origin}/register",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _register(self, request: Request) -> Response:
        given = await request.json()
        self.registered.append(given)
        return JSONResponse({**given, "client_id": "client-1"}, status_code=201)

    async def _authorize(self, request: Request) -> Response:
        code = secrets.token_hex(8)
        self.codes.add(code)
        back = urlencode({"code": code, "state": request.query_params["state"]})
        return RedirectResponse(f"{request.query_params['redirect_uri']}?{back}", status_code=302)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form["grant_type"] == "refresh_token":
            self.refreshes += 1
            await asyncio.sleep(0.05)
            if self.refresh_status != 200:
                return JSONResponse({"error": "temporarily_unavailable"}, status_code=self.refresh_status)
            if form["refresh_token"] not in self.refresh:
                return JSONResponse({"error": "invalid_grant"}, status_code=400)
            self.refresh.remove(form["refresh_token"])  # good for one use
        elif form.get("code") not in self.codes or not form.get("code_verifier"):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse(self.issue())

    def issue(self) -> dict[str, Any]:
        access, refresh = f"access-{secrets.token_hex(8)}", f"refresh-{secrets.token_hex(8)}"
        self.access.add(access)
        self.refresh.add(refresh)
        return {"access_token": access, "token_type": "bearer", "expires_in": 3600, "refresh_token": refresh}
