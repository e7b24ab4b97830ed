"""A run of a script as a Workflow Execution. The Workflow Id is the run id."""

from __future__ import annotations

from temporalio import workflow

from .inspectable import Inspectable
from .run import Run
from .script_run import ScriptRun

with workflow.unsafe.imports_passed_through():
    from .carry_contracts import Carried
    from .contracts import RunInput, RunReport


@workflow.defn(name="Orchestration")
class Orchestration(Inspectable):
    """Interprets one script durably."""

    @workflow.init
    def __init__(self, input: RunInput) -> None:
        self._carried = None if input.carry is None else Carried.model_validate(input.carry)
        self.current = Run(input, self._carried)

    @workflow.run
    async def run(self, input: RunInput) -> RunReport:
        """Run the script to its one answer, in this history or in later ones."""
        run, carried = self.current, self._carried.script if self._carried is not None else None
        self._carried = None
        script = ScriptRun(run, input.script, args=input.args, has_args=input.has_args, carried=carried)
        return await run.execute(lambda: run.continuing.through(script))
