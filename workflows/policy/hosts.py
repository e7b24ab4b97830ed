"""Hosts as rules name them: `example.com`, `*.example.com` (any subdomain, not itself), `*`."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*|\[?[0-9a-f:]*:[0-9a-f:.]*\]?")


def host_pattern(text: str) -> str | None:
    """The pattern in its one spelling (lower case, no trailing dot), or `None` if it is none."""
    host = text.strip().lower().removesuffix(".")
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return host if len(host) <= 253 and _HOST.fullmatch(host) else None


def covers(pattern: str, other: str) -> bool:
    """Whether every host of `other` (a host, or a pattern itself) is one of `pattern`."""
    if pattern in ("*", other):
        return True
    return pattern.startswith("*.") and other.removeprefix("*").endswith(pattern[1:]) and other != pattern[2:]


def common(left: str, right: str) -> str | None:
    """The hosts of both patterns as one pattern: of two that meet, one always holds the other."""
    if covers(left, right):
        return right
    return left if covers(right, left) else None


def host_of(url: str) -> str | None:
    """The host of an `http` or `https` URL, as `host_pattern` spells it."""
    found = re.match(r"https?://([^/?#\\]*)", url.strip(), re.IGNORECASE)
    if found is None:
        return None
    place = found[1].rpartition("@")[2]
    host = place[: place.find("]") + 1] if place.startswith("[") else place.partition(":")[0]
    pattern = host_pattern(host)
    return None if pattern is None or "*" in pattern else pattern
