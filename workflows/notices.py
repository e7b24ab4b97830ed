"""What a run tells people outside: that it asks, that it is held up, that it has ended. Each once."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.exceptions import TemporalError

from .notification import Notification

with workflow.unsafe.imports_passed_through():
    from .notice_contracts import Notice, NoticeInput

if TYPE_CHECKING:
    from .contracts import RunReport, WaitingFor
    from .people_contracts import QuestionView
    from .run import Run

SAME_HOLD = timedelta(minutes=10)
"""A hold of a kind that was told so lately is not told again: a limit may come and go for hours."""
UNTOLD = ("question", "event")
"""Holds that are no news: a question is told by itself, and an event is for programs."""
TASK_TIMEOUT = timedelta(seconds=4)


class Notices:
    """The notices of one run; of a run that was started without a hook there are none."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.numbered = 0
        self._told: dict[str, float] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}  # a dict keeps the order, which replay depends on

    @property
    def under_way(self) -> bool:
        """Whether one is being handed over."""
        return bool(self._tasks)

    def asked(self, view: QuestionView) -> None:
        """A question was asked."""
        if self._run.input.notify:
            answer = f"tenuto answer {self._run.id} {view.id} ANSWER"
            self._soon("question", view.question, question=view.model_copy(), answer_with=answer)

    def held(self, held: WaitingFor) -> None:
        """Something holds the run up that did not before."""
        if not self._run.input.notify or held.kind in UNTOLD:
            return
        last = self._told.get(held.kind)
        if last is not None and workflow.time() - last < SAME_HOLD.total_seconds():
            return
        self._told[held.kind] = workflow.time()
        self._soon("waiting", f"waiting for {held.kind}: {held.message}", status="waiting", waiting_for=held)

    async def ended(self, report: RunReport) -> None:
        """The run has ended, and its report is kept. Waits until the notice is on its way."""
        if not self._run.input.notify:
            return
        census = report.census
        message = f"{report.status}: {census.done + census.cached} of {census.agents} agents, ${report.usage.usd:.4f}"
        if report.error is not None:
            message = f"{report.status}: {report.error.kind}: {report.error.message}"
        if self._tasks:
            await workflow.wait(list(self._tasks))
        await self._tell(self._notice("ended", message, status=report.status, **_unless_none(error=report.error)))

    def _soon(self, event: str, message: str, **given: Any) -> None:
        task = asyncio.create_task(self._tell(self._notice(event, message, **given)))
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)

    def _notice(self, event: Any, message: str, **given: Any) -> Notice:
        run = self._run
        self.numbered += 1
        status = given.pop("status", None) or run.report(agents="none").status
        return Notice(
            id=f"{run.id}/notice-{self.numbered}",
            event=event,
            at=workflow.now().astimezone(UTC).isoformat().replace("+00:00", "Z"),
            run_id=run.id,
            workflow=run.input.script.name,
            status=status,
            owner=run.input.owner,
            message=" ".join(message.split()),
            census=run.ledger.census,
            usage=run.ledger.usage,
            **given,
        )

    async def _tell(self, notice: Notice) -> None:
        try:
            await workflow.start_child_workflow(
                Notification.run,
                NoticeInput(notice=notice),
                id=notice.id,
                task_timeout=TASK_TIMEOUT,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"{notice.event}: {notice.message[:80]}",
            )
        except TemporalError as error:
            self._run.say(f"the notice of {notice.event} could not be handed over: {error}")


def _unless_none(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
