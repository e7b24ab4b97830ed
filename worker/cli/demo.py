"""`tenuto demo`: the tour. A run on a small legacy package whose Worker is killed half-way."""

from __future__ import annotations

import asyncio
import json as jsonlib
import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Settings, UsageError
from .output import notice, print_json
from .progress import progress
from .run_command import RunOptions, build_input
from .session import open_runs

if TYPE_CHECKING:
    from tenuto.workflows.contracts import RunReport

    from ..runs import Runs

DEMO = Path(__file__).parents[1] / "demo"
WIDTH = 4
KILL_AFTER_DONE = 8
"""Agents that have finished when the Worker is killed: a third of the run."""
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Tour:
    """What happened."""

    report: RunReport
    result: dict[str, Any]
    killed: int
    """Process id of the Worker that was killed."""
    done_before: dict[str, str]
    """Agents that had finished before the kill: id -> label."""
    asked_again: list[str]
    """Labels of those among them that were asked again afterwards: there must be none."""


def run_demo(*, json: bool) -> int:
    """Run the demo; exit code 0 if the run completed and no finished agent ran again."""
    settings = Settings.load()
    if not settings.embedded:
        raise UsageError("the demo kills its own Worker, so it wants the embedded service: unset TEMPORAL_ADDRESS")
    if settings.disabled_by:
        raise UsageError(f"{settings.disabled_by} turns starting runs off; unset it to see the demo")
    simulate = _no_key(settings)
    tour = asyncio.run(_tour(settings, simulate))
    kept = not tour.asked_again and tour.report.status == "completed"
    if json:
        print_json(
            {
                "report": {**tour.report.model_dump(mode="json"), "result": tour.result},
                "killed_worker_pid": tour.killed,
                "done_before_kill": tour.done_before,
                "asked_again": tour.asked_again,
            }
        )
    else:
        _tell(tour)
    return 0 if kept else 1


def _no_key(settings: Settings) -> bool:
    from tenuto.activities.credentials import Credentials

    simulate = not Credentials(settings.home).available()
    if simulate:
        notice("No credential was found, so the agents are SIMULATED: their answers are made up beforehand, everything")
        notice(
            "else is real: Temporal server, Worker, HTTP, streaming, crash. `tenuto auth` keeps a key for real agents."
        )
    else:
        notice("Real agents: this asks the model about 25 short questions, for a few cents.")
    return simulate


async def _tour(settings: Settings, simulate: bool) -> Tour:
    from ..runs import new_run_id
    from ..service import service

    running = service.ensure(settings, take_environment=not simulate, notice=notice)
    settings = settings.at(running.address, running.ui)
    runs = open_runs(settings, starts=False)
    run_id = new_run_id()
    options = RunOptions(
        script=str(DEMO / "audit_package.py"), args=jsonlib.dumps({"files": _files()}), simulate=simulate
    )
    run_input = build_input(options, settings, DEMO)
    run_input.limits.concurrency = WIDTH
    run_input.search_attributes = await runs.has_search_attributes()
    started = await runs.start(run_input, run_id)
    notice(f"\n{run_id}: 8 files, one finder each, two sceptics per finding, {WIDTH} agents at once")
    notice(f"watch it in the Temporal UI: {started.ui}\n")
    mark = _log_size(settings.home)
    with progress() as shown:
        before = await _until(runs, run_id, shown.update, lambda report: report.census.done >= KILL_AFTER_DONE)
        killed = _kill_worker(settings.home)
        shown.say(
            f"kill -9 {killed}: the Worker is gone, with {before.census.done} agents done and "
            f"{before.census.running} in the middle of their work"
        )
        after = await _until(runs, run_id, shown.update, lambda report: report.status != "running")
    done = {agent.id: agent.label for agent in before.agents if agent.state == "done"}
    again = _asked_again(settings.home, mark, done) if simulate else _retried(before, after, done)
    return Tour(after, jsonlib.loads(await runs.result(after) or b"{}"), killed, done, again)


async def _until(runs: Runs, run_id: str, show: Any, enough: Any) -> RunReport:
    from temporalio.service import RPCError

    from ..connect import Unreachable

    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                report = await runs.report(run_id)
            except (Unreachable, RPCError):
                await asyncio.sleep(0.2)  # no Worker answers while one is being started
                continue
            show(report)
            if enough(report):
                return report
            await asyncio.sleep(0.1)


def _kill_worker(home: Path) -> int:
    from ..service import service

    running = service.current(home)
    if running is None or not running.worker_pids:
        raise UsageError("the embedded service went away during the demo; `tenuto doctor` looks for the reason")
    os.kill(running.worker_pids[0], signal.SIGKILL)
    return running.worker_pids[0]


def _files() -> list[dict[str, str]]:
    folder = DEMO / "legacy_shop"
    return [{"path": path.name, "text": path.read_text(encoding="utf-8")} for path in sorted(folder.glob("*.py"))]


# ------------------------------------------------------------------------------ was anybody asked twice?


def _log_path(home: Path) -> Path:
    from ..simulation import request_log

    return request_log(home)


def _log_size(home: Path) -> int:
    path = _log_path(home)
    return path.stat().st_size if path.exists() else 0


def _asked_again(home: Path, mark: int, done: dict[str, str]) -> list[str]:
    """Finished agents that the simulated API was asked for more than once, by its own log."""
    with _log_path(home).open("rb") as log:
        log.seek(mark)
        records = [jsonlib.loads(line) for line in log]
    asked = Counter(record["prompt"] for record in records if record["event"] == "started")
    return [label for label in done.values() if _times(label, asked) != 1]


def _times(label: str, asked: Counter[str]) -> int:
    """How often the agent of that label was asked; the script's labels name the file and the lens."""
    verb, _, rest = label.partition(" ")
    path, _, lens = rest.partition(" (")
    opening = f"Name the worst defect of {path}." if verb == "find" else f"{lens.rstrip(')').capitalize()} "
    return sum(
        count
        for prompt, count in asked.items()
        if prompt.startswith(opening) and (verb == "find" or f" of {path}, " in prompt)
    )


def _retried(before: RunReport, after: RunReport, done: dict[str, str]) -> list[str]:
    """Finished agents whose books changed after the kill."""
    then = {agent.id: agent for agent in before.agents}
    now = {agent.id: agent for agent in after.agents}
    return [label for id, label in done.items() if then[id] != now[id]]


def _tell(tour: Tour) -> None:
    from rich.console import Console
    from rich.table import Table

    report, console = tour.report, Console()
    findings = tour.result.get("findings", [])
    table = Table("file", "line", "finding", "sceptics who could not refute it")
    for finding in findings:
        table.add_row(finding["path"], str(finding["line"]), finding["title"], finding["votes"])
    console.print(table)
    console.print(tour.result.get("report", ""), markup=False, highlight=False)
    console.print(
        f"\n{report.status}: {report.census.done} of {report.census.agents} agents done. "
        f"{len(tour.done_before)} had finished before the Worker was killed; "
        f"{len(tour.asked_again) or 'none'} of them ran again.",
        highlight=False,
    )
    console.print(f"Look at it:  tenuto show {report.run_id}", highlight=False)
    if report.ui:
        console.print(f"             {report.ui}  (Timeline: every agent by name)", highlight=False, soft_wrap=True)
    console.print("The embedded service goes on running; `tenuto down` ends it.", highlight=False)
