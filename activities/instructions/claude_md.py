"""The standing instructions of a run's agents, collected as Claude Code does: the user's, then the project's.

In each folder from the repository's root down to the workspace: `CLAUDE.md`, `.claude/CLAUDE.md` and
`CLAUDE.local.md`; `AGENTS.md` where there is neither of the first two. What they import by `@path` follows them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .imports import imports
from .sources import Sources, Unusable

INSTRUCTIONS_BYTES_MAX = 100 * 1024
"""Of all of them: every agent pays for them in every request."""
IMPORT_DEPTH_MAX = 5
FILES_MAX = 200


@dataclass(frozen=True, slots=True)
class Instructions:
    """What goes into every agent's `system`, and what a person should know about it."""

    text: str
    notices: list[str]


@dataclass(frozen=True, slots=True)
class _Part:
    heading: str
    text: str


@dataclass(slots=True)
class _Collected:
    parts: list[_Part] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)


def collect_instructions(workspace: Path | None, home: Path) -> Instructions:
    """Read all instructions of a run.

    Args:
        workspace: where its agents work; `None` leaves the user's own.
        home: the user's home directory.

    Returns:
        Text and notices: a file that cannot be used is left out and said, never an error.
    """
    sources = Sources.of(workspace, home)
    collected = _Collected()
    _take(sources, home / ".claude" / "CLAUDE.md", "the user's own", collected, users=True)
    for folder in reversed(sources.folders):
        for path, what in _of_folder(folder):
            _take(sources, path, what, collected, users=False)
    return Instructions(_bounded(collected), collected.notices)


def _of_folder(folder: Path) -> Iterator[tuple[Path, str]]:
    main = [path for path in (folder / "CLAUDE.md", folder / ".claude" / "CLAUDE.md") if path.exists()]
    for path in main or [folder / "AGENTS.md"]:
        yield path, "the project's"
    yield folder / "CLAUDE.local.md", "the user's own for this project"


def _take(sources: Sources, path: Path, what: str, collected: _Collected, *, users: bool, depth: int = 0) -> None:
    """Add a file, if there is one that was not added yet, and what it imports."""
    real = Path(os.path.realpath(path))
    if real in collected.seen or len(collected.seen) >= FILES_MAX:
        return
    try:
        text = sources.read(path, users=users)
    except Unusable as error:
        collected.notices.append(str(error))
        return
    if text is None:
        return
    collected.seen.add(real)
    if text.strip():
        collected.parts.append(_Part(f"# {sources.name(path)} ({what})", text.strip()))
    if depth == IMPORT_DEPTH_MAX:
        return
    # What the user's own file imports from the project is the project's: it opens no way out.
    free = users and (depth == 0 or not sources.is_project(real))
    for spellings in imports(text):
        targets = (_target(spelling, path, sources.home) for spelling in spellings)
        # What is no file is just text, wherever it would lie.
        target = next((target for target in targets if os.path.isfile(target)), None)  # noqa: PTH113 - no name is an error
        if target is not None:
            note = f"imported by {sources.name(path)}"
            _take(sources, target, note, collected, users=free, depth=depth + 1)


def _target(spelling: str, importer: Path, home: Path) -> Path:
    if spelling.startswith("~/"):
        return home / spelling[2:]
    # A path without its `..`: sources tell a project's file by its spelling.
    return Path(os.path.normpath(importer.parent / spelling))


def _bounded(collected: _Collected) -> str:
    """All parts in their order; where they are too long, what is nearest to the work is kept."""
    left = INSTRUCTIONS_BYTES_MAX
    shown: list[str] = []
    dropped: list[str] = []
    for part in reversed(collected.parts):
        text = f"{part.heading}\n\n{part.text}"
        size = len(text.encode()) + 2
        if size > left:
            dropped.append(part.heading.removeprefix("# "))
            text = (
                text.encode()[: max(0, left - 100)].decode(errors="ignore") + "\n(cut: the instructions are too long)"
            )
        if left > 0:
            shown.append(text)
        left -= size
    if dropped:
        names = ", ".join(reversed(dropped))
        limit = f"{INSTRUCTIONS_BYTES_MAX // 1024} KB"
        collected.notices.append(f"the instructions are longer than {limit}; cut or left out: {names}")
    return "\n\n".join(reversed(shown))
