"""Which hosts a command may reach, by the rules of its run."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Rule:
    """One allowed host: a name, `*.name` for what lies below it, `*` for every public one; with or without a port."""

    host: str
    port: int | None = None

    @classmethod
    def read(cls, text: str) -> Rule:
        """From `host`, `host:port`, `[IPv6]`, `[IPv6]:port`, or an address with a scheme, whose path is left out."""
        rest = text.strip().lower().partition("://")[2] or text.strip().lower()
        rest = rest.partition("/")[0]
        if rest.startswith("["):
            host, _, port = rest[1:].partition("]")
            port = port.removeprefix(":")
        elif rest.count(":") > 1:
            host, port = rest, ""
        else:
            host, _, port = rest.partition(":")
        return cls(plain(host), int(port) if port.isdigit() else None)

    def names(self, host: str, port: int) -> bool:
        """Whether the rule allows this host."""
        if self.port is not None and self.port != port:
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return self.host in ("*", host)


class Hosts:
    """The rules together. An address of this machine or its networks has to be named itself: `*` and names that
    resolve to one do not open it."""

    def __init__(self, rules: Iterable[str], allows: Callable[[str], bool] | None = None) -> None:
        self.rules = [Rule.read(text) for text in rules]
        self._allows = allows
        """What the rules deny out of what they allow: asked last."""

    def __bool__(self) -> bool:
        return bool(self.rules)

    def name(self, host: str, port: int) -> bool:
        """Whether a rule allows to ask for this host at all."""
        name = plain(host)
        return any(rule.names(name, port) for rule in self.rules) and (self._allows is None or self._allows(name))

    @property
    def here(self) -> list[str]:
        """Names of this very machine that a rule opens: inside they would mean the sandbox itself."""
        return [rule.host for rule in self.rules if rule.host in ("localhost", "127.0.0.1", "::1")]

    def reachable(self, host: str, address: Address, port: int) -> bool:
        """Whether a connection to this address may be made for this host."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_global and not address.is_multicast:
            return True
        named = {rule.host for rule in self.rules if rule.port in (None, port)}
        return str(address) in named or (address.is_loopback and plain(host) == "localhost" and "localhost" in named)

    def __str__(self) -> str:
        written = (rule.host if rule.port is None else f"{rule.host}:{rule.port}" for rule in self.rules)
        return ", ".join(written)


def plain(host: str) -> str:
    """A host's name as rules are compared: lower case, no final dot, an address in its one spelling."""
    host = host.strip().lower().rstrip(".").strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return host
