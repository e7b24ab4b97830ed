"""Named agents: `.claude/agents/*.md` of the project, nearest first, then the user's own, then those built in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenuto.workflows.setup_contracts import AgentDefinition

from .built_in_agents import BUILT_IN_AGENTS
from .front_matter import FrontMatterError, split_front_matter
from .sources import Sources, Unusable

FILES_MAX = 500
"""Of one folder."""


def load_definitions(workspace: Path | None, home: Path) -> tuple[dict[str, AgentDefinition], list[str]]:
    """All named agents that a run can have.

    Args:
        workspace: where it works; `None` leaves the user's own and those built in.
        home: the user's home directory.

    Returns:
        Definitions by name, and a notice for each file that is none: it fails nothing but a call that names it.
    """
    sources = Sources.of(workspace, home)
    found: dict[str, AgentDefinition] = {}
    notices: list[str] = []
    for path, users in _files(sources):
        try:
            text = sources.read(path, users=users)
            if text is None:
                continue  # a folder of that name, or it was removed just now
            definition = parse_definition(text, sources.name(path))
        except Unusable as error:
            notices.append(str(error))
        except FrontMatterError as error:
            notices.append(f"the agent definition {sources.name(path)} is left out: {error}")
        else:
            found.setdefault(definition.name, definition)
    for definition in BUILT_IN_AGENTS:
        found.setdefault(definition.name, definition)
    return found, notices


def parse_definition(text: str, path: str) -> AgentDefinition:
    """One definition from the text of its file; `path` is kept for a person.

    Raises:
        FrontMatterError: it is none.
    """
    values, prompt = split_front_matter(text)
    name = values.get("name")
    if not isinstance(name, str) or not name.strip():
        raise FrontMatterError("its front matter has no `name`")
    description = values.get("description")
    model = values.get("model")
    if model is not None and not isinstance(model, str):
        raise FrontMatterError("`model` is no text")
    model = (model or "").strip()
    return AgentDefinition(
        name=name.strip(),
        description=description.strip() if isinstance(description, str) else "",
        prompt=prompt,
        tools=_tools(values, "tools"),
        disallowed=_tools(values, "disallowedTools") or [],
        # `inherit` is what no model means.
        model=None if model in ("", "inherit") else model,
        path=path,
    )


def _tools(values: dict[str, Any], key: str) -> list[str] | None:
    """Names of tools, from text with commas or a list; `None` where there are none given, or all (`*`)."""
    given = values.get(key)
    if given is None:
        return None
    if isinstance(given, str):
        given = _split(given)
    if not isinstance(given, list) or not all(isinstance(tool, str) for tool in given):
        raise FrontMatterError(f"`{key}` is neither a text with commas nor a list of names")
    names = [tool.strip() for tool in given if tool.strip()]
    return None if "*" in names else names


def _split(text: str) -> list[str]:
    """At commas, but for those within parentheses: `Bash(git log:*, git show:*)` is one rule."""
    parts, depth = [""], 0
    for character in text:
        depth = max(0, depth + (character == "(") - (character == ")"))
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _files(sources: Sources) -> Iterator[tuple[Path, bool]]:
    for folder in sources.folders:
        for path in _below(folder / ".claude" / "agents"):
            yield path, False
    for path in _below(sources.home / ".claude" / "agents"):
        yield path, True


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(folder.rglob("*.md"))[:FILES_MAX] if folder.is_dir() else []
    except OSError:
        return []
