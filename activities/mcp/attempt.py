"""What became of one request on its way to a server, as the transport saw it.

The `mcp` package turns most of that into one sentence ("Server returned an error response"), which says neither whether
the call can have run nor how long to wait. Its streams carry the sender's context, so a context variable reaches the
transport from the call and brings the answer back.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Attempt:
    """Filled in by the transport."""

    sent: bool = False
    """Bytes of the request may have reached the server."""
    status: int | None = None
    """Of the HTTP response."""
    retry_after_s: float | None = None
    fault: str | None = None
    """Why there is no whole response."""
    authorize: str | None = None
    """The server wants an authorization that we do not have: what to say about it."""
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where the transport knows that no answer will come and the package does not."""


ATTEMPT: ContextVar[Attempt | None] = ContextVar("mcp_attempt", default=None)
