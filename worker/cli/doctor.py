"""`tenuto doctor`: what is wrong with this machine's set-up. It looks; it starts nothing but, if asked, MCP servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from ..config import Settings, UsageError
from .output import print_json, print_line

if TYPE_CHECKING:
    from temporalio.client import Client

RETENTION_DAYS_MIN = 30
RUNS_LOOKED_AT = 50
Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    verdict: Verdict
    message: str


def doctor(*, mcp: bool = False, json: bool) -> int:
    """Look at everything a run needs; 1 if something is wrong."""
    findings = asyncio.run(examine(mcp=mcp))
    failed = any(finding.verdict == "fail" for finding in findings)
    if json:
        print_json({"ok": not failed, "checks": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print_line(f"{finding.verdict:<4}  {finding.check:<12} {finding.message}")
    return 1 if failed else 0


async def examine(*, mcp: bool = False) -> list[Finding]:
    """All findings, in the order in which a person would mend them."""
    findings = [_python()]
    try:
        settings = Settings.load()
    except UsageError as error:
        return [*findings, Finding("settings", "fail", str(error))]
    findings.append(Finding("settings", "ok", f"home {settings.home}, store {settings.store}"))
    looks: list[Callable[[Settings], Awaitable[list[Finding]]]] = [_store, _credentials, _temporal, _hook]
    for look in looks:
        findings += await look(settings)
    findings += await _sandbox()
    if mcp:
        from .mcp_commands import examine_servers

        findings += await examine_servers(settings.home)
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    right = sys.version_info >= (3, 11)
    return Finding("python", "ok" if right else "fail", f"{version} at {sys.executable}")


async def _store(settings: Settings) -> list[Finding]:
    from tenuto.activities.store import Store

    key = "doctor/probe"
    try:
        store = Store(settings.store)
        await store.put(key, b"ok")
        same = await store.get(key) == b"ok"
        await store.delete([key])
    except Exception as error:  # noqa: BLE001 - whatever a store of any kind raises is the finding
        return [Finding("store", "fail", f"{settings.store} cannot be written: {str(error).splitlines()[0]}")]
    if not same:
        return [Finding("store", "fail", f"{settings.store} does not give back what was written")]
    return [Finding("store", "ok", f"{settings.store} can be written")]


async def _credentials(settings: Settings) -> list[Finding]:
    from tenuto.activities.credentials import Credentials, CredentialsFileError

    credentials = Credentials(settings.home)
    try:
        words, available = credentials.describe(), credentials.available()
    except CredentialsFileError as error:
        return [Finding("credentials", "fail", f"{error}; write it anew: tenuto auth")]
    if available:
        return [Finding("credentials", "ok", words)]
    return [Finding("credentials", "warn", f"{words}; only --simulate works: tenuto auth")]


async def _temporal(settings: Settings) -> list[Finding]:
    from ..connect import Unreachable, connect
    from ..service import server, service
    from .session import keep_stdout

    keep_stdout()
    if settings.embedded:
        try:
            program = server.binary()
        except server.ServerFailed as error:
            return [Finding("temporal", "fail", str(error))]
        running = service.current(settings.home)
        if running is None:
            return [Finding("temporal", "ok", f"{program}, not running; the next run starts it, or `tenuto up`")]
        settings = settings.at(running.address, running.ui)
    try:
        async with asyncio.timeout(5):
            client = await connect(settings)
            found = [Finding("temporal", "ok", f"{settings.address} answers")]
            return [
                *found,
                await _retention(client),
                await _workers(client, settings.task_queue),
                await _stuck(client, settings.task_queue),
            ]
    except TimeoutError:
        return [Finding("temporal", "fail", f"{settings.address} does not answer within 5 s")]
    except Unreachable as error:
        return [Finding("temporal", "fail", str(error))]


async def _retention(client: Client) -> Finding:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.service import RPCError

    try:
        answer = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=timedelta(seconds=3)
        )
    except RPCError as error:
        return Finding("retention", "fail", f"the namespace {client.namespace!r} cannot be read: {error.message}")
    days = answer.config.workflow_execution_retention_ttl.ToTimedelta() / timedelta(days=1)
    if days >= RETENTION_DAYS_MIN:
        return Finding("retention", "ok", f"closed histories are kept {days:.0f} days")
    return Finding(
        "retention",
        "warn",
        f"closed histories are kept {days:.0f} days, then a run cannot go on; {RETENTION_DAYS_MIN} at least: "
        f"temporal operator namespace update --retention {RETENTION_DAYS_MIN * 24}h -n {client.namespace}",
    )


async def _workers(client: Client, task_queue: str) -> Finding:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.service import RPCError

    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    try:
        answer = await client.workflow_service.describe_task_queue(request, timeout=timedelta(seconds=3))
    except RPCError as error:
        return Finding("worker", "warn", f"the Task Queue {task_queue!r} cannot be read: {error.message}")
    pollers = len({poller.identity for poller in answer.pollers})
    if pollers:
        return Finding("worker", "ok", f"{pollers} polled the Task Queue {task_queue!r} lately")
    return Finding("worker", "warn", f"none polls the Task Queue {task_queue!r}: tenuto up, or tenuto worker")


async def _stuck(client: Client, task_queue: str) -> Finding:
    """Runs that do not get on, for a reason that lies with the Workers."""
    from temporalio.service import RPCError

    from ..trouble import trouble_of

    found, looked_at = [], 0
    query = f"ExecutionStatus = 'Running' AND TaskQueue = '{task_queue}'"
    try:
        async for execution in client.list_workflows(query, limit=RUNS_LOOKED_AT):
            looked_at += 1
            described = await client.get_workflow_handle(execution.id, run_id=execution.run_id).describe()
            if trouble := await trouble_of(client, described):
                found.append(f"{execution.id} does not get on: {trouble}")
    except RPCError as error:
        return Finding("runs", "warn", f"they cannot be looked at: {error.message}")
    if found:
        return Finding("runs", "fail", "; ".join(found))
    return Finding("runs", "ok", f"{looked_at} live, none is stuck")


async def _hook(settings: Settings) -> list[Finding]:
    """Whether those who asked to be told are."""
    from obstore.exceptions import BaseError

    from tenuto.activities.store import Store, StoreError

    from ..untold import untold_notices

    try:
        untold = await untold_notices(Store(settings.store))
    except (OSError, BaseError, StoreError) as error:
        return [Finding("notify", "warn", f"it is not known what the hook did not take: {error}")]
    if untold:
        more = f" (and {len(untold) - 1} more)" if len(untold) > 1 else ""
        return [Finding("notify", "warn", f"{untold[-1].run_id}: {untold[-1].words}{more}")]
    if not settings.has_hook:
        return []
    whom = " and ".join(filter(None, [settings.notify_command and "a command", settings.notify_url]))
    return [Finding("notify", "ok", f"{whom} is told of questions, holds and the end of runs")]


async def _sandbox() -> list[Finding]:
    from tenuto.activities.sandbox.command import SandboxUnavailable
    from tenuto.activities.sandbox.force import describe_limits, describe_walls

    try:
        walls = Finding("sandbox", "ok", await describe_walls())
    except SandboxUnavailable as error:
        walls = Finding("sandbox", "warn", str(error))
    return [walls, *(Finding("limits", "ok", line) for line in describe_limits())]
