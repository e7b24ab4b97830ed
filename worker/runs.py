"""What a client can do with runs: start, find, read, stop. Used by the command line and by whatever else reads runs.

A run that has ended is read from the store; a live one from its Worker by Query, and where no Worker answers from the
memo that the Workflow keeps up to date. So a reader answers within seconds whatever is down.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from tenuto.activities.store import Store
from tenuto.workflows import details
from tenuto.workflows.bounds import TITLE_CHARS, cut
from tenuto.workflows.contracts import Histories, PhaseView, RunError, RunInput, RunReport, RunState

from .config import Settings, UsageError
from .connect import Unreachable
from .listing import executions
from .trouble import trouble_of

WORKFLOW = "Orchestration"
TASK_TIMEOUT = timedelta(seconds=4)
"""A Workflow Task that a dead Worker had started waits this long (MEASURED)."""
QUERY_S = 1.5
"""In all: the client tries again after a timeout of its own, and a reader without a Worker would wait twice."""
RECONNECT_S = 0.3
ENDED: tuple[RunState, ...] = ("completed", "degraded", "failed", "stopped")
ATTRIBUTES = ("TenutoWorkflow", "TenutoStatus", "TenutoOwner")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


class UnknownRun(UsageError):
    """There is no run of that id."""


class RunExists(Exception):
    """A run of that id was started before."""


def new_run_id() -> str:
    """An id that no other run has."""
    return f"wf_{secrets.token_hex(6)}"


def check_run_id(text: str) -> str:
    """The id, if it can be one.

    Raises:
        UsageError: it cannot.
    """
    if not _RUN_ID.fullmatch(text):
        raise UsageError(f"the run id is {text!r}; expected letters, digits, '_', '-' and '.', such as {new_run_id()}")
    return text


class Runs:
    """The runs of one Temporal Service and one store.

    Args:
        connect: makes a Client; raises `Unreachable`. Asked at the first need, and again after a failure.
    """

    def __init__(self, settings: Settings, store: Store, connect: Callable[[], Awaitable[Client]]) -> None:
        self.settings = settings
        self.store = store
        self._connect = connect
        self._client: Client | None = None

    async def client(self) -> Client:
        """The Client. Raises `Unreachable`."""
        if self._client is None:
            self._client = await self._connect()
        return self._client

    # ----------------------------------------------------------------------------------------------- starting

    async def start(self, input: RunInput, run_id: str) -> RunReport:
        """Start a run and keep its input in the store.

        Raises:
            RunExists: the id is taken, by a run that lives or by one that ended.
            Unreachable: there is no Temporal Service.
        """
        client = await self.client()
        if input.clock is None:
            input = input.model_copy(update={"clock": datetime.now(UTC).timestamp()})
        if input.histories is None:
            input = input.model_copy(update={"histories": Histories(events=self.settings.history_events)})
        named = [("TenutoWorkflow", input.script.name), ("TenutoStatus", "running"), ("TenutoOwner", input.owner or "")]
        pairs = [(key, cut(value, TITLE_CHARS)) for key, value in named]
        attributes = TypedSearchAttributes(
            [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in pairs]
        )
        report = RunReport(
            run_id=run_id,
            workflow=input.script.name,
            status="running",
            owner=input.owner,
            phases=[PhaseView(title=phase.title) for phase in input.script.phases],
            script_sha256=input.script.sha256,
            started_at=_iso(datetime.now(UTC)),
            simulated=input.simulate,
        )
        try:
            await client.start_workflow(
                WORKFLOW,
                input,
                id=run_id,
                task_queue=self.settings.task_queue,
                task_timeout=TASK_TIMEOUT,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo={details.MEMO: details.snapshot(report)},
                search_attributes=attributes if input.search_attributes else None,
                static_summary=cut(input.script.name, TITLE_CHARS),
            )
        except WorkflowAlreadyStartedError:
            raise RunExists(run_id) from None
        await self.store.put(f"runs/{run_id}/input.json", input.model_dump_json(exclude_unset=True).encode())
        return self._with_ui(report)

    async def has_search_attributes(self) -> bool:
        """Whether the namespace knows Tenuto's search attributes; without them a start that sets them is refused."""
        client = await self.client()
        request = ListSearchAttributesRequest(namespace=client.namespace)
        try:
            known = await client.operator_service.list_search_attributes(request, timeout=timedelta(seconds=3))
        except RPCError:
            return False  # not allowed to look: the run is found by its memo instead
        return all(name in known.custom_attributes for name in ATTRIBUTES)

    async def input(self, run_id: str) -> RunInput:
        """What a run was started with.

        Raises:
            UnknownRun: there is no such run.
        """
        try:
            return RunInput.model_validate_json(await self.store.get(f"runs/{check_run_id(run_id)}/input.json"))
        except (FileNotFoundError, ValidationError):
            # Its starter was killed before it wrote; Temporal has it too, as long as it keeps the history.
            pass
        client = await self.client()
        handle = client.get_workflow_handle(run_id)
        try:
            async for event in handle.fetch_history_events(page_size=1):
                payloads = event.workflow_execution_started_event_attributes.input.payloads
                (input,) = await client.data_converter.decode(payloads, [RunInput])
                assert isinstance(input, RunInput)
                return input.model_copy(update={"carry": None})  # what it was to do, not how far it has come
        except RPCError as error:
            raise _unless_unknown(error, run_id) from None
        raise UnknownRun(f"there is no run {run_id!r}; `tenuto ls` lists them")

    async def kept(self, run_id: str) -> bool:
        """Whether the store knows what a run was started with."""
        try:
            return await self.store.size(f"runs/{run_id}/input.json") > 0
        except FileNotFoundError:
            return False

    # ------------------------------------------------------------------------------------------------ reading

    async def report(self, run_id: str, *, agents: bool = True) -> RunReport:
        """The run as it is now, without its result.

        Raises:
            UnknownRun: there is no such run.
            Unreachable: it has not ended, and there is no Temporal Service to ask.
        """
        stored = await self._stored(check_run_id(run_id))
        if stored is not None:
            return self._with_ui(stored)
        described = await self._describe(run_id)
        handle = (await self.client()).get_workflow_handle(run_id)
        if described.status == WorkflowExecutionStatus.RUNNING:
            live = await self._query(handle, agents) or await _from_memo(described)
            live.trouble = await trouble_of(await self.client(), described)
            return self._with_ui(live)
        # It may have ended between the two looks.
        stored = await self._stored(run_id)
        return self._with_ui(stored or await _ended_without_report(handle, described))

    async def progress(self, run_id: str) -> RunReport:
        """A live run without its list of agents: cheap enough to ask for twice a second. Raises as `report`."""
        client = await self.client()
        handle = client.get_workflow_handle(run_id)
        live = await self._query(handle, agents=False)
        try:
            if live is None:
                described = await handle.describe()
                live = await _from_memo(described)
                live.trouble = await trouble_of(client, described)
            return self._with_ui(live)
        except RPCError as error:
            raise _unless_unknown(error, run_id) from None

    async def live_log(self, run_id: str) -> list[str] | None:
        """The last 500 narrator lines of a live run, or `None` if no Worker answers."""
        client = await self.client()
        handle = client.get_workflow_handle(run_id)
        try:
            async with asyncio.timeout(QUERY_S):
                lines: list[str] = await handle.query("log", result_type=list[str])
        except (TimeoutError, RPCError, WorkflowQueryFailedError):
            return None
        return lines

    async def log(self, run_id: str) -> list[str]:
        """Narrator lines: all of a run that ended; of a live one the last 500, or those kept so far.

        Raises:
            UnknownRun: there is no such run.
        """
        if await self._stored(check_run_id(run_id)) is None:
            described = await self._describe(run_id)
            lines = await self.live_log(run_id) if described.status == WorkflowExecutionStatus.RUNNING else None
            if lines is not None:
                return lines
        return await self.kept_log(run_id)

    async def kept_log(self, run_id: str) -> list[str]:
        """The narrator lines that are in the store."""
        from pydantic_core import from_json

        parts = [await self.store.get(key) for key in await self.store.keys(f"runs/{run_id}/log")]
        return [str(from_json(line)) for part in parts for line in part.splitlines() if line]

    async def result(self, report: RunReport) -> bytes | None:
        """The whole result as JSON, or `None` for a run without one."""
        if report.status not in ("completed", "degraded"):
            return None
        try:
            return await self.store.get(report.result_ref or f"runs/{report.run_id}/result.json")
        except FileNotFoundError:
            return None

    async def result_size(self, report: RunReport) -> int | None:
        """Bytes of the result as JSON, or `None` for a run without one."""
        try:
            return await self.store.size(report.result_ref or f"runs/{report.run_id}/result.json")
        except FileNotFoundError:
            return None

    async def listing(self, limit: int | None) -> list[RunReport]:
        """Runs, newest first: those that Temporal knows, and without a limit those that only the store has."""
        client = await self.client()
        found: dict[str, RunReport] = {}
        async for execution in executions(client, self.settings.task_queue, limit):
            found[execution.id] = self._with_ui(await _from_memo(execution))
        if limit is None:
            for run_id in await self.store.folders("runs"):
                if run_id not in found and (stored := await self._stored(run_id)) is not None:
                    found[run_id] = stored
        return sorted(found.values(), key=lambda report: report.started_at or "", reverse=True)

    # ---------------------------------------------------------------------------------------- waiting, stopping

    async def ended(self, run_id: str) -> None:
        """Return when the run has ended; a Temporal Service that goes away and comes back is waited for.

        Raises:
            UnknownRun: there is no such run.
        """
        while True:
            try:
                client = await self.client()
                await client.get_workflow_handle(run_id).result()
                return
            except WorkflowFailureError:
                return
            except Unreachable:
                await asyncio.sleep(RECONNECT_S)
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    raise _unless_unknown(error, run_id) from None
                self._client = None  # the service may be back at another address
                await asyncio.sleep(RECONNECT_S)

    async def stop(self, run_id: str) -> None:
        """Ask a run to stop. It ends when its Worker has cancelled what is under way.

        Raises:
            UnknownRun: there is no such run.
        """
        client = await self.client()
        try:
            await client.get_workflow_handle(run_id).cancel()
        except RPCError as error:
            raise _unless_unknown(error, run_id) from None

    async def _stored(self, run_id: str) -> RunReport | None:
        try:
            return RunReport.model_validate_json(await self.store.get(f"runs/{run_id}/report.json"))
        except (FileNotFoundError, ValidationError):
            return None

    async def _describe(self, run_id: str) -> WorkflowExecutionDescription:
        handle = (await self.client()).get_workflow_handle(run_id)
        try:
            return await handle.describe(rpc_timeout=timedelta(seconds=10))
        except RPCError as error:
            raise _unless_unknown(error, run_id) from None

    async def _query(self, handle: WorkflowHandle[object, object], agents: bool) -> RunReport | None:
        name = "report" if agents else "progress"
        try:
            async with asyncio.timeout(QUERY_S):
                live: RunReport = await handle.query(name, result_type=RunReport)
        except (TimeoutError, RPCError, WorkflowQueryFailedError):
            return None  # no Worker is up, or it is busy: the memo has to do
        return live

    def _with_ui(self, report: RunReport) -> RunReport:
        return report.model_copy(update={"ui": report.ui or self.settings.ui_of(report.run_id)})


async def _from_memo(execution: WorkflowExecution) -> RunReport:
    """The report in the memo, with what Temporal knows better."""
    snapshot = await execution.memo_value(details.MEMO, None, type_hint=dict)
    report = RunReport(run_id=execution.id, workflow=execution.workflow_type, status="running")
    if isinstance(snapshot, dict):
        report = RunReport.model_validate({"run_id": execution.id, **snapshot})
    report.started_at = report.started_at or _iso(execution.start_time)
    if execution.close_time is None or report.status in ENDED:
        return report
    report.ended_at = _iso(execution.close_time)
    report.status, kind = _CLOSED.get(execution.status, ("failed", "unknown"))
    if report.status in ("failed", "stopped") and report.error is None and kind:
        report.error = RunError(kind=kind, message=f"the Workflow Execution ended as {kind}, without a report")
    return report


_CLOSED: dict[WorkflowExecutionStatus | None, tuple[RunState, str]] = {
    WorkflowExecutionStatus.COMPLETED: ("completed", ""),
    WorkflowExecutionStatus.CANCELED: ("stopped", ""),
    WorkflowExecutionStatus.TERMINATED: ("stopped", "terminated"),
    WorkflowExecutionStatus.FAILED: ("failed", "failed"),
    WorkflowExecutionStatus.TIMED_OUT: ("failed", "timed_out"),
}


async def _ended_without_report(handle: WorkflowHandle[object, object], execution: WorkflowExecution) -> RunReport:
    """A run that ended and whose report is not in this store: Temporal's own record of the end."""
    report = await _from_memo(execution)
    if execution.status == WorkflowExecutionStatus.FAILED and (report.error is None or report.error.kind == "failed"):
        try:
            await handle.result(rpc_timeout=timedelta(seconds=5))
        except WorkflowFailureError as failure:
            cause = failure.cause
            kind = cause.type if isinstance(cause, ApplicationError) else None
            report.error = RunError(kind=kind or "failed", message=str(getattr(cause, "message", cause)))
    return report


def _unless_unknown(error: RPCError, run_id: str) -> Exception:
    if error.status == RPCStatusCode.NOT_FOUND:
        return UnknownRun(f"there is no run {run_id!r}; `tenuto ls` lists them")
    return error


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
