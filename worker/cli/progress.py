"""Progress of a run on stderr: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from .output import figures, notice

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tenuto.workflows.contracts import RunReport

PLAIN_EVERY_S = 2.0


class Progress(Protocol):
    """Where a follower shows what it sees. A context manager around the whole of following."""

    def update(self, report: RunReport) -> None:
        """Show the run as it is now."""

    def say(self, line: str) -> None:
        """Show one narrator line or notice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress(*, quiet: bool = False) -> Progress:
    """The progress that fits where stderr goes; `quiet` shows notices only."""
    if quiet:
        return PlainProgress(every_s=float("inf"))
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


class PlainProgress:
    """A line when figures have changed, at most every few seconds."""

    def __init__(self, every_s: float = PLAIN_EVERY_S) -> None:
        self._every_s = every_s
        self._started = self._shown = time.monotonic()
        self._last = ""
        self._status = "running"

    def update(self, report: RunReport) -> None:
        """Print the figures if they are news."""
        now = time.monotonic()
        line, status = _headline(report), _status(report)
        # What a run waits for is said at once, to a quiet follower too.
        told = status not in ("running", self._status)
        if told or (line != self._last and now - self._shown >= self._every_s):
            self._last, self._shown = line, now
            notice(f"[{now - self._started:.0f} s] {line}")
        self._status = status

    def say(self, line: str) -> None:
        """Print a line."""
        notice(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class LiveProgress:
    """Phases, agents, tokens, dollars and elapsed time, drawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True)
        self._started = time.monotonic()
        self._report: RunReport | None = None
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8, transient=True)

    def update(self, report: RunReport) -> None:
        """Draw the run as it is now."""
        self._report = report

    def say(self, line: str) -> None:
        """Print a line above the picture."""
        self._console.print(line, markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        elapsed = time.monotonic() - self._started
        if self._report is None:
            return Spinner("dots", Text(f" starting · {elapsed:.0f} s"))
        report = self._report
        table = Table.grid(padding=(0, 2))
        for phase in report.phases:
            share = phase.done / phase.agents if phase.agents else 0.0
            bar = Text("━" * round(share * 24), style="green") + Text("━" * (24 - round(share * 24)), style="dim")
            table.add_row(Text(phase.title), bar, Text(f"{phase.done}/{phase.agents}"))
        head = Spinner("dots", Text.assemble(" ", (report.workflow, "bold"), f" · {_status(report)} · {elapsed:.0f} s"))
        return Group(head, table, Text(figures(report), style="dim"))


def _status(report: RunReport) -> str:
    if report.trouble:
        return f"{report.status}, does not get on: {report.trouble}"
    held = report.waiting_for
    if held is None:
        return report.status
    until = f" until {held.until}" if held.until else ""
    return f"{report.status} for {held.kind}{until}: {held.message}"


def _headline(report: RunReport) -> str:
    phases = [f"{phase.title} {phase.done}/{phase.agents}" for phase in report.phases if phase.agents]
    return " · ".join([_status(report), *phases, figures(report)])
