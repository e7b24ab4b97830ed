"""The check before a run: what the script and its agents name, against what the run allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tenuto.activities.mcp.names import prefix_of, tool_name
from tenuto.workflows.contracts import RunInput, Script
from tenuto.workflows.policy.decide import Rules
from tenuto.workflows.policy.refusals import Refusal
from tenuto.workflows.policy.rules import RuleError, parse, rule_text
from tenuto.workflows.setup_contracts import AgentDefinition, Policy

from ..config import here_or_none
from .calls import UNKNOWN, Call
from .script_calls import calls_of

_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, a line each."""

    refused: list[str]
    """The run must not start: it would fail at these places."""
    withheld: list[str]
    """The run starts; agents go without these tools."""


def precheck(run_input: RunInput, workspace: Path) -> Findings:
    """Look at everything that is written out in a script: tools of its agents, commands, MCP tools, files.

    What is put together at run time is decided there, call by call.
    """
    policy = run_input.policy or Policy()
    rules = Rules.of(policy, origin=str(workspace))
    calls = calls_of(run_input.script)
    place = _place(run_input.script)
    refused = [f"{place}:{call.line}: {found}" for call in calls for found in refusals(call, rules, str(workspace))]
    names = {name for call in calls if call.function == "agent" and (name := call.text("agent_type")) is not None}
    if not names:
        return Findings(refused, [])
    from tenuto.activities.instructions.agent_definitions import load_definitions

    definitions, _ = load_definitions(workspace, Path.home())
    return Findings(refused, withheld(names, definitions, rules))


def refusals(call: Call, rules: Rules, workspace: str) -> Iterator[str]:
    """What one call names and the run refuses."""
    match call.function:
        case "agent":
            yield from _tools(call, rules)
        case "sh" | "gate" | "until_green":
            command = call.text("command")
            if command is not None:
                refusal = rules.decide("Bash", {"command": command}, workspace=workspace, shared=True)
                yield from _line(call, f"runs {_short(command)}", refusal)
        case "mcp":
            server, tool = call.text("server"), call.text("tool")
            if server is not None:
                name = tool_name(server, tool) if tool is not None else prefix_of(server)
                yield from _granted(call, name, rules, shared=True)
        case "read" | "write" | "glob" | "grep":
            name = call.function.capitalize()
            field = {"Glob": "pattern", "Grep": "path"}.get(name, "file_path")
            path = call.text("pattern" if name == "Glob" else "path")
            given = {field: path} if path is not None else {}
            refusal = rules.decide(name, given, workspace=workspace, shared=True)
            if given or not rules.offers(name):
                yield from _line(call, f"uses {_short(path)}" if path else f"needs {name}", refusal)


def withheld(names: Iterable[str], definitions: Mapping[str, AgentDefinition], rules: Rules) -> list[str]:
    """What agent definitions list and the run refuses, a line each definition."""
    lines = []
    for name in sorted(set(names) & set(definitions)):
        definition = definitions[name]
        missing: dict[str, str] = {}
        for entry in definition.tools or ():
            if entry == "*":
                continue
            try:
                refusal = rules.grants(rule_text(entry), shared=False)
            except RuleError:
                missing[str(entry)] = "it is no tool here"
                continue
            if refusal is not None:
                missing[entry] = refusal.remedy
        if missing:
            why = "; ".join(f"{entry} ({remedy})" for entry, remedy in missing.items())
            place = f" ({definition.path})" if definition.path else ""
            lines.append(f"agent definition {name}{place} lists tools that this run withholds: {why}")
    return lines


def _tools(call: Call, rules: Rules) -> Iterator[str]:
    tools = call.values.get("tools")
    isolation = call.values.get("isolation")
    shared = isolation != "worktree" and isolation is not UNKNOWN
    for entry in tools if isinstance(tools, list) else ():
        if entry is UNKNOWN or (isinstance(entry, str) and entry.strip() == "*"):
            continue
        try:
            text = rule_text(entry).strip()
            if text.startswith("!"):
                parse(text[1:], denying=True)
                continue
        except RuleError as error:
            yield f"{call.written}(): {error}"
            continue
        yield from _granted(call, text, rules, shared=shared)


def _granted(call: Call, rule: str, rules: Rules, *, shared: bool) -> Iterator[str]:
    try:
        yield from _line(call, f"names {rule}", rules.grants(rule, shared=shared))
    except RuleError as error:
        yield f"{call.written}(): {error}"


def _line(call: Call, what: str, refusal: Refusal | None) -> Iterator[str]:
    if refusal is not None:
        why = f"the rule {refusal.rule} denies" if refusal.rule is not None else "this run does not allow"
        yield f"{call.written}() {what}, which {why}; {refusal.remedy}"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…")


def _place(script: Script) -> str:
    """The script's path as a person at the terminal would write it."""
    path = Path(script.path or script.name)
    folder = here_or_none()
    return str(path.relative_to(folder)) if folder is not None and path.is_relative_to(folder) else str(path)
