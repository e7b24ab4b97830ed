"""The stdio transport: a server as a process, one JSON-RPC message a line.

Ours and not the package's own, for what its own does not do (mcp 2.3, MEASURED or read): it copies the whole of an
unfinished line with every 64 KB that arrive and has no limit to it; it writes the server's stderr into the Worker's; it
adds the Worker's environment to the one it is given; and a killed Worker leaves its servers running.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest

from .attempt import ATTEMPT
from .errors import Unusable
from .server import Server

log = logging.getLogger(__name__)

LAUNCHER = Path(__file__).with_name("launcher.py")
LINE_BYTES_MAX = 64 * 1024 * 1024
"""A server that sends a longer message is ended."""
STDERR_BYTES = 8 * 1024
EXIT_S = 1.0
"""For the server to end by itself once its input has."""
LAUNCHER_EXIT_S = 4.0
"""More than the launcher takes to be polite."""


class Process:
    """The server's process and what it said last."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = bytearray()
        self.fault: str | None = None
        """Why we ended it, if we did."""

    @property
    def alive(self) -> bool:
        """Whether it can still be written to."""
        stdin = self._process.stdin
        return self._process.returncode is None and stdin is not None and not stdin.is_closing()

    async def last_words(self) -> str:
        """How it ended, and the last lines it wrote to stderr. Waits a moment for a process that is just ending."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 0.5)
        if self.fault:
            return self.fault
        code = self._process.returncode
        how = "closed its output" if code is None else f"ended with exit code {code}"
        said = " | ".join(
            line.strip() for line in self._said.decode(errors="replace").splitlines()[-3:] if line.strip()
        )
        return f"{how} ({said[-400:]})" if said else how

    async def listen(self) -> None:
        """Keep the end of stderr, in which a failing server says why."""
        stderr = self._process.stderr
        assert stderr is not None
        while part := await stderr.read(4096):
            self._said += part
            del self._said[:-STDERR_BYTES]

    async def send(self, message: SessionMessage) -> None:
        """Write one message.

        Raises:
            anyio.BrokenResourceError: the process is gone; nothing was written if it was gone before.
        """
        stdin = self._process.stdin
        if stdin is None or not self.alive:
            raise anyio.BrokenResourceError
        data = message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        first = stdin.transport.get_write_buffer_size() == 0
        stdin.write(data)
        if first and stdin.is_closing():
            # It is written at once where nothing waits before it: a pipe without a reader has taken none of it.
            raise anyio.BrokenResourceError
        attempt = ATTEMPT.get()
        if attempt is not None and isinstance(message.message, JSONRPCRequest):
            attempt.sent = True
        try:
            await stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise anyio.BrokenResourceError from error

    async def read_into(self, sink: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Hand on every message until the output ends. Lines that are no message are what servers print by mistake."""
        stdout = self._process.stdout
        assert stdout is not None
        async with sink:
            while True:
                try:
                    line = await stdout.readline()
                except ValueError:
                    self.fault = f"sent a message of more than {LINE_BYTES_MAX >> 20} MiB and was ended"
                    return
                if not line:
                    return
                try:
                    message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    log.debug("a line of an MCP server is no message: %d bytes", len(line))
                    continue
                try:
                    await sink.send(SessionMessage(message))
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return  # the session has ended

    async def end(self) -> None:
        """Close its input, then end it with everything that it started."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        if await self._gone_within(EXIT_S):
            return
        with suppress(ProcessLookupError):
            process.terminate()
        if await self._gone_within(LAUNCHER_EXIT_S):
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await self._gone_within(LAUNCHER_EXIT_S)

    async def _gone_within(self, seconds: float) -> bool:
        # Not `wait()` alone: it waits for the pipes too, and a process that left the tree may hold one.
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._process.wait()), seconds)
        return self._process.returncode is not None


class _Input:
    """The package's write stream. It writes in the caller's own task, so that the call knows what was sent."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def send(self, item: SessionMessage, /) -> None:
        await self._process.send(item)

    async def aclose(self) -> None:
        """The process is ended by who started it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        return None


@asynccontextmanager
async def stdio_transport(
    server: Server,
) -> AsyncIterator[tuple[MemoryObjectReceiveStream[SessionMessage | Exception], _Input, Process]]:
    """Start the server; yields the two streams and its process. On leaving, its whole process tree is gone.

    Raises:
        Unusable: it cannot be started.
    """
    process = Process(await _start(server))
    sink, source = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    tasks = [asyncio.create_task(process.read_into(sink)), asyncio.create_task(process.listen())]
    try:
        yield source, _Input(process), process
    finally:
        # In a task of its own: whoever cancels this one, the process has to go.
        ending = asyncio.create_task(process.end())
        while not ending.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(ending)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        source.close()


async def _start(server: Server) -> asyncio.subprocess.Process:
    if server.cwd is None or not server.cwd.is_dir():
        folder = server.redact(str(server.cwd))
        raise Unusable(f"the MCP server {server.name!r} cannot be started: its folder {folder} does not exist")
    program = server.command if "/" in server.command else shutil.which(server.command, path=server.env.get("PATH"))
    if program is None:
        raise Unusable(
            f"the MCP server {server.name!r} cannot be started: there is no program {server.redact(server.command)!r} "
            "on the PATH of the Worker; install it, or give its whole path"
        )
    if "/" in program and not (server.cwd / program).exists():
        raise Unusable(f"the MCP server {server.name!r} cannot be started: there is no {server.redact(program)}")
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), program, *server.args]
    try:
        return await asyncio.create_subprocess_exec(
            *launch,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(server.env),
            cwd=server.cwd,
            start_new_session=True,
            limit=LINE_BYTES_MAX,
        )
    except (OSError, ValueError) as error:
        raise Unusable(f"the MCP server {server.name!r} cannot be started: {server.redact(str(error))}") from None
