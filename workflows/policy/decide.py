"""Decisions: may a tool be called with this input? Made from rules alone, at once, without asking anybody.

Rules lie in layers: the run's, then an agent definition's, then those of one `agent()` call. Every layer has to allow
a call and none may deny it, so a layer can only narrow what those before it leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..setup_contracts import Policy
from .command_decision import command_refusal
from .command_rules import names_git
from .git import SHARED_GIT_COMMANDS
from .globs import glob, meets
from .host_rules import network_denials, network_hosts, web_denials, web_domains
from .hosts import covers, host_of, host_pattern
from .layers import Layer, narrowing
from .path_rules import hidden_by, path_of, path_refusal
from .refusals import Refusal, hint_for
from .rules import NETWORK, TOOLS, parse, parse_all

DEFAULT_ALLOW: tuple[str, ...] = ("Read", "Write", "Edit", "Glob", "Grep", "Bash")
"""What every run may do: files of the workspace, and any command in the sandbox without network."""
_ANYWHERE = "/workspace"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run, or one of its agents, may do. Immutable; narrowing makes another one."""

    layers: tuple[Layer, ...]
    origin: str | None = None
    """The run's workspace: what absolute paths of rules are written for."""

    @classmethod
    def of(cls, policy: Policy, *, origin: str | None = None) -> Rules:
        """The rules of a run.

        Args:
            policy: its policy; relative paths are from the workspace.
            origin: the run's workspace. With it a file in an agent's own clone is judged as the file it is a copy of.

        Raises:
            RuleError: a rule is none.
        """
        return cls((Layer(parse_all(policy.allow), parse_all(policy.deny, denying=True)),), origin)

    def narrowed(
        self, tools: Sequence[str] | None = None, disallowed: Sequence[str] = (), *, foreign: bool = False
    ) -> Rules:
        """The same rules under one more layer. Whatever the lists say, it never allows more.

        Args:
            tools: rules; a `!` in front denies. Those without one are all that the layer allows; if each has one, or
                there is no list (`None`), it allows everything that is not denied. `[]` allows nothing.
            disallowed: rules that deny, as agent definitions list them.
            foreign: the lists were written for another program: entries that are no rules here allow and deny nothing.

        Raises:
            RuleError: an entry is no rule, and `foreign` is not set.
        """
        return replace(self, layers=(*self.layers, narrowing(tools, disallowed, foreign=foreign)))

    # ------------------------------------------------------------------------------------------- one call

    def decide(
        self,
        tool: str,
        input: Mapping[str, Any],
        *,
        workspace: str,
        shared: bool,
        real: Callable[[str], str] | None = None,
    ) -> Refusal | None:
        """Why a call is refused; `None` if it is allowed.

        Args:
            tool: its name, as the model calls it.
            input: of the call.
            workspace: where the agent works, absolute: the run's workspace or the agent's own clone.
            shared: others work in the same checkout, so that git commands which change it have to be named.
            real: where a path leads once links are followed. Given, a path must be allowed under both names, and is
                denied under either.
        """
        if tool not in TOOLS and not tool.startswith("mcp__"):
            return Refusal(f"There is no tool {tool!r} in this run.", None, "name another tool")
        refusal = self._refuses_whole(tool, hint_for(tool, input))
        if refusal is not None or tool == "WebSearch" or tool.startswith("mcp__"):
            return refusal
        if tool == "Bash":
            places = (workspace, self.origin)
            return command_refusal(self.layers, str(input.get("command") or ""), places, shared=shared)
        if tool == "WebFetch":
            return self._decide_fetch(str(input.get("url") or ""))
        path = path_of(tool, input)
        refusals = (
            path_refusal(layer, tool, path, (workspace, self.origin), index, real=real)
            for index, layer in enumerate(self.layers)
        )
        return next((refusal for refusal in refusals if refusal is not None), None)

    def _refuses_whole(self, tool: str, hint: str) -> Refusal | None:
        for index, layer in enumerate(self.layers):
            whole = layer.denied_whole(tool)
            if whole is not None:
                return Refusal.denied(tool, whole, index)
        for index, layer in enumerate(self.layers):
            if layer.allow is not None and not layer.allowing(tool):
                return Refusal.not_allowed(tool, "", layer.allow, index, hint)
        return None

    def _decide_fetch(self, url: str) -> Refusal | None:
        host = host_of(url)
        if host is None:
            return Refusal(f"WebFetch: {url!r} names no host; expected https://host/path.", None, "name a host")
        for index, layer in enumerate(self.layers):
            met = next((rule for rule in layer.denying("WebFetch") if rule.has_host(host)), None)
            if met is not None:
                return Refusal.denied("WebFetch", met, index, host)
            rules = layer.allowing("WebFetch")
            if layer.allow is not None and not any(rule.has_host(host) for rule in rules):
                return Refusal.not_allowed("WebFetch", host, rules, index, f"WebFetch(domain:{host})")
        return None

    # ------------------------------------------------------------------------------------------- in general

    def offers(self, tool: str) -> bool:
        """Whether the tool can be allowed at all: only then it is shown to the model."""
        return self._refuses_whole(tool, tool) is None and (tool != "WebFetch" or self.web_domains() != ())

    def hides(self, path: str, *, workspace: str) -> bool:
        """Whether a file is not to be seen: what searches have to leave out of their results."""
        return hidden_by(self.layers, path, (workspace, self.origin))

    def hosts(self) -> tuple[str, ...]:
        """Hosts that sandboxed commands may reach: `example.com`, `*.example.com`, or `*`. Some of a pattern's hosts
        may still be denied: `allows_host` decides."""
        return network_hosts(self.layers)

    def allows_host(self, host: str) -> bool:
        """Whether sandboxed commands may reach a host, by name or address."""
        name = host_pattern(host)
        if name is None or "*" in name:
            return False
        denied = any(covers(pattern, name) for pattern in network_denials(self.layers))
        return not denied and any(covers(pattern, name) for pattern in self.hosts())

    def web_domains(self) -> tuple[str, ...] | None:
        """`allowed_domains` of the API's fetch tool, which counts their subdomains in; `None` for any domain."""
        return web_domains(self.layers)

    def web_domains_denied(self) -> tuple[str, ...]:
        """`blocked_domains` of the API's fetch tool, for where `web_domains` is `None`."""
        return web_denials(self.layers)

    def git_allowed(self) -> tuple[str, ...]:
        """Git commands of `SHARED_GIT_COMMANDS` that the run's rules name, for what stands in front of `git`."""
        patterns = [rule.command for rule in self.layers[0].allow or () if names_git(rule)]
        return tuple(
            name
            for name in SHARED_GIT_COMMANDS
            if any(pattern is not None and pattern.meets_start(f"git {name}") for pattern in patterns)
        )

    def grants(self, text: str, *, shared: bool) -> Refusal | None:
        """Why nothing of what a rule names is allowed; `None` if something is.

        For the check before a run, of what an agent's list asks for.

        Raises:
            RuleError: it is no rule.
        """
        rule = parse(text)
        if rule.tool == NETWORK:
            host = rule.host or "*"
            met = any(covers(each, host) or covers(host, each) for each in self.hosts())
            return None if met else Refusal.not_allowed(NETWORK, host, (), 0, rule.text)
        if rule.tool.startswith("mcp__"):
            return self._grants_mcp(rule.tool)
        if rule.command is not None:
            start = rule.command.start
            return self.decide("Bash", {"command": start}, workspace=_ANYWHERE, shared=shared) if start else None
        if rule.host is not None and self.offers("WebFetch"):
            return self._decide_fetch(f"https://{rule.host.replace('*', 'any')}/")
        return self._refuses_whole(rule.tool, rule.text)

    def _grants_mcp(self, tool: str) -> Refusal | None:
        wanted = tool if "__" in tool.removeprefix("mcp__") else f"{tool}__*"
        for index, layer in enumerate(self.layers):
            denying = next((rule for rule in layer.deny if rule.names(wanted, denying=True)), None)
            if denying is not None:
                return Refusal.denied(wanted, denying, index)
            allowed = [rule.tool for rule in layer.allow or () if rule.tool.startswith("mcp__")]
            reaches = any(
                meets(glob(each), glob(wanted)) or meets(glob(f"{each}__*"), glob(wanted)) for each in allowed
            )
            if layer.allow is not None and not reaches:
                return Refusal.not_allowed(tool, "", layer.allow, index, tool)
        return None
