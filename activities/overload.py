"""How long an API that is overloaded, or out of reach, is asked again: the patience of the installation."""

from __future__ import annotations

import time

from tenuto.workflows import failure_kinds as kinds

from .errors import Verdict

PATIENCE_S = 24 * 3600.0
"""Unless configured (`TENUTO_OVERLOAD_HOURS`)."""
OVERLOADED = frozenset({"overloaded_error", "timeout_error", "conflict_error", "api_error", kinds.CONNECTION})


class Overload:
    """What one agent has met of it, since it last got an answer.

    Args:
        since: Unix seconds, as an earlier attempt said; `None` for none.
        turns: answers of the conversation at that time.
    """

    def __init__(self, since: float | None, turns: int, patience_s: float) -> None:
        self.since = since
        self._turns = turns
        self._patience_s = patience_s

    def meets(self, verdict: Verdict, turns: int) -> bool:
        """Take note of a verdict after so many answers; whether patience is at an end."""
        if turns > self._turns:
            self.since, self._turns = None, turns
        if verdict.action != "retry" or verdict.patience is not None or verdict.kind not in OVERLOADED:
            return False
        now = time.time()
        if self.since is None:
            self.since = now
        return now - self.since > self._patience_s

    @property
    def words(self) -> str:
        """The end, for the failure's message."""
        hours = self._patience_s / 3600
        return f"given up: the API has not answered for {hours:g} h (TENUTO_OVERLOAD_HOURS sets how long it is tried)"
