"""The grammar of permission rules, Claude Code's: `Tool`, `Tool(what)`; ours beside it, `Network(host)`.

Source: the page "Configure permissions" of Claude Code's documentation; for users, `docs/POLICY.md`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .globs import ANY, glob, meets
from .hosts import covers, host_pattern
from .paths import PathPattern, PathPatternError, path_pattern

READING = ("Read", "Glob", "Grep")
WRITING = ("Edit", "Write")
TOOLS = (*READING, *WRITING, "Bash", "WebSearch", "WebFetch")
"""Tools of our own, as the model calls them. All others are MCP tools, `mcp__server__tool`."""
NETWORK = "Network"
"""Not a tool: hosts that sandboxed commands may reach."""
_MCP = re.compile(r"mcp__[A-Za-z0-9_.:*-]+")
_RULE = re.compile(r"\s*([^\s()]+)\s*(?:\((.*)\))?\s*", re.DOTALL)


class RuleError(ValueError):
    """A rule is none. The message is one line: the rule, what was expected, how to mend it."""

    def __init__(self, rule: object, expected: str) -> None:
        shown = " ".join(str(rule).split())
        self.rule = shown if len(shown) <= 120 else shown[:119] + "…"
        super().__init__(f"the rule {self.rule!r} is not known: expected {expected}")


@dataclass(frozen=True, slots=True)
class CommandPattern:
    """What a `Bash(…)` rule names: a text, `*` for any text, `:*` or ` *` at the end for any further words."""

    globs: tuple[str, ...]
    """One of these fits a command that is meant."""
    written: str

    def meets(self, text: str) -> bool:
        """Whether the command is, or with gaps filled in can be, one that is meant."""
        return any(meets(each, text) for each in self.globs)

    def meets_start(self, text: str) -> bool:
        """Whether the command, with more words after it, can be one that is meant."""
        return self.meets(text) or self.meets(f"{text} {ANY}")

    @property
    def start(self) -> str:
        """Its words up to the first gap."""
        return self.globs[0].partition(ANY)[0].strip()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, read."""

    text: str
    """In its one spelling, whatever the spaces it was written with."""
    tool: str
    """A tool's name, with `*` for any text in those of MCP tools and, where it denies, in any."""
    command: CommandPattern | None = None
    path: PathPattern | None = None
    host: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it names all uses of its tools."""
        return self.command is None and self.path is None and self.host in (None, "*")

    def names(self, tool: str, *, denying: bool) -> bool:
        """Whether it speaks of a tool at all.

        A bare name allows that tool alone. With a path, `Read` allows all tools that read files and `Edit` all that
        write them. Where a rule denies, the stricter reading holds: `Read` and `Edit` are about their whole family,
        and so is every member with a path, for else the rule could be walked around.
        """
        if self.tool == tool:
            return True
        if "*" in self.tool or self.tool.startswith("mcp__"):
            return meets(glob(self.tool), tool) or (
                tool.startswith("mcp__") and meets(f"{glob(self.tool)}__{ANY}", tool)
            )
        family = next((each for each in (READING, WRITING) if self.tool in each and tool in each), None)
        if family is None:
            return False
        return (denying and (self.path is not None or self.tool == family[0])) or (
            self.path is not None and self.tool == family[0]
        )

    def has_host(self, host: str) -> bool:
        """Whether a host (or every host of a pattern) is meant."""
        return self.host is None or covers(self.host, host)


@lru_cache(maxsize=4096)
def parse(text: str, *, denying: bool = False, home: str | None = None) -> Rule:
    """Read a rule.

    Args:
        text: the rule, as people write it.
        denying: a denying rule may have `*` in any tool's name.
        home: what `~` stands for; `None` where nobody knows.

    Raises:
        RuleError: it is none.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise RuleError(text, "a tool, such as WebSearch, or a tool with what it may do, such as Bash(npm test:*)")
    tool, what = found[1], found[2]
    known = tool in (*TOOLS, NETWORK) or tool.startswith("mcp__")
    if known and what is not None and not what.strip():
        raise RuleError(text, f"something in the parentheses; for all of it write {tool}")
    if tool.startswith("mcp__") or "*" in tool:
        return _named(text, tool, what, denying)
    if tool == "Bash":
        return Rule(f"Bash({_spaces(what)})", tool, _command(what)) if _part(what) else Rule("Bash", tool)
    if tool in TOOLS[:5]:
        return Rule(f"{tool}({what.strip()})", tool, path=_path(text, what, home)) if what else Rule(tool, tool)
    if tool == "WebSearch":
        if what:
            raise RuleError(text, "WebSearch without parentheses; it cannot be allowed in part")
        return Rule(tool, tool)
    if tool == "WebFetch":
        return _web(text, what)
    if tool == NETWORK:
        host = host_pattern(what) if what else None
        if host is None:
            raise RuleError(text, "a host: Network(example.com), Network(*.example.com) or Network(*)")
        return Rule(f"Network({host})", tool, host=host)
    raise RuleError(text, _nearest(tool))


def parse_all(texts: Iterable[str], *, denying: bool = False, home: str | None = None) -> tuple[Rule, ...]:
    """Read rules, each kind once. Raises `RuleError` at the first that is none."""
    return tuple(dict.fromkeys(parse(rule_text(each), denying=denying, home=home) for each in texts))


def rule_text(rule: object) -> str:
    """A rule as it came from a file or a script. Raises `RuleError` if it is no text."""
    if not isinstance(rule, str):
        raise RuleError(rule, "a text, such as WebSearch or Bash(npm test:*)")
    return rule


def _named(text: str, tool: str, what: str | None, denying: bool) -> Rule:
    if what:
        raise RuleError(text, f"no parentheses after an MCP tool: {tool}")
    server = tool.removeprefix("mcp__").partition("__")[0]
    if not denying and (not tool.startswith("mcp__") or "*" in server):
        raise RuleError(text, "the server's name before any `*`: mcp__server, mcp__server__tool or mcp__server__*")
    if tool.startswith("mcp__") and (not server or not _MCP.fullmatch(tool)):
        raise RuleError(text, "mcp__server, mcp__server__tool or mcp__server__*")
    return Rule(tool, tool)


def _spaces(text: str) -> str:
    return " ".join(text.split())


def _part(what: str | None) -> bool:
    return what is not None and _spaces(what) not in ("*", ":*", "**")


def _command(what: str) -> CommandPattern:
    written = _spaces(what)
    if written.endswith((":*", " *")) and written[:-2].strip():
        start = glob(written[:-2].rstrip())
        return CommandPattern((start, f"{start} {ANY}"), written)
    return CommandPattern((glob(written),), written)


def _path(text: str, what: str, home: str | None) -> PathPattern:
    try:
        return path_pattern(what, home)
    except PathPatternError as error:
        raise RuleError(text, str(error)) from None


def _web(text: str, what: str | None) -> Rule:
    if not what:
        return Rule("WebFetch", "WebFetch")
    kind, _, host = what.partition(":")
    pattern = host_pattern(host) if kind.strip() == "domain" else None
    if pattern is None:
        raise RuleError(text, "WebFetch(domain:example.com) or WebFetch(domain:*.example.com)")
    return (
        Rule("WebFetch", "WebFetch")
        if pattern == "*"
        else Rule(f"WebFetch(domain:{pattern})", "WebFetch", host=pattern)
    )


def _nearest(tool: str) -> str:
    known = [*TOOLS, NETWORK]
    same = [each for each in known if each.lower() == tool.lower()]
    near = same or difflib.get_close_matches(tool, known, n=1, cutoff=0.7)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"one of {', '.join(TOOLS)}, Network(host) or mcp__server__tool{hint}"
