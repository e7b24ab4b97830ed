"""Why a run ends without a value.

RunEnded
├── ScriptFailed   the script threw, got stuck, or went over a limit of its own: status `failed`
"""

from __future__ import annotations


class RunEnded(Exception):
    """Base of what ends a run early. `kind` is machine-readable, the message is for a person."""

    def __init__(self, message: str, *, kind: str, line: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.line = line


class ScriptFailed(RunEnded):
    """The script ended without a value."""
