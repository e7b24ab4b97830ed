"""What would be reused, and what made, if a run were resumed with a script: `tenuto diff`."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from temporalio.exceptions import ApplicationError

from tenuto.activities.journal import JournalActivities
from tenuto.activities.mcp.config import configured_servers
from tenuto.activities.places import Places, StepStations
from tenuto.activities.run_setup import SetupActivities, view_of
from tenuto.activities.saved_workflows import ScriptActivities
from tenuto.activities.store import Store
from tenuto.workflows.contracts import RunInput, Script
from tenuto.workflows.journal_contracts import KnownAnswer, OpenJournalInput, OpenJournalResult
from tenuto.workflows.setup_contracts import PrepareRunInput, PrepareRunResult, RunSetup

from ..config import UsageError
from .answers import EarlierAnswers
from .earlier import Earlier, EarlierCall, first_difference
from .journal_world import STEP, JournalWorld
from .rehearsal import AgentMade, Ended, Rehearsal
from .run import KeptRun


async def reuse(run: KeptRun, script: Script, home: Path) -> dict[str, Any]:
    """Drive a script against the journal of a run; what it came to, as one plain document.

    Args:
        home: `TENUTO_HOME`.

    Raises:
        UsageError: the store no longer has what the run was started with, or its workspace is not here.
        ScriptLoadError, StepLimit, InterpreterBusy: as `Session.start`.
    """
    if run.input is None:
        raise UsageError(f"the store does not have what {run.id} was started with: nothing can be compared with it")
    with tempfile.TemporaryDirectory(prefix="tenuto-diff-") as folder:
        return await _Comparison(run, run.input, script, home, Store(Path(folder).as_uri())).document()


class _Comparison:
    """One comparison. `scratch` takes the setup that the new run would have."""

    def __init__(self, run: KeptRun, before: RunInput, script: Script, home: Path, scratch: Store) -> None:
        self._run = run
        self._before = before
        self._script = script
        self._home = home
        self._scratch = scratch

    async def document(self) -> dict[str, Any]:
        before = self._before
        wanted = OpenJournalInput(run_id=STEP, resumed=self._run.id, workspace=before.workspace)
        journal = await JournalActivities(self._run.store).open_journal(wanted)
        earlier = await Earlier.of(self._run)
        await self._learn(earlier)
        given = before.model_copy(update={"script": self._script})
        world = await self._world(given, await self._setup(), journal.entries, journal.answers, earlier)
        ended = await self._drive(world, given)
        return self._told(world, ended, earlier, journal)

    async def _learn(self, earlier: Earlier) -> None:
        """Drive the earlier script itself, to know what the keys of its calls were made of."""
        setup = await self._run.setup()
        entries = {call.entry: call.agent for call in earlier.calls if call.entry is not None}
        if setup is not None:
            data = setup.model_dump_json().encode()
            key = f"setups/{hashlib.sha256(data).hexdigest()}.json"
            await self._scratch.put(key, data)
            then: PrepareRunResult | None = _result(key, setup)
        else:
            then = None
        world = await self._world(self._before, then, entries, {}, earlier)
        await self._drive(world, self._before)
        for made in world.made:
            call = earlier.by_entry.get(made.entry)
            if call is not None:
                call.parts = made.parts
                continue
            for same in earlier.same_prompt(made.input.prompt):
                if same.entry is None and same.parts is None:
                    same.parts = made.parts  # it ended without a value
                    break
        for call in earlier.calls:
            call.used = call.claimed = False

    async def _setup(self) -> PrepareRunResult | None:
        before = self._before
        if before.policy is None or before.workspace is None:
            return None
        wanted = PrepareRunInput(run_id=STEP, workspace=before.workspace, policy=before.policy, options=before.options)
        try:
            return await SetupActivities(self._scratch, servers=configured_servers).prepare_run(wanted)
        except ApplicationError as error:
            raise UsageError(f"{self._run.id} cannot be resumed here: {error.message}") from None

    async def _world(
        self,
        given: RunInput,
        setup: PrepareRunResult | None,
        entries: dict[str, str],
        people: dict[str, KnownAnswer],
        earlier: Earlier,
    ) -> JournalWorld:
        return JournalWorld(
            self._run,
            given,
            setup,
            shared=self._scratch,
            stations=StepStations(self._scratch, Places(self._scratch, self._home)),
            entries=entries,
            earlier=earlier,
            answers=await EarlierAnswers.of(self._run),
            people=people,
            scripts=ScriptActivities(self._home),
        )

    async def _drive(self, world: JournalWorld, given: RunInput) -> Ended:
        limits, seed = given.limits, self._before.seed or self._run.id
        rehearsal = Rehearsal(world, clock=given.clock or 0.0, output_tokens=limits.output_tokens, usd=limits.usd)
        return await rehearsal.run(given.script, given.args, has_args=given.has_args, seed=seed)

    # --------------------------------------------------------------------------------------------- telling

    def _told(self, world: JournalWorld, ended: Ended, earlier: Earlier, journal: OpenJournalResult) -> dict[str, Any]:
        made = world.made
        calls = [_call(each, earlier, journal) for each in made]
        reused = [each for each in made if each.was is not None]
        unused = [call for call in earlier.calls if call.entry is not None and call.free]
        cap = self._before.limits.agents
        notes = []
        if len(made) > cap:
            notes.append(f"it makes {len(made):,} calls, and the run's cap is {cap:,} agents: later ones are refused")
        return {
            "run_id": self._run.id,
            "script": self._script.path or self._script.name,
            "reuse": len(reused),
            "run": len(made) - len(reused),
            "certain": {
                "reuse": sum(each.certain for each in reused),
                "run": sum(each.certain and each.was is None for each in made),
            },
            "complete": ended.certain and ended.how != "waits",
            "ended": {"how": ended.how, "message": ended.message, "waits_for": ended.waits_for},
            "calls": calls,
            "unused": [{"agent": call.agent, "label": call.label, "phase": call.phase} for call in unused],
            "again": dict(world.steps),
            "notes": notes,
        }


def _call(made: AgentMade, earlier: Earlier, journal: OpenJournalResult) -> dict[str, Any]:
    input = made.input
    told: dict[str, Any] = {
        "label": input.label,
        "phase": input.phase,
        "model": input.model,
        "verdict": "run" if made.was is None else "reuse",
        "certain": made.certain,
        "was": made.was,
        "nearest": None,
        "changed": [],
        "why": None,
    }
    if made.was is not None:
        return told
    if (why := journal.lost.get(made.entry)) is not None:
        lost = earlier.by_entry.get(made.entry)
        if lost is not None:
            lost.claimed = True
        return told | {"nearest": lost.agent if lost else None, "why": why}
    call = earlier.nearest(made)
    if call is None:
        return told | {"why": "new: no agent of the run was asked anything like it"}
    told |= {"nearest": call.agent, "changed": call.changed(made)}
    told["why"] = _why(call, made, told["changed"])
    if "prompt" in told["changed"]:
        told["before"], told["after"] = first_difference(call.prompt, input.prompt)
    return told


def _why(call: EarlierCall, made: AgentMade, changed: list[str]) -> str:
    if not changed and call.failure is not None:
        return f"it has no value there: {call.failure[0]}: {call.failure[1]}"
    if changed:
        return f"changed: {', '.join(changed)}"
    if call.parts is None:
        return "something else that its key is made of: tools, context, inputs, instructions or base commit"
    return "one more call of the same content than before"


def _result(key: str, setup: RunSetup) -> PrepareRunResult:
    """What the Workflow of the earlier run knew of its setup."""
    return PrepareRunResult(
        key=key,
        base=setup.base,
        remote=setup.remote,
        agent_types={name: view_of(definition) for name, definition in setup.agents.items()},
        instructions_sha256=hashlib.sha256(setup.instructions.encode()).hexdigest(),
    )
