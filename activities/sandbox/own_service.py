"""The Temporal Service of this Worker, which no command may reach whatever the rules allow.

Whoever speaks to it can answer what a run asks people, raise its ceilings, and start runs with other rules.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from .hosts import Address, plain

OFFSETS = (0, 1000, 2000)
"""Of the embedded service: its ports for gRPC, the UI and the HTTP API lie so far apart (`worker/service/ports.py`)."""


def is_own_service(host: str, address: Address, port: int, environ: Mapping[str, str] | None = None) -> bool:
    """Whether a connection would lead there. The Worker's own environment says where that is."""
    own, _, own_port = (os.environ if environ is None else environ).get("TEMPORAL_ADDRESS", "").rpartition(":")
    if not own_port.isdigit():
        return False
    own = plain(own)
    if plain(host) == own or str(address) == own or (address.is_loopback and _is_here(own)):
        return port in {int(own_port) + offset for offset in (OFFSETS if _is_here(own) else (0,))}
    return False


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
