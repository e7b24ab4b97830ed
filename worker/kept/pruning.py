"""Removing what is kept of runs that ended long ago: store, clones, homes of commands; never of a run that may live.

A clone goes only when its work is in the user's repository. A run whose clone cannot be kept stays whole.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError

from tenuto.activities.sandbox.sweep import remove_home
from tenuto.activities.store import Store
from tenuto.activities.workspace import ref_names
from tenuto.activities.workspace.clone import Clones
from tenuto.activities.workspace.sweep import sweep
from tenuto.workflows.contracts import RunInput, RunReport

from ..config import UsageError
from ..connect import Unreachable
from ..runs import ENDED, Runs


@dataclass(slots=True)
class Prunable:
    """One run that can go, with what it takes up in bytes."""

    run_id: str
    workflow: str
    status: str
    ended_at: str | None
    store_bytes: int = 0
    store_objects: int = 0
    disk_bytes: int = 0
    """Of clones and homes of commands on this host."""
    removed: bool = False
    kept_because: str | None = None
    """Why it stayed after all."""


@dataclass(slots=True)
class Plan:
    """What can go, and what stays for a reason that a person should know."""

    prunable: list[Prunable] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)
    """Run -> why it is not touched, old as it is."""
    younger: int = 0
    """Runs that ended since."""


class Pruning:
    """Looks for old runs and removes them. `home` is `TENUTO_HOME`."""

    def __init__(self, runs: Runs, home: Path) -> None:
        self._runs = runs
        self._store: Store = runs.store
        self._home = home
        self._clones = Clones(home)
        self._payloads: list[str] | None = None

    async def plan(self, before: datetime) -> Plan:
        """Runs that ended before a moment. A Temporal Service is asked which runs live, if one answers.

        Raises:
            What the store raises.
        """
        plan = Plan()
        alive = await self._alive()
        known = sorted({*await self._store.folders("runs"), *await asyncio.to_thread(self._on_disk)})
        needed = await self._needed(known, alive)
        for run_id in known:
            report = await self._report(run_id)
            given = await self._input(run_id) if report is None else None
            why = _stays(run_id, alive, needed)
            ended_at = report.ended_at if report is not None else await self._closed_at(run_id, given)
            old = ended_at is not None and _moment(ended_at) < before
            if not old:
                plan.younger += why is None
                if ended_at is None and why is None:
                    plan.stays[run_id] = "it is not known when it ended, and its age neither"
                continue
            if why is not None:
                plan.stays[run_id] = why
                continue
            found = Prunable(
                run_id,
                workflow=report.workflow if report else given.script.name if given else "?",
                status=report.status if report else "cut off",
                ended_at=ended_at,
            )
            await self._measure(found)
            plan.prunable.append(found)
        return plan

    async def remove(self, found: Prunable) -> None:
        """Remove one run; what cannot be removed safely stays, and `kept_because` says why.

        Raises:
            What the store raises.
        """
        swept = await sweep(self._clones, found.run_id)
        if swept.left:
            found.kept_because = "; ".join(swept.left.values())
            return
        await asyncio.to_thread(remove_home, self._home / "sandboxes" / found.run_id)
        keys = [key for prefix in await self._prefixes(found.run_id) for key in await self._store.keys(prefix)]
        # The report last: as long as it is there, the run is known to have ended, and pruning can go on.
        last = [f"runs/{found.run_id}/report.json"]
        await self._store.delete([key for key in keys if key not in last])
        await self._store.delete([key for key in keys if key in last])
        await self._forget(found.run_id)
        found.removed = True

    async def _forget(self, run_id: str) -> None:
        """Take the closed histories out of the embedded service: they refer to payloads that are gone.

        A Temporal Service of the user's own keeps them as long as its retention says.
        """
        if not self._runs.settings.embedded:
            return
        try:
            client = await self._runs.client()
        except Unreachable:
            return  # its own retention ends them
        query = f"WorkflowId = '{run_id}' OR WorkflowId STARTS_WITH '{run_id}/'"
        async for execution in client.list_workflows(query):
            if execution.close_time is not None:
                named = WorkflowExecution(workflow_id=execution.id, run_id=execution.run_id)
                request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=named)
                with suppress(RPCError):  # gone already
                    await client.workflow_service.delete_workflow_execution(request)

    # --------------------------------------------------------------------------------------------- looking

    async def _alive(self) -> set[str] | None:
        """Runs in execution; `None` where no Temporal Service says so."""
        try:
            client = await self._runs.client()
        except Unreachable:
            return None
        query = f"TaskQueue = '{self._runs.settings.task_queue}' AND ExecutionStatus = 'Running'"
        return {execution.id.partition("/")[0] async for execution in client.list_workflows(query)}

    async def _needed(self, known: list[str], alive: set[str] | None) -> dict[str, str]:
        """Run -> the run that has not ended and takes finished agents from its journal."""
        needed = {}
        for run_id in known:
            if (alive is None or run_id in alive) and await self._report(run_id) is None:
                given = await self._input(run_id)
                if given is not None and given.resume_from is not None:
                    needed[given.resume_from] = run_id
        return needed

    async def _closed_at(self, run_id: str, given: RunInput | None) -> str | None:
        """The end of a run that left no report: as Temporal has it; else, of one it forgot, when it began."""
        try:
            report = await self._runs.report(run_id, agents=False)
        except Unreachable:
            return None
        except UsageError:  # one that Temporal no longer knows
            if given is None or given.clock is None:
                return None
            return datetime.fromtimestamp(given.clock, UTC).isoformat()
        return report.ended_at if report.status in ENDED else None

    async def _measure(self, found: Prunable) -> None:
        for prefix in await self._prefixes(found.run_id):
            objects, size = await self._store.measured(prefix)
            found.store_objects += objects
            found.store_bytes += size
        folders = (self._clones.folder / ref_names.part(found.run_id), self._home / "sandboxes" / found.run_id)
        found.disk_bytes = sum([await asyncio.to_thread(_disk_bytes, folder) for folder in folders])

    async def _prefixes(self, run_id: str) -> list[str]:
        """Where the store has objects of a run: its own, and payloads of it and of its Child Workflows."""
        if self._payloads is None:
            self._payloads = await self._store.folders("payloads")
        own = quote(run_id, safe="")
        mine = [name for name in self._payloads if name == own or name.startswith(f"{own}%2F")]
        return [f"runs/{run_id}", *(f"payloads/{name}" for name in mine)]

    def _on_disk(self) -> list[str]:
        """Runs whose store is gone and whose clones are not. A folder's name is its run's, if it is a plain one."""
        if not self._clones.folder.is_dir():
            return []
        return [entry.name for entry in self._clones.folder.iterdir() if entry.is_dir()]

    async def _report(self, run_id: str) -> RunReport | None:
        try:
            return RunReport.model_validate_json(await self._store.get(f"runs/{run_id}/report.json"))
        except (FileNotFoundError, ValidationError):
            return None

    async def _input(self, run_id: str) -> RunInput | None:
        try:
            return RunInput.model_validate_json(await self._store.get(f"runs/{run_id}/input.json"))
        except (FileNotFoundError, ValidationError):
            return None


def _stays(run_id: str, alive: set[str] | None, needed: dict[str, str]) -> str | None:
    """Why a run is not touched, however old it is."""
    if alive is not None and run_id in alive:
        return "it has not ended"
    if run_id in needed:
        return f"{needed[run_id]}, which has not ended, resumes it"
    return None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _disk_bytes(folder: Path) -> int:
    """What a folder takes up; links are not followed, and what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(parent, name).lstat().st_blocks * 512
    return total
