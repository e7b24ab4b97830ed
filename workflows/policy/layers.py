"""Rules of one origin: the run's, an agent definition's, or those of one `agent()` call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .rules import Rule, RuleError, parse, rule_text


@dataclass(frozen=True, slots=True)
class Layer:
    """What one origin allows and denies."""

    allow: tuple[Rule, ...] | None
    """`None`: everything that the layers before it leave."""
    deny: tuple[Rule, ...] = ()

    def allowing(self, tool: str) -> tuple[Rule, ...]:
        """The rules that allow something of a tool."""
        return tuple(rule for rule in self.allow or () if rule.names(tool, denying=False))

    def denying(self, tool: str) -> tuple[Rule, ...]:
        """The rules that deny something of a tool."""
        return tuple(rule for rule in self.deny if rule.names(tool, denying=True))

    def denied_whole(self, tool: str) -> Rule | None:
        """The rule that denies all uses of a tool."""
        return next((rule for rule in self.denying(tool) if rule.whole), None)


def narrowing(tools: Sequence[str] | None, disallowed: Sequence[str], *, foreign: bool) -> Layer:
    """The layer of an agent's lists; see `Rules.narrowed`."""
    wanted = [each for each in tools or () if not _denies(each)]
    denials = [each.strip()[1:] for each in tools or () if _denies(each)]
    everything = tools is None or (not wanted and bool(tools)) or "*" in wanted
    allow = None if everything else _parsed(wanted, foreign=foreign, denying=False)
    return Layer(allow, _parsed([*denials, *disallowed], foreign=foreign, denying=True))


def _denies(entry: object) -> bool:
    return isinstance(entry, str) and entry.strip().startswith("!")


def _parsed(texts: Sequence[str], *, foreign: bool, denying: bool) -> tuple[Rule, ...]:
    rules: dict[Rule, None] = {}
    for text in texts:
        try:
            rules[parse(rule_text(text), denying=denying)] = None
        except RuleError:
            if not foreign:
                raise
    return tuple(rules)
