"""The Temporal Service of a Worker is told from other programs on the same machine, whatever it is called."""

from __future__ import annotations

import ipaddress

import pytest

from tenuto.activities.sandbox.own_service import is_own_service

LOOPBACK = "127.0.0.1:24000"


@pytest.mark.parametrize(
    ("host", "address", "port", "own", "is_it"),
    [
        ("127.0.0.1", "127.0.0.1", 24000, LOOPBACK, True),
        ("localhost", "::1", 25000, LOOPBACK, True),
        ("localhost", "127.0.0.1", 26000, LOOPBACK, True),
        ("box.test", "127.0.0.5", 26000, LOOPBACK, True),
        ("localhost", "127.0.0.1", 24001, LOOPBACK, False),
        ("10.0.0.7", "10.0.0.7", 24000, LOOPBACK, False),
        ("Temporal.example.com.", "10.0.0.7", 7233, "temporal.example.com:7233", True),
        ("10.0.0.7", "10.0.0.7", 7233, "10.0.0.7:7233", True),
        ("temporal.example.com", "10.0.0.7", 443, "temporal.example.com:7233", False),
        ("localhost", "127.0.0.1", 7233, "", False),
    ],
)
def test_where_a_connection_would_lead(host: str, address: str, port: int, own: str, is_it: bool) -> None:
    assert is_own_service(host, ipaddress.ip_address(address), port, {"TEMPORAL_ADDRESS": own}) is is_it
