"""How the proxy gets its listening socket: a few lines that run inside, before the command, and hand it out.

The socket belongs to the network it was made in, whoever holds it. No process of ours stays inside, and no socket
file is there to be found.
"""

from __future__ import annotations

import os
import socket
import sys

PORT = 3128

CODE = f"""
import os, socket, sys
way = socket.socket(fileno=int(sys.argv[1]))
listening = socket.create_server(("127.0.0.1", {PORT}), backlog=128)
socket.send_fds(way, [b"."], [listening.fileno()])
way.close()
listening.close()
os.execvp(sys.argv[2], sys.argv[2:])
"""


def argv(descriptor: int) -> list[str]:
    """What stands before the command's own words."""
    return [os.path.realpath(sys.executable), "-I", "-S", "-c", CODE, str(descriptor)]


def received(way: socket.socket) -> socket.socket | None:
    """The listening socket, where it has come; `None` if the other end closed without it."""
    data, descriptors, _, _ = socket.recv_fds(way, 1, 1)
    return socket.socket(fileno=descriptors[0]) if data and descriptors else None
