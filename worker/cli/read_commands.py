"""`show`, `result`, `ls`, `stop`: reading runs and stopping them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..config import Settings, UsageError
from .output import (
    INLINE_BYTES_MAX,
    cache_share,
    ending_lines,
    figures,
    notice,
    plain_result,
    print_json,
    print_result,
    print_rich,
    report_json,
    write_bytes,
)
from .session import open_runs

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tenuto.workflows.contracts import RunReport, Usage

    from ..runs import Runs

LISTED = 20
STDOUT = Path("-")
"""What `-o` takes for stdout, as other programs do."""
STOP_S = 30.0
ORDER = ("failed", "skipped", "running", "queued", "done", "cached")
"""What is amiss comes first in a list of agents."""
T = TypeVar("T")


def with_runs(work: Callable[[Runs], Coroutine[Any, Any, T]], *, local_store: bool | None = None) -> T:
    """Do something with the runs of this configuration.

    Raises:
        UsageError: bad input, or no Temporal Service answers.
    """
    from ..connect import Unreachable

    settings = Settings.load(local_store=local_store)
    try:
        return asyncio.run(work(open_runs(settings)))
    except Unreachable as error:
        raise UsageError(str(error)) from None


def show(run_id: str, *, json: bool) -> int:
    """Print one run; its result too where it is small."""

    async def read(runs: Runs) -> tuple[RunReport, bytes | None]:
        report = await runs.report(run_id)
        size = await runs.result_size(report) if report.status in ("completed", "degraded") else None
        if size is None or size > INLINE_BYTES_MAX:
            return report, None
        return report, await runs.result(report)

    report, result = with_runs(read)
    if json:
        write_bytes(report_json(report, result))
    else:
        print_rich(*_picture(report))
        if result is not None:
            notice("result:")
            print_result(result)
        elif report.result_ref is not None:
            notice(f"the result is large: tenuto result {run_id} -o FILE")
    return 0


def result(run_id: str, *, output: Path | None, json: bool) -> int:
    """Print or write the whole result."""

    async def read(runs: Runs) -> tuple[RunReport, bytes | None]:
        report = await runs.report(run_id)
        return report, await runs.result(report)

    report, data = with_runs(read)
    if data is not None and output == STDOUT:
        write_bytes(data if json else plain_result(data))
        return 0
    if data is not None and output is not None:
        try:
            output.write_bytes(data if json else plain_result(data))
        except OSError as error:
            raise UsageError(f"-o is {str(output)!r}, which cannot be written: {error.strerror}") from None
        notice(f"{output}: {output.stat().st_size:,} bytes")
        return 0
    if json:
        write_bytes(report_json(report, data))
    elif data is not None:
        print_result(data)
    else:
        why = f": {report.error.message}" if report.error else ""
        raise UsageError(f"{run_id} has no result, it is {report.status}{why}; see tenuto show {run_id}")
    return 0


def ls(*, everything: bool, json: bool) -> int:
    """List runs, newest first."""

    async def read(runs: Runs) -> list[RunReport]:
        return await runs.listing(None if everything else LISTED)

    reports = with_runs(read)
    if json:
        print_json([report.model_dump(mode="json") for report in reports])
        return 0
    if not reports:
        notice("no runs yet: tenuto run SCRIPT")
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in ("run", "workflow", "owner", "status", "agents", "dollars", "started"):
        table.add_column(head, no_wrap=head == "run")
    for report in reports:
        census = report.census
        agents = f"{census.done + census.cached}/{census.agents}"
        started = (report.started_at or "")[:19].replace("T", " ")
        status = f"{report.status} ({report.waiting_for.kind})" if report.waiting_for else report.status
        dollars = f"{report.usage.usd:.4f}"
        words = (Text(report.workflow), Text(report.owner or ""), status, agents, dollars, started)
        table.add_row(report.run_id, *words)
    print_rich(table)
    if not everything and len(reports) == LISTED:
        notice(f"the newest {LISTED}; all of them: tenuto ls --all")
    return 0


def stop(run_id: str, *, json: bool) -> int:
    """Stop a run and wait until it has ended, as long as a Worker can be expected to take."""

    async def end(runs: Runs) -> RunReport:
        from ..runs import ENDED

        report = await runs.report(run_id)
        if report.status in ENDED:
            notice(f"{run_id} had ended before")
            return report
        await runs.stop(run_id)
        try:
            async with asyncio.timeout(STOP_S):
                await runs.ended(run_id)
        except TimeoutError:
            notice(f"{run_id} was asked to stop; it does as soon as a Worker is up")
        return await runs.report(run_id)

    report = with_runs(end)
    for line in ending_lines(report):
        notice(line)
    if json:
        write_bytes(report_json(report, None))
    return 0


def _picture(report: RunReport) -> list[RenderableType]:
    from rich.text import Text

    from tenuto.workflows.details import gate_words, question_words
    from tenuto.workflows.truth import reviews_in_words

    head = Text.assemble((report.run_id, "bold"), f"  {report.workflow}  ", (report.status, "bold"))
    if report.owner:
        head.append(f"  of {report.owner}", style="dim")
    parts: list[RenderableType] = [head, Text(figures(report), style="dim")]
    if report.waiting_for:
        held = report.waiting_for
        until = f" until {held.until}" if held.until else ""
        parts.append(Text(f"waiting for {held.kind}{until}: {held.message}"))
    if report.trouble:
        parts.append(Text(f"does not get on: {report.trouble}"))
    for question in report.questions:
        parts.append(Text(f"  {question_words(question)}"))
        if question.state == "open":
            parts.append(Text(f"  tenuto answer {report.run_id} {question.id} ANSWER", style="dim"))
    for gate in report.gates:
        parts.append(Text(f"gate {gate.name}: {gate_words(gate)}"))
    if reviews := reviews_in_words(report):
        parts.append(Text(f"reviews: {reviews}"))
    if report.error or report.failures or report.notices:
        parts.append(Text("\n".join(ending_lines(report)[1:])))
    if report.ui:
        parts.append(Text(report.ui, style="dim", no_wrap=True, overflow="ignore"))
    parts += _ledger(report)
    if report.agents:
        parts.append(_agents(report))
    return parts


def _ledger(report: RunReport) -> list[RenderableType]:
    """What was spent, by phase and by model."""
    from rich.table import Table
    from rich.text import Text

    tables: list[RenderableType] = []
    if report.phases:
        phases = Table(box=None, pad_edge=False)
        for name in ("phase", "done", "agents", "tokens in", "out", "dollars"):
            phases.add_column(name)
        for phase in report.phases:
            phases.add_row(Text(phase.title), str(phase.done), str(phase.agents), *_spent(phase.usage))
        tables.append(phases)
    if len(report.models) > 1:
        models = Table(box=None, pad_edge=False)
        for name in ("model", "agents", "tokens in", "out", "dollars"):
            models.add_column(name)
        for model in report.models:
            models.add_row(model.model, str(model.agents), *_spent(model.usage))
        tables.append(models)
    return tables


def _spent(usage: Usage) -> tuple[str, str, str]:
    return f"{usage.tokens - usage.output_tokens:,}", f"{usage.output_tokens:,}", f"{usage.usd:.4f}"


def _agents(report: RunReport) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from tenuto.workflows.truth import tools_used

    cached = any(agent.usage.cache_read_input_tokens for agent in report.agents)
    tools = any(agent.tools.calls for agent in report.agents)
    further = [*(["cached"] if cached else []), *(["tools"] if tools else [])]
    table = Table(box=None, pad_edge=False)
    for name in ("agent", "label", "phase", "state", "model", *further, "dollars", "seconds"):
        table.add_column(name)
    for agent in sorted(report.agents, key=lambda agent: ORDER.index(agent.state)):
        words = (agent.id, Text(agent.label), Text(agent.phase or ""), agent.state, agent.model)
        share = [f"{cache_share(agent.usage):.0%}"] if cached else []
        used = [tools_used(agent)] if tools else []
        table.add_row(*words, *share, *used, f"{agent.usd:.4f}", f"{agent.ms / 1000:.1f}")
    return table
