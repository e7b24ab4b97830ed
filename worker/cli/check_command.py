"""`tenuto check`: everything about a script that can be known without running it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..config import here, home_of
from .output import notice, print_json, print_line
from .script_input import load_script

if TYPE_CHECKING:
    from tenuto.workflows.script.protocol import ScriptLoadError


def check(text: str, *, json: bool) -> int:
    """Load a script; 0 if it can run, 1 with line, caret and reason if not.

    What it names and is not there yet is told, and is no reason against it.

    Raises:
        UsageError: there is no such script.
    """
    from tenuto.workflows.script.protocol import ScriptLoadError

    from ..precheck.names import missing_names

    workspace, home = here(), home_of(os.environ)
    try:
        script, path = load_script(text, workspace, home)
    except ScriptLoadError as error:
        if json:
            print_json({"ok": False, "script": text, "error": _error_json(error)})
        notice(str(error))
        return 1
    notes = missing_names(script, workspace, home)
    if json:
        print_json(
            {
                "ok": True,
                "script": str(path),
                "name": script.name,
                "description": script.description,
                "dialect": script.dialect,
                "phases": [phase.title for phase in script.phases],
                "notes": notes,
                "error": None,
            }
        )
    else:
        print_line(f"{path}: ok, {script.name} ({script.dialect}): {script.description}")
        for note in notes:
            print_line(f"  note: {note}")
    return 0


def _error_json(error: ScriptLoadError) -> dict[str, object]:
    return {"message": error.reason, "line": error.line, "column": error.column, "hint": error.hint}
