"""One run, whatever its body is: a script in either dialect, or a hand-written Workflow.

`Run` owns the books, the width and the calls under way; it turns decisions into Activities, timers and reports.
A Workflow class stays thin: it makes a `Run`, gives it a body, and answers queries from it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from .agent_call import AgentCalls
from .continuing import Continuing
from .endings import Endings
from .errors import RunEnded, ScriptFailed
from .gates import Gates
from .holds import Holds
from .locks import Locks
from .merge_queue import MergeQueue
from .notices import Notices
from .pace import Pace
from .purse import Purse
from .questions import Questions
from .recall import Journal
from .reviews import Reviews
from .step_limit import StepGuard
from .steps import StepCalls
from .width import Width

with workflow.unsafe.imports_passed_through():
    from . import contracts, details, gate_rules, setup_contracts, truth
    from .bounds import MESSAGE_CHARS, cut
    from .carry_contracts import Carried
    from .contracts import RunInput, RunReport, RunState
    from .failure_kinds import CEILING
    from .run_state import RunLedger
    from .script.protocol import MEMORY_BYTES, STEP_SECONDS, Budget
    from .setup_contracts import PrepareRunInput, PrepareRunResult
    from .trip import Trip
    from .wire import HEARTBEAT

if TYPE_CHECKING:
    from .script_run import ScriptRun

STATUS = SearchAttributeKey.for_keyword("TenutoStatus")
DETAILS_EVERY_S = 1.0
MEMO_EVERY_S = 5.0
"""The memo costs one event of history each time."""
LOG_BATCH = 500
LOG_BATCH_CHARS = 1_000_000
MAY_HAVE_GATES = re.compile(r"\b(?:gate|untilGreen|until_green|workflow)\b")
PREPARE_LONGEST = timedelta(minutes=5)
PENDING_MAX = 500
"""Activities that a run has pending at once, agents and steps together: 2,001 wedge a Workflow (MEASURED)."""
INLINE_RESULT_BYTES = 64 * 1024
"""Larger results are only in the store; the Workflow's own result keeps a reference."""

TIDY_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3)
RECORD_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))
"""Keeping a report is tried for as long as it takes: a full disk is mended by a person, a lost report is not."""


class Run:
    """A run in execution.

    `input` is what was asked for, `ledger` what is known, `setup` what its agents and steps share; `agents` makes
    `agent()` calls, `steps` those without a model.
    """

    def __init__(self, input: RunInput, carried: Carried | None = None) -> None:
        info = workflow.info()
        self.input = input if carried is None else input.model_copy(update={"carry": None})
        self.id = info.workflow_id
        self.seed = input.seed or self.id
        phases = [phase.title for phase in input.script.phases]
        self.ledger = RunLedger(phases) if carried is None else RunLedger.restored(carried.ledger)
        self.width = Width(input.limits.concurrency)
        self.pending = Width(PENDING_MAX)
        self.pace = Pace()
        self.journal = Journal(self)
        self.agents = AgentCalls(self)
        self.steps = StepCalls(self)
        self.reviews = Reviews(self)
        self.merges = MergeQueue(self)
        self.gates = Gates(self)
        self.questions = Questions(self)
        self.locks = Locks()
        self.holds = Holds(self)
        self.notices = Notices(self)
        self.trip = Trip(input.limits.trip or 0)
        self.purse = Purse(self)
        self.endings = Endings(self)
        self.scripts: dict[ScriptRun, None] = {}
        """Those in execution, the run's own and nested ones; a dict keeps the order, which replay depends on."""
        self.continuing = Continuing(self, carried)
        self.setup: PrepareRunResult | None = None if carried is None else carried.setup
        self.guard = StepGuard(STEP_SECONDS, MEMORY_BYTES)
        self._status: RunState = "running"
        self._report = RunReport(
            run_id=self.id,
            workflow=input.script.name,
            status="running",
            owner=input.owner,
            script_sha256=input.script.sha256,
            started_at=_iso(info.start_time) if carried is None else carried.started_at,
            simulated=input.simulate,
        )
        self._began = workflow.time() if carried is None else carried.began
        self._calls = 0 if carried is None else carried.calls
        self._log_parts = 0 if carried is None else carried.log_parts
        self._saving: list[asyncio.Task[None]] = []
        self._detailed_at = self._memoed_at = 0.0
        self._continued = carried is not None
        if carried is not None:
            self.continuing.restore(carried)

    def state(self) -> dict[str, Any]:
        """What the run itself has to take along, as fields of `Carried`."""
        return {
            "began": self._began,
            "started_at": self._report.started_at,
            "calls": self._calls,
            "log_parts": self._log_parts,
            "setup": self.setup,
            "ledger": self.ledger.state(),
        }

    def next_call(self) -> int:
        """The place of a new call of a script among all of the run."""
        self._calls += 1
        return self._calls

    # ------------------------------------------------------------------------------------------------ reading

    @property
    def workspace_queue(self) -> str | None:
        """The Task Queue of what works in the shared workspace; `None` is the run's own."""
        host = self.input.host
        return setup_contracts.host_queue(workflow.info().task_queue, host) if host else None

    @property
    def now(self) -> float:
        """The script's clock, Unix seconds. A run that resumes another one begins when that one began."""
        clock = self.input.clock
        return workflow.time() if clock is None else clock + workflow.time() - self._began

    @property
    def budget(self) -> Budget:
        """What has been spent, against the ceilings."""
        limits, usage = self.input.limits, self.ledger.usage
        return Budget(limits.output_tokens, usage.output_tokens, limits.usd, usage.usd)

    def report(self, *, agents: Literal["all", "running", "none"] = "all") -> RunReport:
        """The run as it stands."""
        report = self._filled(self._report.model_copy(), agents=agents)
        if report.ended_at is None:
            self.holds.mark(report)
        return report

    def hold(self, kind: str, message: str, until: str | None = None) -> None:
        """Hold the run up (`Holds.hold`): it is `waiting` until `release(kind)`."""
        self.holds.hold(kind, message, until)

    def release(self, kind: str) -> None:
        """End a hold."""
        self.holds.release(kind)

    def widen(self) -> None:
        """Let as many agents in as the limits and holds of this moment allow."""
        self.width.resize(self.holds.width(self.input.limits.concurrency))

    def _filled(self, report: RunReport, *, agents: Literal["all", "running", "none"]) -> RunReport:
        report.gates, report.questions = self.gates.views, self.questions.views
        report = self.ledger.fill(report, agents=agents)
        report.verification = report.verification.model_copy(update=self.gates.verified())
        views = [agent.view() for agent in self.ledger.agents.values() if agent.asked is not None]
        report.notices = truth.notices(report, views, self.trip.reason)
        return report

    def say(self, line: str) -> None:
        """Write a narrator line; long logs go to the store in batches."""
        self.ledger.say(line)
        full = self.continuing.on and self.ledger.unsaved_chars >= LOG_BATCH_CHARS
        if full or len(self.ledger.unsaved_log) >= LOG_BATCH:
            self._saving.append(asyncio.create_task(self._save_log(self.ledger.take_unsaved_log())))

    def show_progress(self, *, force: bool = False) -> None:
        """Refresh what the Temporal UI and readers without a Worker see, at most every few seconds."""
        now = workflow.time()
        waits = self.questions.open or self.holds.holds(CEILING)
        if waits and self.report(agents="none").status != self._status:
            force = True  # the last agent beside a question has ended: from here on the run waits for a person
        if force or now - self._detailed_at >= DETAILS_EVERY_S:
            self._detailed_at = now
            workflow.set_current_details(details.markdown(self.report(agents="running")))
        if force or now - self._memoed_at >= MEMO_EVERY_S:
            self._memoed_at = now
            report = self.report(agents="none")
            workflow.upsert_memo({details.MEMO: details.snapshot(report)})
            if report.ended_at is None and report.status != self._status:
                self._status = report.status
                if self.input.search_attributes:
                    workflow.upsert_search_attributes([STATUS.value_set(report.status)])

    # ------------------------------------------------------------------------------------------------ running

    async def execute(self, body: Callable[[], Awaitable[Any]]) -> RunReport:
        """Run the body to its end and keep the report.

        Returns:
            The report of a run that is `completed` or `degraded`.

        Raises:
            ApplicationError: the run failed; its type is the error's kind.
            CancelledError: the run was stopped.
        """
        self._memoed_at = workflow.time()  # the starter wrote the first memo
        self.show_progress(force=self._continued)
        self.holds.watch({CEILING: self.purse.give_up})
        try:
            if not self._continued:
                await self._prepare()
                await self._open_journal()
            value = await body()
        except RunEnded as ended:
            message = cut(str(ended), MESSAGE_CHARS)
            error = contracts.RunError(kind=ended.kind, message=message, line=ended.line)
            await _to_the_end(self._keep("failed", error=error))
            # What it came from says the same, and at its full length.
            raise ApplicationError(message, type=ended.kind, non_retryable=True) from None
        except asyncio.CancelledError:
            await _to_the_end(self._keep("stopped"))
            raise
        return await _to_the_end(self._keep(None, value, has_result=True))

    async def _prepare(self) -> None:
        """Fix what agents and steps share, where this run may touch anything at all.

        Raises:
            ScriptFailed: they could not work; the kind is the Activity's.
        """
        if self.input.policy is None or self.input.workspace is None:
            return
        try:
            self.setup = await workflow.execute_activity(
                setup_contracts.prepare_run,
                PrepareRunInput(
                    run_id=self.id,
                    workspace=self.input.workspace,
                    policy=self.input.policy,
                    options=self.input.options,
                    several_hosts=self.input.host is not None,
                    **self._gates_to_fix(),
                ),
                task_queue=self.workspace_queue,
                start_to_close_timeout=PREPARE_LONGEST,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RECORD_RETRY,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary="look at the workspace",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            cause = error.cause
            kind = (cause.type if isinstance(cause, ApplicationError) else None) or "workspace"
            message = cause.message if isinstance(cause, ApplicationError) else str(cause or error)
            raise ScriptFailed(message, kind=kind) from error
        for notice in self.setup.notices:
            self.say(notice)

    async def _open_journal(self) -> None:
        """Raises `ScriptFailed` where what the earlier run left cannot be read, ever."""
        try:
            await self.journal.open()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            raise ScriptFailed(str(error.cause or error), kind="journal") from error

    def _gates_to_fix(self) -> dict[str, Any]:
        """The script, where it may have gates, itself or in workflows that it calls."""
        source = self.input.script.source
        if not MAY_HAVE_GATES.search(source):
            return {}
        earlier = {"gates_from": self.input.resume_from} if self.input.resume_from is not None else {}
        return {"gates": source} | gate_rules.texts_of(self.input.args) | earlier

    async def _keep(
        self,
        status: RunState | None,
        value: Any = None,
        *,
        has_result: bool = False,
        error: contracts.RunError | None = None,
    ) -> RunReport:
        """Keep the report of the end, and only then say that the run has ended: whoever reads so finds the result.

        Args:
            status: `None` for a run that has a value; what became of its agents decides.
        """
        under_way = [
            *self.reviews.cancel(),
            *self.agents.cancel(),
            *self.steps.cancel(),
            *self.journal.cancel(),
            *self.purse.lowering.cancel(),
        ]
        if under_way:
            await workflow.wait(under_way)
        await self._tidy()
        self.holds.end()
        status = status or truth.ended_status(self._filled(self._report.model_copy(), agents="none"))
        final = self._report.model_copy(update={"status": status, "error": error, "ended_at": _iso(workflow.now())})
        if not has_result:
            final.partial = self.ledger.partial(f"runs/{self.id}/agents/{{agent}}/record.json")
        if self._saving:
            await workflow.wait(self._saving)
        report = self._filled(final.model_copy(), agents="all")
        ref = await workflow.execute_activity(
            contracts.write_report,
            contracts.WriteReportInput(
                report=report,
                result=value,
                has_result=has_result,
                log=self.ledger.take_unsaved_log(),
                log_part=self._log_parts,
            ),
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RECORD_RETRY,
            summary="keep the report",
        )
        report.result_ref = final.result_ref = ref
        self._report = final
        if has_result and details.fits(value, INLINE_RESULT_BYTES):
            report.result = value
        if self.input.search_attributes:
            workflow.upsert_search_attributes([STATUS.value_set(report.status)])
        self.show_progress(force=True)
        await self.notices.ended(report)
        return report

    async def _tidy(self) -> None:
        """Leave nothing behind on the host of the workspace that is not needed any more."""
        if self.setup is None:
            return
        try:
            tidied = await workflow.execute_activity(
                setup_contracts.tidy_run,
                setup_contracts.TidyRunInput(run_id=self.id),
                task_queue=self.workspace_queue,
                start_to_close_timeout=PREPARE_LONGEST,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=TIDY_RETRY,
                summary="tidy up",
            )
        except ActivityError as error:
            # A full or broken disk must not keep a finished run from ending; `prune` finds what is left.
            self.say(f"could not tidy up: {error.cause or error}")
            return
        for notice in tidied.notices:
            self.say(notice)

    @property
    def saving_log(self) -> bool:
        """Whether lines are on their way to the store."""
        return any(not task.done() for task in self._saving)

    async def _save_log(self, lines: list[str]) -> None:
        part, self._log_parts = self._log_parts, self._log_parts + 1
        await workflow.execute_activity(
            contracts.append_log,
            contracts.AppendLogInput(run_id=self.id, part=part, lines=lines),
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RECORD_RETRY,
            summary="keep log lines",
        )


async def _to_the_end(keeping: Coroutine[Any, Any, RunReport]) -> RunReport:
    """Wait for the report whatever happens: a stop that comes after the end changes nothing about it."""
    task = asyncio.create_task(keeping)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                raise


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
