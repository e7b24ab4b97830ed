"""A limit that a clock decides is recorded in history before a script can notice it.

A step over its limit fails the Workflow Task once: the machine may only have been slow. At the second strike a patch
marker is written and the run fails; on replay the marker decides, without running the step, so every machine comes to
the same end.
"""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow

from .errors import ScriptFailed

with workflow.unsafe.imports_passed_through():
    from . import strikes
    from .script.protocol import Step, StepLimit

_MESSAGES = {
    "time": "the script ran longer than {seconds:g} s between two awaits; it was ended. Look for a loop that never "
    "awaits an agent, or give heavy work to an agent",
    "memory": "the script used more than {mib} MiB of memory, or {seconds:g} s on filling it; it was ended. Look for a "
    "collection that grows without end; keep bulk in agents' results or files, and return references",
}


class StepOverLimit(Exception):
    """A step went over its limit and nothing is recorded yet: the Workflow Task fails and is tried again."""


class StepGuard:
    """Counts the steps of one run and decides which one ends it."""

    def __init__(self, seconds: float, memory_bytes: int) -> None:
        self._step = 0
        self._text = {"seconds": seconds, "mib": memory_bytes >> 20}

    def __call__(self, take: Callable[[], Step]) -> Step:
        """Take one step of a script.

        Raises:
            ScriptFailed: kind `time_limit` or `memory_limit`, as recorded in history.
            StepOverLimit: first strike, or a slower machine on replay; the Workflow Task is retried.
        """
        self._step += 1
        replaying = workflow.unsafe.is_replaying()
        if replaying:
            for limit in _MESSAGES:
                if workflow.patched(self._marker(limit)):
                    raise self._ended(limit)
        try:
            return take()
        except StepLimit as over:
            if replaying:
                raise StepOverLimit(
                    f"step {self._step} of a script, recorded as passed, is over its limit here"
                ) from over
            if strikes.count(workflow.info().run_id, self._step) < strikes.OUT:
                raise StepOverLimit(f"step {self._step} of a script went over its limit: {over}") from over
            workflow.patched(self._marker(over.limit))
            raise self._ended(over.limit) from None

    def _marker(self, limit: str) -> str:
        return f"tenuto.step-limit.{self._step}.{limit}"

    def _ended(self, limit: str) -> ScriptFailed:
        return ScriptFailed(_MESSAGES[limit].format(**self._text), kind=f"{limit}_limit")
