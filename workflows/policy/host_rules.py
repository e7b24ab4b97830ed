"""Rules on hosts: those that sandboxed commands may reach, and those that WebFetch may ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .hosts import common, covers
from .layers import Layer
from .rules import NETWORK, Rule


def network_hosts(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Patterns of the hosts that every layer leaves to commands.

    `WebFetch(domain:h)` names `h` too. An agent's list that says nothing of the network leaves it as it is: hosts are
    not tools.
    """
    hosts: tuple[str, ...] | None = None
    for layer in layers:
        if layer.allow is None or (hosts is not None and not any(rule.tool == NETWORK for rule in layer.allow)):
            continue
        named = _unique(rule.host for rule in layer.allow if rule.host is not None)
        hosts = named if hosts is None else _meet(hosts, named)
    denied = network_denials(layers)
    return tuple(host for host in hosts or () if not any(covers(rule, host) for rule in denied))


def network_denials(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Patterns of the hosts that a layer denies to commands."""
    rules = [rule for layer in layers for rule in layer.deny]
    return _unique("*" if rule.tool == "*" else rule.host for rule in rules if rule.tool in (NETWORK, "WebFetch", "*"))


def web_domains(layers: Sequence[Layer]) -> tuple[str, ...] | None:
    """Domains for the API's fetch tool; `None` for any. It counts subdomains in, and cannot except one of them, so a
    domain of which a part is denied is left out."""
    domains: tuple[str, ...] | None = None
    for layer in layers:
        rules = layer.allowing("WebFetch")
        if layer.allow is None or any(rule.whole for rule in rules):
            continue
        named = _unique(rule.host for rule in rules)
        domains = named if domains is None else _meet(domains, named)
    if domains is None:
        return None
    denied = web_denials(layers)
    bare = _unique(domain.removeprefix("*.") for domain in domains)
    return tuple(domain for domain in bare if not any(_overlap(domain, each) for each in denied))


def web_denials(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Domains that the API's fetch tool has to leave out, where it may ask any other."""
    return _unique((rule.host or "*").removeprefix("*.") for rule in _web_rules(layers))


def _web_rules(layers: Sequence[Layer]) -> Iterable[Rule]:
    return (rule for layer in layers for rule in layer.denying("WebFetch"))


def _overlap(domain: str, denied: str) -> bool:
    return denied in ("*", domain) or covers(f"*.{domain}", denied) or covers(f"*.{denied}", domain)


def _meet(left: Sequence[str], right: Sequence[str]) -> tuple[str, ...]:
    return _unique(common(one, other) for one in left for other in right)


def _unique(hosts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host for host in hosts if host is not None))
