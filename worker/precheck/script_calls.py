"""The calls of a script, whatever its dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .calls import Call

if TYPE_CHECKING:
    from tenuto.workflows.contracts import Script
    from tenuto.workflows.script.protocol import LoadedScript


def calls_of(script: Script | LoadedScript) -> list[Call]:
    """The calls of a script in the order of its lines."""
    if script.dialect == "python":
        from .python_calls import python_calls

        return python_calls(script.source)
    from .javascript_calls import javascript_calls

    return javascript_calls(script.source)
