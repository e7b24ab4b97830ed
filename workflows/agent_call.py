"""`agent()`: from a call in a script to an Activity, through the caps and the width of the run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from .activity_failure import failure_of
from .agent_activity import execute_agent
from .merge_queue import NotMerged
from .purse import OverCeiling

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from . import control_contracts, details, models
    from .agent_options import PASSED_ON, WITH_TOOLS, bad_option, files, text, texts
    from .authors import Authors
    from .bounds import GIVEN_CHARS_MAX
    from .carry_contracts import OpenCall, QueuedAgent
    from .contracts import AgentState, RunAgentInput, RunAgentResult
    from .failure_kinds import (
        MERGE_CONFLICT,
        SKIPPED,
        STOPPED,
        THROWN_KINDS,
        TOO_LARGE,
        UNKNOWN_AGENT_TYPE,
    )
    from .run_state import Agent, label_of, title_of
    from .script.protocol import CallError, Outcome
    from .width import Given, Place

if TYPE_CHECKING:
    from .run import Run

WORKTREE, QUEUE = "worktree", "queue"


class AgentCalls:
    """The `agent()` calls of one run, nested workflows included: they share caps, width and numbering."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tasks: dict[asyncio.Task[Outcome], str] = {}  # a dict keeps the order, which replay depends on
        self._opening: asyncio.Task[None] | None = None
        self._asked: dict[str, Literal["skip", "restart"]] = {}
        """What a person asked for an agent whose task is being cancelled for it."""
        self.authors = Authors()
        self.queued: dict[str, QueuedAgent] = {}
        """Those that wait for their turn, by agent id."""

    async def call(
        self,
        prompt: str,
        options: dict[str, Any],
        *,
        phase: str | None,
        finishing: bool = False,
        call: OpenCall | None = None,
    ) -> Outcome:
        """Make one call and wait for its outcome. Never raises but for cancellation.

        Args:
            prompt: the conversation's first user message.
            options: as in SCRIPT_API §2, snake_case, only those that were given.
            phase: the current phase, where the call names none.
            finishing: whether it belongs to something that is under way, such as a vote.
            call: the script's call, which is told the agent's id.
        """
        run = self._run
        ledger = run.ledger
        agent = Agent(
            id=ledger.next_id(),
            label=label_of(text(options.get("label")), prompt),
            phase=title_of(options.get("phase")) or phase,
            model=models.resolve(self._model(options), run.input.model),
        )
        refusal = self.refusal(agents=len(ledger.agents)) or self._unknown_type(options)
        if refusal := refusal or self._too_large(agent.label, {**options, "prompt": prompt}):
            return self._refuse(agent, refusal)
        try:
            input = self._input(agent, prompt, options)
        except ValidationError as error:
            return self._refuse(agent, bad_option(error))
        ledger.queue(agent)
        if call is not None:
            call.agent = agent.id
        return await self._outcome_of(agent, QueuedAgent(input=input, files=files(options.get("inputs"))), finishing)

    async def again(self, queued: QueuedAgent) -> Outcome:
        """Wait for the outcome of an agent that was queued in an earlier history. Never raises but for cancellation."""
        agent = self._run.ledger.agents[queued.input.agent]
        if self._asked.pop(agent.id, None) == "skip":
            return self._skipped(agent)
        return await self._outcome_of(agent, queued, finishing=False)

    @property
    def under_way(self) -> bool:
        """Whether an agent is at work, or about to be; those that wait for their turn are not."""
        opening = self._opening is not None and not self._opening.done()
        return opening or len(self._tasks) > len(self.queued)

    async def _outcome_of(self, agent: Agent, queued: QueuedAgent, finishing: bool) -> Outcome:
        task = asyncio.create_task(self._dispatch(agent, queued, finishing))
        self._tasks[task] = agent.id
        task.add_done_callback(self._forget)
        try:
            return await task
        except asyncio.CancelledError:
            self._asked.pop(agent.id, None)
            task.cancel()
            raise

    def described(self, prompt: str, options: dict[str, Any], *, id: str, phase: str | None) -> RunAgentInput:
        """The input that a call would have, for whoever wants to know without making it.

        Raises:
            ValidationError: an option that cannot be used.
        """
        model = models.resolve(self._model(options), self._run.input.model)
        label, given = label_of(text(options.get("label")), prompt), text(options.get("phase"))
        return self._input(Agent(id=id, label=label, phase=given or phase, model=model), prompt, options)

    def _forget(self, task: asyncio.Task[Outcome]) -> None:
        self._tasks.pop(task, None)

    def cancel(self) -> list[asyncio.Task[Outcome]]:
        """Cancel what is still under way; what has to be waited for until it has really stopped."""
        self._asked.clear()
        if self._opening is not None:
            self._opening.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks

    # ------------------------------------------------------------------------------------- what a person asks

    def skip(self, agent: Agent) -> None:
        """End an agent that is queued or running, without a value."""
        self._interrupt(agent, "skip")

    def restart(self, agent: Agent) -> None:
        """Have a running agent begin a fresh conversation."""
        self._interrupt(agent, "restart")

    def _interrupt(self, agent: Agent, ask: Literal["skip", "restart"]) -> None:
        again = agent.id in self._asked
        self._asked[agent.id] = ask
        for task, agent_id in self._tasks.items():
            if agent_id == agent.id and not again:
                task.cancel()

    def open_gates(self) -> None:
        """Have a Worker ask the API again at once, whatever it was told before. Nobody waits for it."""
        self._opening = asyncio.create_task(self._open_gates())

    async def _open_gates(self) -> None:
        try:
            await workflow.execute_activity(
                control_contracts.open_gates,
                task_queue=self._run.workspace_queue,
                start_to_close_timeout=timedelta(seconds=10),
                schedule_to_close_timeout=timedelta(minutes=1),
                summary="ask the API again",
            )
        except ActivityError as error:
            # Not needed where an agent starts: it brings the news along.
            if not is_cancelled_exception(error):
                self._run.say(f"no Worker could be told to ask the API again: {error.cause or error}")

    # ---------------------------------------------------------------------------------------------- dispatching

    async def _dispatch(self, agent: Agent, queued: QueuedAgent, finishing: bool) -> Outcome:
        input, restarts = queued.input, queued.input.restarts or 0
        while True:
            ended = await self._attempt(agent, input, queued.files, finishing)
            asked = self._asked.pop(agent.id, None)
            if isinstance(ended, Outcome):
                return ended
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            if asked != "restart":
                return self._skipped(agent)
            restarts += 1
            self._run.purse.begins_anew(input.agent)
            input = ended.model_copy(update={"restarts": restarts})
            self._run.ledger.requeue(agent)

    def _skipped(self, agent: Agent) -> Outcome:
        message = "skipped by a person"
        self._run.ledger.end(agent, "skipped", workflow.time())
        self._run.ledger.fail(agent.id, agent.label, agent.phase, SKIPPED, message)
        return Outcome(error=CallError(kind=SKIPPED, message=message, lost=True))

    async def _attempt(
        self, agent: Agent, input: RunAgentInput, files: list[str], finishing: bool
    ) -> Outcome | RunAgentInput:
        """One conversation's outcome; where a person interrupted it, the input with which it may start over."""
        ledger = self._run.ledger
        state: AgentState = "done"
        try:
            result = None
            if input.restarts is None and input.entry is None:
                input = await self._run.journal.named(input, files)
                result = await self._run.journal.recall(input.entry or "", agent.id, agent.label, agent.phase)
            if result is not None:
                state = "cached"
            else:
                async with self._turn(input, files, finishing) as place:
                    result = await self._launch(agent, input, files, place)
            if input.merge == QUEUE:
                result = await self._run.merges.integrate(input, result, partial(self.go_on, agent))
        except NotMerged as error:
            # It did its work, which is kept; that it is not on the run's branch is what has to be known.
            result = error.result
            ledger.fail(agent.id, agent.label, agent.phase, MERGE_CONFLICT, str(error))
        except asyncio.CancelledError:
            if agent.id in self._asked:
                return input
            ledger.end(agent, "skipped", workflow.time())
            raise
        except OverCeiling as over:
            return self._refuse(agent, over.refusal)
        except ActivityError as error:
            kind, _, paid = failure_of(error)
            if agent.id in self._asked and (is_cancelled_exception(error) or kind == STOPPED):
                ledger.pay(agent, paid.usage)
                return input
            return self._failed(agent, error)
        self._run.endings.done(agent, state, result)
        self.authors.remember(input, result.value, result.commit)
        return Outcome(value=result.value)

    @asynccontextmanager
    async def _turn(self, input: RunAgentInput, files: list[str], finishing: bool) -> AsyncIterator[Place]:
        """A place in the width, after a wait in which the agent may be taken along to another history."""
        run = self._run
        self.queued[input.agent] = QueuedAgent(input=input, files=files)
        try:
            async with Place(run.width, run.pending, finishing=finishing) as place:
                del self.queued[input.agent]
                yield place
        finally:
            self.queued.pop(input.agent, None)

    async def _launch(self, agent: Agent, input: RunAgentInput, files: list[str], place: Place) -> RunAgentResult:
        """Have an agent work, whose turn has come.

        Raises:
            OverCeiling: a cap or a ceiling stands against it.
            ActivityError: as its conversation ended.
        """
        # Money may have gone while this call was queued.
        if refusal := self.refusal(agents=0):
            raise OverCeiling(refusal)
        if self._run.holds.resumed:
            input = input.model_copy(update={"resumed": self._run.holds.resumed})
        # As long as it waits for its first share it can be taken along to another history.
        queued = QueuedAgent(input=input, files=files)
        return await self._run.purse.spend(agent, input, self._execute, partial(self._aside, queued, place))

    async def _aside(self, queued: QueuedAgent, place: Place, what: Awaitable[Given], *, first: bool) -> Given:
        """Wait for a share without a place."""
        if not self._run.purse.begun(queued.input.agent):
            self.queued[queued.input.agent] = queued
        try:
            return await place.away(what, first=first)
        finally:
            self.queued.pop(queued.input.agent, None)

    async def _execute(self, input: RunAgentInput) -> RunAgentResult:
        if self._run.continuing.on:
            await self._run.pace.room_for([input.prompt, input.output_schema, input.context])
        return await execute_agent(input, self._queue(input))

    async def go_on(self, agent: Agent, input: RunAgentInput) -> RunAgentResult:
        """An agent that already counts as running takes its place in the width again."""
        async with Place(self._run.width, self._run.pending, finishing=True) as place:
            return await self._run.purse.spend(agent, input, self._execute, place.away)

    def _input(self, agent: Agent, prompt: str, options: dict[str, Any]) -> RunAgentInput:
        run = self._run
        given: dict[str, Any] = {key: options[key] for key in PASSED_ON if options.get(key) is not None}
        if options.get("schema") is not None:
            given["output_schema"] = options["schema"]
        if options.get("timeout") is not None:
            given["timeout_s"] = options["timeout"]
        if agent.phase is not None:
            given["phase"] = agent.phase
        if "effort" not in given and run.input.effort:
            given["effort"] = run.input.effort
        if run.input.simulate:
            given["simulate"] = True
        if run.setup is not None:
            given["setup"] = run.setup.key
            given |= {key: texts(key, options[key]) for key in WITH_TOOLS if options.get(key) is not None}
            if options.get("isolation") == WORKTREE:  # other values are ignored, as in the original runtime
                given["isolation"] = WORKTREE
        return RunAgentInput(
            run_id=run.id, agent=agent.id, prompt=prompt, model=agent.model, label=agent.label, **given
        )

    def _queue(self, input: RunAgentInput) -> str | None:
        """Whoever works in the shared checkout goes where it lies; a worktree agent goes wherever commits can meet."""
        setup = self._run.setup
        anywhere = setup is None or (input.isolation == WORKTREE and setup.remote is not None)
        return None if anywhere else self._run.workspace_queue

    def _model(self, options: dict[str, Any]) -> str | None:
        """The call's own model, else that of its agent type; `None` is the run's."""
        asked, setup = text(options.get("model")), self._run.setup
        if asked or setup is None:
            return asked
        definition = setup.agent_types.get(str(options.get("agent_type")))
        return definition.model if definition is not None else None

    def _unknown_type(self, options: dict[str, Any]) -> CallError | None:
        name, setup = text(options.get("agent_type")), self._run.setup
        if name is None or setup is None or name in setup.agent_types:
            return None
        there = ", ".join(sorted(setup.agent_types)) or "none"
        message = f"there is no agent type {name!r}; there are: {there}. Define it in .claude/agents/{name}.md"
        return CallError(kind=UNKNOWN_AGENT_TYPE, message=message)

    def _too_large(self, label: str, given: dict[str, Any]) -> CallError | None:
        if not self._run.continuing.on or details.fits(given, GIVEN_CHARS_MAX):
            return None
        message = (
            f"agent(): what {label!r} is given has more than {GIVEN_CHARS_MAX:,} characters, and the Messages API "
            "takes no such request. Put it into files of the workspace and let the agent read what it needs"
        )
        return CallError(kind=TOO_LARGE, message=message)

    def _failed(self, agent: Agent, error: ActivityError) -> Outcome:
        kind, message, paid = failure_of(error)
        if is_cancelled_exception(error) or kind == STOPPED:
            # The run ended or was stopped: that alone is no failure (SCRIPT_API §4).
            self._run.ledger.end(agent, "skipped", workflow.time(), paid.usage, paid.attempts, tools=paid.tools)
            return Outcome(error=CallError(kind="skipped", message="the run ended first", lost=True))
        self._run.endings.failed(agent, kind, message, paid)
        return Outcome(error=CallError(kind=kind, message=message, lost=kind not in THROWN_KINDS))

    # ------------------------------------------------------------------------------------------------- caps

    def refusal(self, *, agents: int) -> CallError | None:
        """Why no further agent may start, if so. Reaching a cap throws, as in the original runtime.

        Args:
            agents: how many there are; 0 for one that is already counted.
        """
        limits, used = self._run.input.limits, self._run.ledger.usage
        if agents >= limits.agents:
            return CallError(
                kind="agent_cap",
                name="WorkflowAgentCapError",
                message=f"this run's cap of {limits.agents:,} agents is reached. Ways on: resume it with a higher "
                "--max-agents (finished agents are reused), choose a smaller scope, or split the task into "
                "several workflows",
            )
        if self._run.trip.reason:
            return self._run.endings.tripped()
        if limits.on_limit is not None:
            return None  # whoever asks for a share learns of the other ceilings
        if limits.output_tokens is not None and used.output_tokens >= limits.output_tokens:
            return _over_budget(
                f"{used.output_tokens:,} of {limits.output_tokens:,} output tokens", "max-output-tokens"
            )
        if limits.usd is not None and used.usd >= limits.usd:
            return _over_budget(f"${used.usd:.4f} of ${limits.usd:g}", "max-usd")
        return None

    def _refuse(self, agent: Agent, refusal: CallError) -> Outcome:
        self._run.endings.refused(agent, refusal)
        return Outcome(error=refusal)


def _over_budget(spent: str, flag: str) -> CallError:
    return CallError(
        kind="budget",
        name="WorkflowBudgetExceededError",
        message=f"the budget of this run is spent ({spent}). Ways on: resume it with a higher --{flag} "
        "(finished agents are reused), or choose a smaller scope",
    )
