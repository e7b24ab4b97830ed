"""What is left on a host when a run has ended: checkouts whose work is kept, and the home of its commands."""

from __future__ import annotations

import asyncio
from pathlib import Path

from temporalio import activity

from tenuto.workflows.setup_contracts import TidyRunInput, TidyRunResult

from .heartbeat import alive
from .sandbox.sweep import remove_home
from .workspace.clone import Clones
from .workspace.sweep import sweep


class TidyActivities:
    """Registers `tidy_run`. `home` is `TENUTO_HOME`."""

    def __init__(self, home: Path, clones: Clones) -> None:
        self._home = home
        self._clones = clones

    @activity.defn(name="tidy_run")
    @alive
    async def tidy_run(self, input: TidyRunInput) -> TidyRunResult:
        """Remove what is no longer needed here. Work that cannot be kept stays where it is, and is told."""
        swept = await sweep(self._clones, input.run_id)
        await asyncio.to_thread(remove_home, self._home / "sandboxes" / input.run_id)
        return TidyRunResult(notices=[f"not removed: {why}" for why in swept.left.values()])
