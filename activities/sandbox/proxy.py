"""The way out of a sandbox with hosts: an HTTP proxy that connects to what the rules name, and to nothing else.

It answers on a socket that listens inside the sandbox's own network, where nothing else leads out, and connects from
out here. The address it has checked is the one it connects to, so that a name cannot mean two things.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from urllib.parse import urlsplit

from .hosts import Hosts
from .own_service import is_own_service

HEAD_MAX = 64 * 1024
_CONNECT_S = 30.0
_HEAD_S = 60.0
_CHUNK = 64 * 1024
_HOP = (b"proxy-connection:", b"proxy-authorization:", b"connection:", b"keep-alive:")


class Refused(Exception):
    """A request that is answered without a connection. Carries the status line's end and a sentence."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class Proxy:
    """Serves one sandbox. `close` ends every connection it made."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, listening: socket.socket) -> None:
        """Answer on a socket that already listens; it belongs to the proxy from here on."""
        listening.setblocking(False)
        self._server = await asyncio.start_server(self._met, sock=listening, limit=HEAD_MAX)

    async def close(self) -> None:
        """End it, with its connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._pass(reader, writer)
        except Refused as refused:
            body = f"tenuto: {refused}\n".encode()
            head = f"HTTP/1.1 {refused.status}\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            with contextlib.suppress(OSError):
                await writer.drain()
        except OSError:
            pass  # one of the two ends hung up: the other is closed below, as without a proxy
        finally:
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, TimeoutError):
            return
        except asyncio.LimitOverrunError:
            raise Refused("431 Request Header Fields Too Large", f"the head is over {HEAD_MAX} bytes") from None
        first, _, fields = head.partition(b"\r\n")
        method, host, port, target = _read(first)
        upstream, up_writer = await self._connect(host, port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                kept = [line for line in fields.split(b"\r\n") if line and not line.lower().startswith(_HOP)]
                request = f"{method} {target} HTTP/1.1".encode("latin-1")
                up_writer.write(b"\r\n".join([request, *kept, b"Connection: close", b"", b""]))
            await _both(reader, writer, upstream, up_writer)
        finally:
            up_writer.close()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._hosts.name(host, port):
            raise Refused(
                "403 Forbidden", f"no rule allows the host {host}:{port}. Allowed: {self._hosts}. "
                f"The run's owner can add one: --allow 'Network({host})'",
            )  # fmt: skip
        try:
            async with asyncio.timeout(_CONNECT_S):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            raise Refused("502 Bad Gateway", f"the host {host} was not found") from None
        addresses = [str(entry[4][0]) for entry in found]
        allowed = [text for text in addresses if self._hosts.reachable(host, _address(text), port)]
        if not allowed:
            raise Refused(
                "403 Forbidden", f"{host} is {', '.join(addresses)}, an address of this machine or its networks; "
                f"a rule has to name the address itself: --allow 'Network({addresses[0]})'",
            )  # fmt: skip
        if any(is_own_service(host, _address(text), port) for text in allowed):
            raise Refused(
                "403 Forbidden", f"{host}:{port} is the Temporal Service that runs you: no rule opens it to a command, "
                "since whoever reaches it can answer for a person",
            )  # fmt: skip
        for text in allowed:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(text, port)
            except (OSError, TimeoutError):
                continue
        raise Refused("502 Bad Gateway", f"{host}:{port} does not answer")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text.partition("%")[0])


def _read(first: bytes) -> tuple[str, str, int, str]:
    """Method, host, port and target of a request line."""
    bad = Refused("400 Bad Request", "this is a proxy: it takes CONNECT host:port, or a request for http://host/path")
    try:
        method, target, _ = first.decode("ascii").split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise bad from None
    if not host:
        raise bad
    if method == "CONNECT":
        return method, host, port or 443, ""
    if parts.scheme != "http":
        raise bad
    path = parts.path or "/"
    return method, host, port or 80, f"{path}?{parts.query}" if parts.query else path


async def _both(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: asyncio.StreamReader, up: asyncio.StreamWriter
) -> None:
    """Carry bytes both ways until both ends are done."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_carry(reader, up))
        group.create_task(_carry(upstream, writer))


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
