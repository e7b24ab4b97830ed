"""Replays a history in the sandbox and hears what the Workflow asks for and how it ends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from tenuto.activities.store import Store
from tenuto.worker.plugin import TenutoPlugin
from tenuto.workflows.contracts import RunReport, WriteReportInput


@dataclass
class Heard:
    """`asked`: each Activity, in the order of the calls, with its input. `ends`: the report, or the error's type."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    ends: list[Any] = field(default_factory=list)

    @property
    def report(self) -> RunReport:
        """The report that the run kept."""
        return next(input.report for _, input in reversed(self.asked) if isinstance(input, WriteReportInput))


class Listening(Interceptor):
    """Core compares the kinds and ids of commands, not what is in them: this hears the rest."""

    def __init__(self) -> None:
        self.heard = Heard()

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        heard = self.heard

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
                heard.asked.append((input.activity, input.args[0] if input.args else None))
                return super().start_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                try:
                    value = await super().execute_workflow(input)
                except BaseException as error:
                    heard.ends.append(type(error).__name__)
                    raise
                heard.ends.append(value)
                return value

        return Inbound


async def replay(history: WorkflowHistory, store: Store) -> Heard:
    """Replay one history.

    Raises:
        NondeterminismError: the Workflow does something else than what is recorded.
        RuntimeError: its Workflow Task fails.
    """
    listening = Listening()
    replayer = Replayer(workflows=[], plugins=[TenutoPlugin(store)], interceptors=[listening])
    await replayer.replay_workflow(history)
    return listening.heard


def history_of(data: dict[str, Any]) -> WorkflowHistory:
    """The history in a golden file, under the Workflow Id it was recorded with."""
    started = data["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], data)


def recorded_inputs(history: WorkflowHistory) -> list[tuple[str, Any]]:
    """Each scheduled Activity's type and input as plain JSON, in order."""
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in History(events=history.events).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    return [(one.activity_type.name, plain(one.input)) for one in scheduled]


def plain(payloads: Payloads) -> Any:
    """The first payload of a JSON-encoded list; nothing in it for a call without arguments."""
    return json.loads(payloads.payloads[0].data) if payloads.payloads else {}
