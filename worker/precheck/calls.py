"""Calls of the script API with what is written out in them, the same for both dialects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final


class Unknown:
    """A value that only the run will know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()

FUNCTIONS = {
    "agent": ("prompt",),
    "sh": ("command",),
    "gate": ("command",),
    "until_green": ("command",),
    "mcp": ("server", "tool", "input"),
    "read": ("path",),
    "write": ("path", "text"),
    "glob": ("pattern",),
    "grep": ("pattern", "glob"),
    "workflow": ("name", "args"),
}
"""Functions that touch the world or name something of it, by their Python names, with their positional parameters."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call."""

    function: str
    """Its Python name."""
    written: str
    """As the script calls it."""
    line: int
    values: dict[str, Any] = field(default_factory=dict)
    """Arguments and options by their Python names: plain values, lists of them, or `UNKNOWN`."""

    def text(self, name: str) -> str | None:
        """A value that is a text, or `None`."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None


def named(function: str, arguments: list[Any]) -> dict[str, Any]:
    """Positional arguments by their names."""
    return dict(zip(FUNCTIONS[function], arguments, strict=False))
