"""Rounds of a script in which nothing takes any time: `sleep(0)` again and again, in one Workflow Task.

Temporal ends a Workflow Task that takes longer than two seconds and tries it again, for ever. So after some rounds the
script goes on in another one; and one that does nothing else for thousands of rounds is a loop without end. Both are
counted, not timed: every machine comes to the same.
"""

from __future__ import annotations

from temporalio import workflow

from .errors import ScriptFailed
from .pace import PAUSE

PATCH = "tenuto.rounds"
IN_A_TASK_MAX = 32
"""Rounds, of some milliseconds each on a slow machine."""
EMPTY_MAX = 2_000
"""Rounds in a row without anything that takes time."""


class Rounds:
    """Of one script."""

    def __init__(self) -> None:
        self._at = -1
        """Length of the history at the Workflow Task that `_in_task` is of."""
        self._in_task = 0
        self._empty = 0

    def awaited(self) -> None:
        """Something has ended that takes time."""
        self._empty = 0

    async def rest(self) -> None:
        """Before the next round: go on in another Workflow Task, where this one has had enough.

        Raises:
            ScriptFailed: kind `time_limit`: it loops without end.
        """
        at = workflow.info().get_current_history_length()
        if at != self._at:
            self._at, self._in_task = at, 0
        self._in_task += 1
        self._empty += 1
        if self._in_task <= IN_A_TASK_MAX or not workflow.patched(PATCH):
            return
        if self._empty > EMPTY_MAX:
            raise ScriptFailed(
                f"the script slept for no time {EMPTY_MAX:,} times in a row, with nothing else between; it was ended. "
                "Look for a loop that waits by sleep(0) or setTimeout(…, 0): sleep for some seconds, or await an agent",
                kind="time_limit",
            )
        await workflow.sleep(PAUSE)
