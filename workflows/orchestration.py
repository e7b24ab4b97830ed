"""A run of a script as a Workflow Execution. The Workflow Id is the run id."""

from __future__ import annotations

from temporalio import workflow

from .inspectable import Inspectable
from .run import Run
from .script_run import ScriptRun

with workflow.unsafe.imports_passed_through():
    from .contracts import RunInput, RunReport


@workflow.defn(name="Orchestration")
class Orchestration(Inspectable):
    """Interprets one script durably."""

    @workflow.init
    def __init__(self, input: RunInput) -> None:
        self.current = Run(input)

    @workflow.run
    async def run(self, input: RunInput) -> RunReport:
        """Run the script to its one answer."""
        body = ScriptRun(self.current, input.script, args=input.args, has_args=input.has_args)
        return await self.current.execute(body.run)
