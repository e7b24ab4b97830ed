"""What a script names and is not there: agent types without a definition, workflows that nobody saved, functions.

Both may come to be while it runs, and a script may catch the error: they are told, and nothing is refused for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.workflows.script.protocol import LoadedScript, ScriptLoadError

from .calls import Call
from .script_calls import calls_of

if TYPE_CHECKING:
    from tenuto.workflows.contracts import Script


def unnamed_phases(script: Script | LoadedScript, ceilings: Iterable[str]) -> list[str]:
    """A line for each phase that has a ceiling and is named neither in `meta` nor in a text of the script.

    The script may put its title together, or a workflow that it calls may have it, so nothing is refused for it.
    """
    known = [phase.title for phase in script.phases]
    there = f"its phases are: {', '.join(map(repr, known))}" if known else "its meta lists no phases"
    return [
        f"--phase-usd names the phase {title!r}, and the script does not ({there}): unless a phase comes to have "
        "exactly that title, the ceiling binds nothing"
        for title in ceilings
        if title not in known and not any(f"{quote}{title}{quote}" in script.source for quote in "\"'`")
    ]


def missing_names(script: Script | LoadedScript, workspace: Path, home: Path) -> list[str]:
    """A line for each name, with the first line of the script that has it.

    Args:
        script: one that loads. The types of a Python script are checked by its loader, names with them.
        workspace: where its run works.
        home: `TENUTO_HOME`.
    """
    calls = calls_of(script)
    agents = list(_first_of((call.text("agent_type"), call.line) for call in calls if call.function == "agent"))
    workflows = [call for call in calls if call.function == "workflow"]
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
    if workflows:
        from tenuto.activities.saved_workflows import find, script_at
    for name, line in _first_of((call.text("name"), call.line) for call in workflows):
        reason = _missing(partial(find, name, workspace, home))
        if reason is not None:
            lines.append(f"line {line} runs the workflow {name!r}, and {reason}")
    for path, line in _first_of((_path_in(call), call.line) for call in workflows):
        reason = _missing(partial(script_at, path, workspace))
        if reason is not None:
            lines.append(f"line {line} runs the script {path!r}, and {reason}")
    if script.dialect == "javascript":
        from .javascript_names import unknown_names

        lines += [
            f"line {line} uses {name!r}, which is neither the script's nor of the API: it is not defined there"
            for name, line in unknown_names(script.source)
        ]
    return lines


def _first_of(names: Iterable[tuple[str | None, int]]) -> Iterator[tuple[str, int]]:
    seen: set[str] = set()
    for name, line in names:
        if name is not None and name not in seen:
            seen.add(name)
            yield name, line


def _path_in(call: Call) -> str | None:
    """The path in `workflow({scriptPath: PATH}, …)`."""
    given = call.values.get("name")
    path = given.get("scriptPath", given.get("script_path")) if isinstance(given, dict) else None
    return path if isinstance(path, str) else None


def _missing(look: Callable[[], Path]) -> str | None:
    """Why there is no such workflow."""
    from tenuto.activities.saved_workflows import UnknownWorkflow, read_script

    try:
        read_script(look())
    except UnknownWorkflow as error:
        return str(error)
    except ScriptLoadError as error:
        return f"it does not load: {error.reason}"
    return None
