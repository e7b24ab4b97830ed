"""The rule that stops a run which only fails: so many failures of one kind in a row. Pure."""

from __future__ import annotations

from .failure_kinds import SKIPPED, TRIPPED

LOST_MAX = 100
"""Calls that are answered without a value once it has tripped; later ones throw, or a script could ask for ever."""


class Trip:
    """Counts like failures with no success between them.

    Args:
        limit: how many of them trip it; 0 never does.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.kind = ""
        self.row = 0
        self.reason = ""
        """Why it has tripped, as a sentence; empty as long as it has not."""

    def done(self) -> None:
        """An agent did its work."""
        self.row = 0

    def failed(self, kind: str) -> bool:
        """An agent failed. Whether that has tripped it just now."""
        if kind in (SKIPPED, TRIPPED):
            return False
        self.row = self.row + 1 if kind == self.kind else 1
        self.kind = kind
        if not self._limit or self.row < self._limit or self.reason:
            return False
        self.reason = (
            f"{self.row} agents in a row failed by {kind}, with none done between. What is done is "
            "kept; mend the cause and resume the run, or start it with --no-trip"
        )
        return True
