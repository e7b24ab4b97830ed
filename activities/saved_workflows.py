"""Saved workflows: where they lie, what they are called, and the Activity that loads one for `workflow()`.

Nearest first: `.tenuto/workflows/` and `.claude/workflows/` in the workspace and each folder above it up to the
repository root, then the user's own, then those that ship with Tenuto.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from tenuto.workflows import builtin
from tenuto.workflows.contracts import LoadScriptInput, Script
from tenuto.workflows.script.dialects import load
from tenuto.workflows.script.protocol import MAX_SOURCE_BYTES, LoadedScript, ScriptLoadError

from .upward import up_to_repository

SUFFIXES = (".py", ".js", ".mjs")


class UnknownWorkflow(Exception):
    """No saved workflow has this name. The message lists those there are."""


@dataclass(frozen=True, slots=True)
class SavedWorkflow:
    """One saved workflow. `name` is `meta.name`, or the file's where it does not load, and then `error` says why."""

    name: str
    description: str
    path: Path
    error: str | None = None


def find(name: str, workspace: Path | None, home: Path) -> Path:
    """The file of the nearest saved workflow with this `meta.name`.

    Args:
        workspace: where to look first; `None` looks only at the user's and the built-in ones.
        home: `TENUTO_HOME`; the user's own lie in its `workflows/` and in `~/.claude/workflows/`.

    Raises:
        UnknownWorkflow: there is none.
        ScriptLoadError: a file of that very name is nearest, and does not load.
    """
    for folder in _folders(workspace, home):
        # Most files are called as their workflow: those are looked into first.
        for path in sorted(_files(folder), key=lambda path: path.stem != name):
            try:
                if read_script(path).name == name:
                    return path
            except ScriptLoadError:
                if path.stem == name:
                    raise
    known = ", ".join(dict.fromkeys(saved.name for saved in listing(workspace, home) if saved.error is None))
    raise UnknownWorkflow(f"no saved workflow is named {name!r}; there are: {known or 'none'}")


def script_at(path: str, workspace: Path | None) -> Path:
    """The file that a script names by its path, within the workspace unless absolute.

    Raises:
        UnknownWorkflow: there is none.
    """
    found = (workspace or Path()) / Path(path).expanduser()
    if not found.is_file():
        raise UnknownWorkflow(f"there is no script at {found}")
    return found


def listing(workspace: Path | None, home: Path) -> list[SavedWorkflow]:
    """All saved workflows, nearest first: a name that occurs again is shadowed. Arguments as `find`."""
    found = []
    for folder in _folders(workspace, home):
        for path in _files(folder):
            try:
                script = read_script(path)
            except ScriptLoadError as error:
                found.append(SavedWorkflow(path.stem, "", path, error=str(error)))
            else:
                found.append(SavedWorkflow(script.name, script.description, path))
    return found


def read_script(path: Path) -> LoadedScript:
    """Load a script file.

    Raises:
        ScriptLoadError: it cannot be read, or is no script.
    """
    try:
        with path.open("rb") as file:
            # One byte over the limit is enough to be refused for its size.
            source = file.read(MAX_SOURCE_BYTES + 1)
    except OSError as error:
        raise ScriptLoadError(f"cannot be read: {error.strerror}", filename=str(path)) from error
    return load(source, str(path))


class ScriptActivities:
    """Registers `load_script`. `home` is `TENUTO_HOME`."""

    def __init__(self, home: Path) -> None:
        self._home = Path(home)

    @activity.defn(name="load_script")
    async def load_script(self, input: LoadScriptInput) -> Script:
        """Resolve a saved workflow by `meta.name`, or a script by its path within the workspace.

        Raises:
            ApplicationError: non-retryable; `unknown_workflow`, or `load` for a script that does not load.
        """
        try:
            # Type-checking takes tens of milliseconds of processor time: not on the event loop.
            return await asyncio.to_thread(self._load, input)
        except (UnknownWorkflow, ScriptLoadError) as error:
            kind = "load" if isinstance(error, ScriptLoadError) else "unknown_workflow"
            raise ApplicationError(str(error), type=kind, non_retryable=True) from error

    def _load(self, input: LoadScriptInput) -> Script:
        workspace = Path(input.workspace) if input.workspace else None
        if input.script_path is not None:
            path = script_at(input.script_path, workspace)
        else:
            path = find(input.name or "", workspace, self._home)
        script = read_script(path)
        return Script(
            name=script.name,
            dialect=script.dialect,
            source=script.source,
            sha256=hashlib.sha256(script.source.encode()).hexdigest(),
            path=str(path),
        )


def _folders(workspace: Path | None, home: Path) -> Iterator[Path]:
    for folder in up_to_repository(workspace):
        yield folder / ".tenuto" / "workflows"
        yield folder / ".claude" / "workflows"
    yield Path(home) / "workflows"
    yield Path.home() / ".claude" / "workflows"
    yield from map(Path, builtin.__path__)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.name != "__init__.py")
