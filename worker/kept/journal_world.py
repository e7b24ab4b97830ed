"""Answers a script's calls from what an earlier run left, and notes down the agents that it would have to make."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError
from temporalio.exceptions import ApplicationError

from tenuto.activities.journal import JournalActivities
from tenuto.activities.places import StepStations
from tenuto.activities.saved_workflows import ScriptActivities
from tenuto.activities.steps import files
from tenuto.activities.steps.earlier import earlier_step, stand_of
from tenuto.activities.steps.station import StepFailed
from tenuto.activities.store import Store
from tenuto.activities.tools.ripgrep import found_lines
from tenuto.workflows.agent_call import AgentCalls
from tenuto.workflows.borrower import Answer
from tenuto.workflows.contracts import LoadScriptInput, RunAgentInput, RunInput, Script
from tenuto.workflows.failure_kinds import BAD_OPTION, NO_WORKSPACE, THROWN_KINDS
from tenuto.workflows.journal import Material, Ordinals, key_of, needs_files, parts_of, step_key
from tenuto.workflows.journal_contracts import FileHashes, HashedCall, HashFilesInput, KnownAnswer
from tenuto.workflows.script.protocol import STEPS, CallError, Outcome
from tenuto.workflows.setup_contracts import PrepareRunResult
from tenuto.workflows.step_contracts import GlobFilesInput, GrepFilesInput, ReadFileInput, RunCommandResult
from tenuto.workflows.step_values import KINDS

from .answers import EarlierAnswers
from .earlier import Earlier
from .known_review import KnownReviews
from .rehearsal import AgentMade
from .run import KeptRun

if TYPE_CHECKING:
    from tenuto.workflows.run import Run

STEP = "rehearsed"
LOOKS = ("read", "write", "glob", "grep")
"""What costs nothing to make again."""


@dataclass(frozen=True, slots=True)
class _Stand:
    """As much of a `Run` as describing a call takes."""

    id: str
    input: RunInput
    setup: PrepareRunResult | None


class JournalWorld:
    """Implements `World`.

    Args:
        given: the input of the run as it would be, with the script that is driven.
        setup: what its agents would share; `None` for a run without a workspace.
        shared: the store that has that setup.
        entries: journal entry -> agent of the earlier run.
        scripts: finds the scripts of nested workflows.
    """

    def __init__(
        self,
        run: KeptRun,
        given: RunInput,
        setup: PrepareRunResult | None,
        *,
        shared: Store,
        stations: StepStations,
        entries: dict[str, str],
        earlier: Earlier,
        answers: EarlierAnswers,
        people: dict[str, KnownAnswer],
        scripts: ScriptActivities,
    ) -> None:
        self._run = run
        self._given = given
        self._setup = setup
        self._hashes = JournalActivities(shared)
        self._stations = stations
        self._entries = dict(entries)
        self._earlier = earlier
        self._answers = answers
        self._people = dict(people)
        self._scripts = scripts
        self._ordinals = Ordinals()
        self._calls = AgentCalls(cast("Run", _Stand("rehearsed", given, setup)))
        self._written: dict[str, str] = {}
        self.made: list[AgentMade] = []
        self.steps: dict[str, int] = defaultdict(int)
        """Calls that are no agents and are made again, by function."""

    # ------------------------------------------------------------------------------------------------ agents

    async def agent(self, prompt: str, options: dict[str, Any], phase: str | None, *, certain: bool) -> Outcome | None:
        """The value of a call from the journal, or `None`."""
        try:
            input = self._calls.described(prompt, options, id=f"a{len(self.made) + 1}", phase=phase)
        except ValidationError as error:
            return Outcome(error=CallError(kind=BAD_OPTION, message=str(error)))
        made = await self._noted(input, await self._material(input, options.get("inputs")), certain=certain)
        if made.was is None:
            return None
        record = await self._run.record(made.was)
        if record is None:
            return None
        named = input.model_copy(update={"entry": made.entry})
        self._calls.authors.remember(named, record.get("value"), record.get("commit"))
        return Outcome(value=record.get("value"))

    async def review(self, op: str, args: dict[str, Any], phase: str | None, *, certain: bool) -> Outcome | None:
        """The outcome of a review or a convergence all of whose agents are in the journal, or `None`."""

        async def ask(input: RunAgentInput, material: Material, continues: str | None) -> Answer | None:
            made = await self._noted(input, material, certain=certain, continues=continues)
            record = None if made.was is None else await self._run.record(made.was)
            if record is None:
                return None
            named = input.model_copy(update={"entry": made.entry})
            return Answer(agent=made.was, value=record.get("value"), input=named, commit=record.get("commit"))

        reviews = KnownReviews(self._given, self._setup, self._calls.authors, ask)
        return await (reviews.review if op == "review" else reviews.converge)(args, phase)

    async def _noted(
        self, input: RunAgentInput, material: Material, *, certain: bool, continues: str | None = None
    ) -> AgentMade:
        entry = self._ordinals.name(key_of(input, material, continues=continues))
        parts = parts_of(input, material, continues=continues)
        made = AgentMade(input, parts, entry, certain, self._entries.pop(entry, None))
        self.made.append(made)
        if made.was in self._earlier.by_agent:
            self._earlier.by_agent[made.was].used = True
        return made

    def last_made(self) -> AgentMade | None:
        """The agent that was noted down last."""
        return self.made[-1] if self.made else None

    async def _material(self, input: Any, inputs: Any) -> Material:
        setup, hashes = self._setup, FileHashes()
        named = [] if inputs is None else [str(each) for each in inputs] if isinstance(inputs, list) else [str(inputs)]
        if setup is not None and needs_files(input, named):
            call = HashedCall(context=input.context or [], inputs=named)
            asked = HashFilesInput(run_id=STEP, setup=setup.key, calls=[call])
            hashes = (await self._hashes.hash_files(asked)).calls[0]
        definition = setup.agent_types.get(input.agent_type or "") if setup is not None else None
        return Material(
            agent_type=definition.sha256 if definition is not None else None,
            instructions=setup.instructions_sha256 if setup is not None else "",
            base=setup.base if setup is not None else None,
            context=hashes.context,
            inputs=hashes.inputs,
        )

    async def _value(self, agent: str) -> Outcome | None:
        record = await self._run.record(agent)
        return Outcome(value=record.get("value")) if record is not None else None

    # ---------------------------------------------------------------------------------- everything else

    async def known(self, op: str, args: dict[str, Any]) -> Outcome | None:
        """What a file operation gives now; what a function of the script's own said."""
        if op == "gate" and "passed" in args:
            return Outcome(value={"passed": args["passed"], "reason": args.get("reason"), "flaky": False})
        if op in STEPS and self._setup is None:
            return Outcome(error=CallError(kind=NO_WORKSPACE, message=f"{op}() works in a workspace: there is none"))
        if (held := await self._held(op, args)) is not None:
            return held
        if op not in LOOKS:
            self.steps[op] += 1
        looks = {"read": self._read, "write": self._write, "glob": self._glob, "grep": self._grep}
        if op not in looks:
            return None
        try:
            return Outcome(value=await looks[op](args))
        except StepFailed as failure:
            return Outcome(error=CallError(kind=failure.kind, message=str(failure)))

    async def _held(self, op: str, args: dict[str, Any]) -> Outcome | None:
        """What the earlier run got for a step or a question, where that still holds."""
        if op == "ask":
            key = step_key("ask", {"question": args["question"], "options": list(args.get("options") or ()) or None})
            known = self._people.pop(self._ordinals.name(str(key)), None)
            return None if known is None else Outcome(value=known.answer)
        if op not in ("sh", "mcp"):
            return None
        kind, key = KINDS[op], str(step_key(op, args))
        named = {"entry": self._ordinals.name(key), "resumed": self._run.id}
        input = kind.input(self._common(), args).model_copy(update=named)
        earlier = await earlier_step(self._run.store, input)
        if earlier is None:
            return None
        if op == "mcp":
            return Outcome(value=earlier.result)
        result, stand = RunCommandResult.model_validate(earlier.result), earlier.record.get("stand")
        now = await stand_of((await self._station(input)).place.files, result.duration_s)
        return kind.value(args, result) if stand is not None and stand == now else None

    async def assumed(self, op: str, args: dict[str, Any], made: AgentMade | None) -> Outcome | None:
        """What the earlier run got."""
        if op != "agent":
            return self._answers.take(op, args)
        return await self._assumed_agent(made) if made is not None else None

    async def _assumed_agent(self, made: AgentMade) -> Outcome | None:
        call = self._earlier.nearest(made)
        if call is None:
            return None
        if call.failure is not None:
            kind, message = call.failure
            return Outcome(error=CallError(kind=kind, message=message, lost=kind not in THROWN_KINDS))
        return await self._value(call.agent)

    async def load(self, args: dict[str, Any]) -> Script | Outcome:
        """The script of a nested call, as it is now."""
        wanted = LoadScriptInput(
            run_id=STEP,
            name=args.get("name"),
            script_path=args.get("script_path"),
            workspace=self._given.workspace,
        )
        try:
            return await self._scripts.load_script(wanted)
        except ApplicationError as error:
            return Outcome(error=CallError(kind=error.type or "load", message=error.message))

    async def _write(self, args: dict[str, Any]) -> Any:
        self._written[args["path"]] = args["text"]

    async def _read(self, args: dict[str, Any]) -> Any:
        if args["path"] in self._written:
            return self._written[args["path"]]
        input = ReadFileInput(**self._common(), path=args["path"])
        return await files.read(input, await self._station(input))

    async def _glob(self, args: dict[str, Any]) -> Any:
        input = GlobFilesInput(**self._common(), pattern=args["pattern"])
        return await files.glob(input, await self._station(input))

    async def _grep(self, args: dict[str, Any]) -> Any:
        input = GrepFilesInput(**self._common(), pattern=args["pattern"], glob=args.get("glob"))
        return [line.model_dump() for line in await files.grep(input, await self._station(input), found_lines)]

    def _common(self) -> dict[str, Any]:
        assert self._setup is not None
        return {"run_id": STEP, "step": STEP, "setup": self._setup.key}

    async def _station(self, input: Any) -> Any:
        return await self._stations.station(input, STEP, lambda _text: None)
