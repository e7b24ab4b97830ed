"""`save` and `workflows`: scripts of runs kept under a name, and all that can be run by one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Settings, UsageError, here
from .output import notice, print_json, print_rich
from .record_commands import with_kept_runs

if TYPE_CHECKING:
    from tenuto.workflows.contracts import Script

    from ..runs import Runs

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
PLACES = {"javascript": (".claude", ".js"), "python": (".tenuto", ".py")}
"""Dialect -> the folder of a project whose `workflows/` takes it, and its suffix."""


def save(run_id: str, name: str, *, user: bool, force: bool, json: bool) -> int:
    """Keep the script of a run as a saved workflow of that name.

    Args:
        user: for the user, instead of for the project of the current folder.
        force: another workflow in that very file is replaced.

    Raises:
        UsageError: there is no such run, the name cannot be one, or it is taken.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"NAME is {name!r}; expected letters, digits, '_', '-' and '.', such as audit-routes")

    async def read(runs: Runs) -> Script:
        return (await runs.input(run_id)).script

    script = with_kept_runs(read)
    settings = Settings.load()
    source = _under_name(script, name)
    place, suffix = PLACES[script.dialect]
    folder = _user_folder(place, settings.home) if user else _project_folder(place)
    path = folder / f"{name}{suffix}"
    _write(path, source, force=force)
    notice(f"{path}: tenuto run {name}")
    if json:
        print_json({"run_id": run_id, "name": name, "path": str(path), "dialect": script.dialect})
    return 0


def workflows(*, json: bool) -> int:
    """List the saved and built-in workflows, nearest first; one that a nearer one of its name hides is marked."""
    from tenuto.activities.saved_workflows import listing

    seen: set[str] = set()
    rows: list[dict[str, Any]] = []
    for saved in listing(here(), Settings.load().home):
        row = {"name": saved.name, "description": saved.description, "path": str(saved.path), "error": saved.error}
        rows.append(row | {"shadowed": saved.name in seen})
        if saved.error is None:
            seen.add(saved.name)
    if json:
        print_json(rows)
        return 0
    if not rows:
        notice("no saved workflows: tenuto save RUN NAME keeps the script of a run")
        return 0
    _print(rows)
    return 0


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in ("workflow", "description", "file"):
        table.add_column(head, no_wrap=head == "workflow", overflow="fold")
    for row in rows:
        about = row["description"]
        if row["shadowed"]:
            about = "(hidden by a nearer one of this name)"
        if row["error"]:
            about = f"does not load: {row['error'].splitlines()[0]}"
        table.add_row(Text(row["name"]), Text(about), Text(row["path"]))
    print_rich(table)


def _under_name(script: Script, name: str) -> str:
    """The source with that name as its `meta.name`: a saved workflow is found by it."""
    from tenuto.workflows.script.dialects import load

    from ..kept.renaming import renamed

    if script.name == name:
        return script.source
    suffix = PLACES[script.dialect][1]
    try:
        source = renamed(script.source, script.dialect, name)
        found = load(source.encode(), f"{name}{suffix}").name
    except (ValueError, SyntaxError) as error:
        raise UsageError(_cannot(script, name, str(error))) from None
    if found != name:
        raise UsageError(_cannot(script, name, f"it would be called {found!r}"))
    return source


def _cannot(script: Script, name: str, why: str) -> str:
    return (
        f"the script of this run is named {script.name!r} and could not be renamed to {name!r} ({why}); save it under "
        f"its own name, or write it out (tenuto script RUN -o FILE) and change meta.name"
    )


def _user_folder(place: str, home: Path) -> Path:
    return home / "workflows" if place == ".tenuto" else Path.home() / place / "workflows"


def _project_folder(place: str) -> Path:
    """Of the nearest folder that has such a one already, up to the repository's root; else at the root."""
    from tenuto.activities.upward import up_to_repository

    chain = up_to_repository(here())
    return next((folder for folder in chain if (folder / place).is_dir()), chain[-1]) / place / "workflows"


def _write(path: Path, source: str, *, force: bool) -> None:
    data = source.encode()
    try:
        if path.exists() and not force and path.read_bytes() != data:
            raise UsageError(f"{path} is there already, with another script: choose another NAME, or give --force")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
