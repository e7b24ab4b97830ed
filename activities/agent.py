"""The `run_agent` Activity: one subagent call, from its input to its value or its typed failure.

Every retry is Temporal's. An attempt ends at once with what it knows about the next one (`next_retry_delay`), so that a
waiting agent holds no slot, and the next attempt, on whichever Worker, goes on in the same conversation.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.change_contracts import material_mark
from tenuto.workflows.contracts import AgentProgress, RunAgentInput, RunAgentResult, Usage
from tenuto.workflows.share_contracts import AgentFailureDetails

from .agent_record import counts_of, write_record
from .allowance import NeedsShare
from .ceilings import Ceilings
from .conversation import Conversation
from .credentials import Credentials
from .errors import AgentFailed, Verdict, classify
from .messages_api import MessagesApi
from .outfit import Equipment, KeptWork, Unequipped, Work
from .overload import PATIENCE_S, Overload
from .run_holds import RunHolds, Tell, hold_kind, signal_run
from .store import Store
from .structured_output import OutputForm, OutputForms, UnusableSchema
from .transcript import Transcript, folder_of, now
from .until_kept import until_kept

FIRST_HEARTBEAT_S = 1.0
"""Not at once: a heartbeat is a request to the server, and a quick agent needs none."""
HEARTBEAT_S = 3.0
"""Well under the heartbeat timeout of 30 s, on a busy machine too."""
BACKOFF_MAX_S = 60.0
HOLD_S = 10.0
"""A rate limit that lasts longer holds the run up, and is told to it."""
LOOK_S = 4.0
"""How often an agent that is held up looks whether there is a new credential: it asks the API for nothing then."""


class AgentActivities:
    """Registers `run_agent`. One per Worker: its agents share clients, rate gates and what is known of schemas.

    `simulated_url` gives the base URL of the simulated Messages API, for runs with `--simulate`; `equipment` gives
    agents of runs that have a setup their tools.
    """

    def __init__(
        self,
        store: Store,
        credentials: Credentials,
        simulated_url: Callable[[], Awaitable[str]],
        equipment: Equipment | None = None,
        tell: Tell = signal_run,
        *,
        overload_s: float = PATIENCE_S,
    ) -> None:
        self._store = store
        self._overload_s = overload_s
        self._equipment = equipment or Unequipped()
        self._holds = RunHolds(tell)
        self._api = MessagesApi(credentials, simulated_url)
        self._forms = OutputForms()
        self._ceilings = Ceilings(store)

    @activity.defn(name="run_agent")
    async def run_agent(self, input: RunAgentInput) -> RunAgentResult:
        """Hold one conversation with a model until it has a final answer.

        Raises:
            ApplicationError: `type` is the kind (`workflows/failure_kinds.py`). Non-retryable with
                `AgentFailureDetails` when the agent has failed for good; else with `next_retry_delay`.
        """
        before = _before(activity.info())
        overload = Overload(before.overloaded_since, before.turns, self._overload_s)
        attempt = _Attempt(
            *(self._store, self._api, self._forms, self._equipment, self._holds),
            ceilings=self._ceilings,
            overload=overload,
            input=input,
        )
        return await attempt.run()

    @activity.defn(name="open_gates")
    async def open_gates(self) -> None:
        """Ask the API again, whatever it said about when: a person wants it so."""
        self._api.open_gates()

    async def close(self) -> None:
        """Close the connections to the API."""
        await self._api.close()


class _Attempt:
    """One attempt of one call."""

    def __init__(
        self,
        store: Store,
        api: MessagesApi,
        forms: OutputForms,
        equipment: Equipment,
        holds: RunHolds,
        *,
        ceilings: Ceilings,
        overload: Overload,
        input: RunAgentInput,
    ) -> None:
        self._store = store
        self._equipment = equipment
        self._work: Work | None = None
        self._kept: KeptWork | None = None
        self._api = api
        self._ceilings = ceilings
        self._forms = forms
        self._input = input
        self._transcript = Transcript(store, folder_of(input.run_id, input.agent), self._say)
        self._doing = ""
        info = activity.info()
        before = _before(info)
        self._before = before
        self._conversation: Conversation | None = None
        self._held_before = before.holds
        self._was_held = before.held
        self._holds = holds
        self._overload = overload
        self._telling: set[asyncio.Task[None]] = set()
        self._number = info.attempt
        self._tries = info.attempt - before.holds
        """Attempts that were not spent on waiting: the others try nobody's patience."""
        self._started_at = now() if info.attempt == 1 else info.scheduled_time.isoformat(timespec="milliseconds")

    async def run(self) -> RunAgentResult:
        try:
            with self._beating():
                value = await self._converse()
        except asyncio.CancelledError:
            stopped = await self._record_if_stopped()
            if stopped is not None:
                raise stopped from None
            raise
        except Exception as error:  # noqa: BLE001 - every error has a verdict, and is raised again as that
            failure = await self._ended_by(error)
            # A known error says all in its message; its traceback would be several times the agent's history.
            raise failure from (error if failure.type == kinds.INTERNAL else None)
        finally:
            if self._work is not None:
                await self._work.close()
            if self._telling:
                await asyncio.wait(self._telling)
        return value

    async def _converse(self) -> RunAgentResult:
        input, transcript = await self._with_material(), self._transcript
        if input.resumed is not None:
            self._api.open_gates_of(input.run_id, input.resumed)
        if self._was_held:
            await self._api.check(simulate=input.simulate)
        if self._number > 1 or (input.share is not None and input.share.renewed):
            await transcript.load()
        elif input.restarts is not None:
            await transcript.discard()
        self._work = work = await self._equipment.open(input, self._say)
        self._conversation = conversation = Conversation(
            input,
            transcript,
            self._form(),
            self._api,
            self._ceilings,
            say=self._say,
            outfit=work.outfit,
            lost=self._lost_before(),
            maybe_asked=self._number > 1 and not self._before.ended,
            accepted=self._accepted,
        )
        limit = asyncio.timeout(self._time_left_s())
        try:
            async with limit:
                value = await conversation.run()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise AgentFailed(kinds.TIMEOUT, f"no value within the call's timeout of {input.timeout_s:g} s") from error
        if input.isolation is not None:
            await transcript.keep()  # keeping the work takes its time, and may have to be tried again
        await self._keep_work()
        await until_kept(lambda: self._record(value=value), self._say)
        # Only what is given is sent: a thousand results should not carry a thousand copies of the defaults.
        given: dict[str, Any] = {}
        if self._tries > 1:
            given["attempts"] = self._tries
        served = transcript.answers[-1].model
        if served != input.model:
            given["model"] = served
        given |= self._beside()
        if self._kept is not None and self._kept.commit is not None:
            given["commit"] = self._kept.commit
        return RunAgentResult(value=value, usage=_counted(transcript.usage), **given)

    async def _with_material(self) -> RunAgentInput:
        """The call with the whole text of its prompt, for the conversation and the record."""
        input = self._input
        if input.material is not None:
            text = (await self._store.get(input.material)).decode()
            prompt = input.prompt.replace(material_mark(hashlib.sha256(text.encode()).hexdigest()), text.rstrip())
            self._input = input = input.model_copy(update={"prompt": prompt})
        return input

    def _lost_before(self) -> Usage:
        """Of earlier attempts: what they said was lost, and what was under way when one was cut off."""
        before = self._before
        lost = before.lost or Usage()
        if before.under_way is not None and len(self._transcript.answers) <= before.turns:
            lost = lost.plus(before.under_way)
        return lost

    @property
    def _lost(self) -> Usage:
        return self._lost_before() if self._conversation is None else self._conversation.lost

    def _beside(self) -> dict[str, Any]:
        """What there is to tell beside value and usage."""
        calls, lost = self._transcript.calls, self._lost
        given: dict[str, Any] = {"tools": counts_of(calls)} if calls else {}
        return given | ({"lost": _counted(lost)} if lost.tokens else {})

    def _details(self, **given: Any) -> AgentFailureDetails:
        return AgentFailureDetails(
            usage=_counted(self._transcript.usage), attempts=self._tries, **self._beside(), **given
        )

    def _form(self) -> OutputForm | None:
        if self._input.output_schema is None:
            return None
        try:
            return self._forms.of(self._input.output_schema)
        except UnusableSchema as error:
            raise AgentFailed(kinds.UNUSABLE_SCHEMA, str(error)) from error

    def _time_left_s(self) -> float | None:
        """Of the call's own timeout, which all attempts share; a hold (no credential, no credit) restarts it."""
        timeout_s, info = self._input.timeout_s, activity.info()
        if timeout_s is None or self._number == 1 or self._was_held:
            return timeout_s
        return timeout_s - (datetime.now(UTC) - info.scheduled_time).total_seconds()

    # ------------------------------------------------------------------------------------------------ endings

    async def _ended_by(self, error: Exception) -> ApplicationError:
        """The failure to raise for an error, after recording it if it is final."""
        if isinstance(error, NeedsShare):
            return _final(str(error), kinds.SHARE, self._details(ask=error.ask))
        verdict = classify(error)
        given_up = self._overload.meets(verdict, len(self._transcript.answers))
        tried = verdict.patience is not None and self._tries >= verdict.patience
        final = verdict.action == "fail" or tried or given_up
        if not final:
            delay_s = self._delay_s(verdict)
            if _holds_up(verdict):
                parked = verdict.kind in (kinds.CREDENTIAL, kinds.CREDIT)
                activity.heartbeat(self._progress(held=True, ended=True))
                await self._holds.held(
                    self._input.run_id, hold_kind(verdict.kind), verdict.message, None if parked else verdict.delay_s
                )
                delay_s = min(delay_s, LOOK_S * random.uniform(0.75, 1.25))
            elif self._overload.since is not None or self._lost.tokens:
                activity.heartbeat(self._progress(ended=True))
            delay = timedelta(seconds=delay_s)
            # Benign: expected, and so logged in a line of debug output, not as a warning with a traceback.
            return ApplicationError(
                verdict.message, type=verdict.kind, next_retry_delay=delay, category=ApplicationErrorCategory.BENIGN
            )
        message = verdict.message
        if given_up:
            message = f"{self._overload.words}: {message}"
        elif verdict.action != "fail":
            message = f"given up after {self._tries} attempts: {message}"
        message = await self._keep_failed_work(message)
        await until_kept(lambda: self._record(failure=(verdict.kind, message)), self._say)
        return ApplicationError(message, self._details(), type=verdict.kind, non_retryable=True)

    def _delay_s(self, verdict: Verdict) -> float:
        """As the error says; else doubling up to a minute. Never exactly the same for two agents."""
        spread = random.uniform(0.5, 1.5)
        if verdict.delay_s is not None:
            return verdict.delay_s + 0.5 * spread
        return min(BACKOFF_MAX_S, 0.5 * 2.0 ** min(self._tries, 10)) * spread

    async def _record_if_stopped(self) -> ApplicationError | None:
        """Record what was paid for an agent that is stopped; a Worker that shuts down only passes it on.

        A stopped agent fails, instead of being cancelled: a cancelled Activity cannot say what it has cost.
        """
        details = activity.cancellation_details()
        if details is None or not details.cancel_requested:
            return None
        message = await self._keep_failed_work("stopped before it had a value")
        await self._record(failure=(kinds.SKIPPED, message))
        return _final(message, kinds.STOPPED, self._details())

    async def _keep_work(self) -> None:
        """What the agent changed outlasts it, however it ended."""
        if self._work is not None:
            self._kept = await self._work.keep()

    async def _keep_failed_work(self, message: str) -> str:
        """Keep the work of an agent without a value; the message, with what went wrong in that."""
        try:
            await self._keep_work()
        except AgentFailed as error:
            return f"{message}; and its work could not be kept: {error}"
        return message

    async def _record(self, *, value: Any = None, failure: tuple[str, str] | None = None) -> None:
        await write_record(
            self._store,
            self._input,
            self._transcript,
            attempts=self._tries,
            started_at=self._started_at,
            kept=self._kept,
            value=value,
            failure=failure,
        )

    # --------------------------------------------------------------------------------------------- heartbeats

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Heartbeats by a timer of their own: they show life, and bring cancellation, while the model is silent."""
        self._say("starting")
        self._next_beat = asyncio.get_running_loop().call_later(FIRST_HEARTBEAT_S, self._beat)
        try:
            yield
        finally:
            self._next_beat.cancel()

    def _beat(self) -> None:
        activity.heartbeat(self._progress())
        self._next_beat = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)

    def _say(self, doing: str) -> None:
        self._doing = doing

    def _progress(self, *, held: bool = False, ended: bool = False) -> AgentProgress:
        transcript = self._transcript
        holds = self._held_before + held
        given: dict[str, Any] = {"holds": holds, "held": held} if holds else {}
        if self._overload.since is not None:
            given["overloaded_since"] = self._overload.since
        if ended:
            given["ended"] = True
        if self._lost.tokens:
            given["lost"] = self._lost
        if self._conversation is not None and (coming := self._conversation.under_way).tokens:
            given["under_way"] = coming
        return AgentProgress(turns=len(transcript.answers), usage=transcript.usage, activity=self._doing, **given)

    def _accepted(self, asked_at: float) -> None:
        """The API took a request: if the run was held up, it goes on."""
        task = asyncio.create_task(self._holds.accepted(self._input.run_id, asked_at, was_held=self._was_held))
        self._was_held = False
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _final(message: str, kind: str, details: AgentFailureDetails) -> ApplicationError:
    """An end that is expected: a line of debug output, not a warning with a traceback."""
    return ApplicationError(message, details, type=kind, non_retryable=True, category=ApplicationErrorCategory.BENIGN)


def _counted(usage: Usage) -> Usage:
    """The same usage with only its non-zero counts set."""
    return Usage(**{name: count for name, count in usage if count})


def _holds_up(verdict: Verdict) -> bool:
    """Whether an error says that nobody on this credential gets anywhere for a while."""
    long = verdict.kind == kinds.RATE_LIMIT and (verdict.delay_s or 0.0) > HOLD_S
    return verdict.action == "park" or verdict.kind in kinds.HOLDS or long


def _before(info: activity.Info) -> AgentProgress:
    """What the attempt before this one said last."""
    details = list(info.heartbeat_details)
    return AgentProgress.model_validate(details[0]) if details else AgentProgress()
