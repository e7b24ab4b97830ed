"""What a refusal says: to the model, what it may do instead; to a person, how to allow it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .hosts import host_of
from .rules import NETWORK, Rule

_SHOWN_MAX = 12
_RUN = 0
"""Index of the layer that is the run's own."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is not made."""

    message: str
    """For the model: which rule refused, and what is allowed instead."""
    rule: str | None
    """The rule that denied it, or was in doubt; `None` where no rule allows it."""
    remedy: str
    """For a person: what would allow it, `allow it with --allow WebSearch`."""

    @classmethod
    def denied(cls, tool: str, rule: Rule, layer: int, what: str = "") -> Refusal:
        """A rule denies it."""
        subject = f"{what} is" if what else "it is"
        return cls(
            f"{tool}: {subject} denied by the rule {rule.text} of {_whose(layer)}. Do it in another way, or leave it.",
            rule.text,
            f"take {_in(rule.text, layer)}",
        )

    @classmethod
    def hidden(cls, why: str, rule: Rule | None, layer: int) -> Refusal:
        """What it would do cannot be seen."""
        return cls(
            f"Bash: {why}. Write the commands out, one by one, without eval, aliases or variables as commands.",
            None if rule is None else rule.text,
            f"take {_in(rule.text, layer)}" if rule is not None else f"allow Bash as a whole in {_whose(layer)}",
        )

    @classmethod
    def not_allowed(cls, tool: str, what: str, rules: Sequence[Rule], layer: int, hint: str) -> Refusal:
        """No rule allows it."""
        subject = f"{what} is" if what else "it is"
        quoted_hint = quoted(hint)
        return cls(
            f"{tool}: {subject} not among what {_whose(layer)} allow{_s(layer)}{allowed_instead(tool, rules)}.",
            None,
            f"allow it with --allow {quoted_hint}" if layer == _RUN else f"add {quoted_hint} to the agent's tools",
        )


def allowed_instead(tool: str, rules: Sequence[Rule]) -> str:
    """What is allowed of a tool, or else which tools, as the end of a sentence."""
    own = [rule.text for rule in rules if rule.names(tool, denying=False)]
    texts = own or [rule.text for rule in rules if rule.tool != NETWORK]
    if not texts:
        return "; nothing is"
    more = f" and {len(texts) - _SHOWN_MAX} more" if len(texts) > _SHOWN_MAX else ""
    return f"; allowed: {', '.join(texts[:_SHOWN_MAX])}{more}"


def hint_for(tool: str, input: Mapping[str, Any]) -> str:
    """The rule that would allow a call, wide enough to be of use and no wider."""
    if tool == "Bash":
        words = str(input.get("command", "")).split()
        subcommand = words[1:2] if words[1:2] and words[1].isidentifier() else []
        return f"Bash({' '.join([*words[:1], *subcommand])}:*)" if words else "Bash"
    if tool == "WebFetch":
        host = host_of(str(input.get("url", "")))
        return f"WebFetch(domain:{host})" if host else "WebFetch"
    if tool == NETWORK:
        return f"Network({input.get('host', '')})"
    return tool


def quoted(rule: str) -> str:
    """A rule as it is written in a shell."""
    return shlex.quote(rule)


def _whose(layer: int) -> str:
    return "this run" if layer == _RUN else "this agent's tools"


def _s(layer: int) -> str:
    return "s" if layer == _RUN else ""


def _in(rule: str, layer: int) -> str:
    place = "--deny, tenuto.toml or the Claude Code settings" if layer == _RUN else "the agent's tools"
    return f"{quoted(rule)} out of {place}"
