"""A model that answers at once and costs next to nothing: one streamed answer, the same bytes for every request.

A real model computes elsewhere. The simulated API takes 2 ms of this machine for a request, which in a benchmark of the
Worker would count as the Worker's. Prints its URL and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

_USAGE = {"input_tokens": 900, "output_tokens": 6, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
_EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_instant",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5-5",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _USAGE,
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "The work "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "is done."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": _USAGE},
    {"type": "message_stop"},
]
_BODY = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _EVENTS).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_instant\r\ncontent-length: %d\r\n\r\n"
    % len(_BODY)
) + _BODY


class InstantModel(asyncio.Protocol):
    """One connection. Takes a request's length from its head and answers when it is whole."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            del self._received[: end + 4 + length]
            assert self._transport is not None
            self._transport.write(ANSWER)


async def main() -> None:
    """Serve on a free port of the loopback."""
    server = await asyncio.get_running_loop().create_server(InstantModel, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
