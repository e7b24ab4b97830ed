"""What a script names and is not there: agent types without a definition, workflows that nobody saved, functions.

Both may come to be while it runs, and a script may catch the error: they are told, and nothing is refused for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tenuto.workflows.contracts import Script
from tenuto.workflows.script.protocol import LoadedScript, ScriptLoadError

from .calls import Call
from .findings import calls_of


def missing_names(script: Script | LoadedScript, workspace: Path, home: Path) -> list[str]:
    """A line for each name, with the first line of the script that has it.

    Args:
        script: one that loads. The types of a Python script are checked by its loader, names with them.
        workspace: where its run works.
        home: `TENUTO_HOME`.
    """
    calls = calls_of(script)
    agents, workflows = list(_named(calls, "agent", "agent_type")), list(_named(calls, "workflow", "name"))
    lines: list[str] = []
    if agents:
        from tenuto.activities.instructions.agent_definitions import load_definitions

        known, _ = load_definitions(workspace, Path.home())
        there = ", ".join(sorted(known))
        lines += [
            f"line {line} asks for the agent type {name!r}, and there are: {there}. Define it in .claude/agents/"
            for name, line in agents
            if name not in known
        ]
    for name, line in workflows:
        reason = _no_workflow(name, workspace, home)
        if reason is not None:
            lines.append(f"line {line} runs the workflow {name!r}, and {reason}")
    if script.dialect == "javascript":
        from .javascript_names import unknown_names

        lines += [
            f"line {line} uses {name!r}, which is neither the script's nor of the API: it is not defined there"
            for name, line in unknown_names(script.source)
        ]
    return lines


def _named(calls: Iterable[Call], function: str, field: str) -> Iterator[tuple[str, int]]:
    seen: set[str] = set()
    for call in calls:
        name = call.text(field) if call.function == function else None
        if name is not None and name not in seen:
            seen.add(name)
            yield name, call.line


def _no_workflow(name: str, workspace: Path, home: Path) -> str | None:
    from tenuto.activities.saved_workflows import UnknownWorkflow, find

    try:
        find(name, workspace, home)
    except UnknownWorkflow as error:
        return str(error)
    except ScriptLoadError as error:
        return f"it does not load: {error.reason}"
    return None
