"""Three ports of a home on the loopback, chosen once, kept while they are free: gRPC, the UI, the HTTP API."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from .records import Home, write_json

LOOPBACK = "127.0.0.1"
_RANGE = range(20000, 30000)
"""Below the range from which the kernel takes source ports: a client that keeps trying a port in that range while the
server is down can connect to itself and then keep the server out."""
UI_OFFSET, HTTP_OFFSET = 1000, 2000


def kept(home: Home) -> int | None:
    """The port of an earlier start, if it and those that go with it can be had now."""
    try:
        port = json.loads(home.ports.read_bytes())["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(port, int) or isinstance(port, bool) or not 1024 <= port < 65536 - HTTP_OFFSET:
        return None
    return port if _all_free(port) else None


def choose(home: Home) -> int:
    """A port that is free together with those that go with it; remembered for this home."""
    for port in random.sample(_RANGE, len(_RANGE)):
        if _all_free(port):
            write_json(home.ports, {"port": port})
            return port
    raise OSError(f"no three free ports between {_RANGE.start} and {_RANGE.stop + HTTP_OFFSET}")


def http_of(address: str) -> str:
    """Base URL of the HTTP API that goes with the server's address."""
    host, _, port = address.rpartition(":")
    return f"http://{host}:{int(port) + HTTP_OFFSET}"


def _all_free(port: int) -> bool:
    return all(free(port + offset) for offset in (0, UI_OFFSET, HTTP_OFFSET))


def free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what the server does too
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def listens(pid: int, port: int) -> bool:
    """Whether this very process listens on the port; that something answers there may be somebody else's doing."""
    inode = _listening_inode(port)
    if inode is None:
        return False
    try:
        return any(_is_socket(entry, inode) for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def _listening_inode(port: int) -> str | None:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                return columns[9]
    return None


def _is_socket(entry: Path, inode: str) -> bool:
    try:
        return str(entry.readlink()) == f"socket:[{inode}]"
    except OSError:
        return False
