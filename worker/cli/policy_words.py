"""What a run may touch, in a few lines for the person who is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenuto.workflows.setup_contracts import Policy

_SHOWN_MAX = 12


def may_touch(policy: Policy) -> list[str]:
    """Lines, the most far-reaching first."""
    from tenuto.workflows.policy.decide import Rules
    from tenuto.workflows.policy.rules import TOOLS

    rules = Rules.of(policy)
    hosts = rules.hosts()
    network = f"the network at {_listed(hosts)}" if hosts else "no network"
    walls = f"in the sandbox, with {network}" if policy.sandbox else "WITHOUT A SANDBOX, as you: files, network, all"
    lines = []
    if rules.offers("Bash"):
        lines.append(f"commands {walls}")
    files = [tool for tool in TOOLS[:5] if rules.offers(tool)]
    if files:
        lines.append(f"files of the workspace ({', '.join(files)})")
    base = rules.layers[0]
    others = [rule.text for rule in base.allow or () if rule.tool.startswith("mcp__") or rule.tool == "WebSearch"]
    if rules.offers("WebFetch"):
        domains = rules.web_domains()
        others.append("WebFetch of any page" if domains is None else f"WebFetch of {_listed(domains)}")
    if others:
        lines.append(_listed(others))
    named = [
        rule.text for rule in base.allow or () if rule.command is not None and rule.command.start.startswith("git")
    ]
    if named:
        lines.append(f"git in the shared checkout: {_listed(named)}")
    if policy.deny:
        lines.append(f"never: {_listed(policy.deny)}")
    return lines or ["nothing: every tool is denied"]


def _listed(texts: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(texts) - _SHOWN_MAX} more" if len(texts) > _SHOWN_MAX else ""
    return ", ".join(texts[:_SHOWN_MAX]) + more
