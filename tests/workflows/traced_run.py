"""One traced run in a process of its own: a tracer provider is set once in a process and cannot be taken back.

`python -m tests.workflows.traced_run FILE` writes its spans to FILE as one JSON document.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tenuto.activities.agent import AgentActivities
from tenuto.activities.credentials import Credentials
from tenuto.activities.reports import ReportActivities
from tenuto.activities.store import Store
from tenuto.worker.plugin import TenutoPlugin
from tenuto.worker.simulated_api import SimulatedApi
from tenuto.workflows.contracts import RunInput, Script
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.script.dialects import close_interpreters, load

SOURCE = """export const meta = { name: 'traced', description: 'Three agents, one after two' }
const both = await parallel([() => agent('first'), () => agent('second')])
await agent(`last of ${both.length}`)
return 'done'
"""


async def traced(folder: Path) -> list[ReadableSpan]:
    """Run the script with a Worker that keeps nothing between two Workflow Tasks, so that each one is a replay."""
    exporter = InMemorySpanExporter()
    provider = create_tracer_provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    store = Store(folder.as_uri())
    async with (
        SimulatedApi() as api,
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
            dev_server_log_level="error",
            plugins=[TenutoPlugin(store), OpenTelemetryPlugin(add_temporal_spans=True)],
        ) as environment,
    ):
        environ = {"ANTHROPIC_API_KEY": "sk-ant-test", "ANTHROPIC_BASE_URL": api.url}
        url = api.url

        async def simulated_url() -> str:
            return url

        agents = AgentActivities(store, Credentials(folder, environ), simulated_url)
        reports = ReportActivities(store)
        async with Worker(
            environment.client,
            task_queue="traced",
            activities=[agents.run_agent, reports.write_report, reports.append_log],
            max_cached_workflows=0,
        ):
            report = await environment.client.execute_workflow(
                Orchestration.run,
                RunInput(script=Script.of(load(SOURCE.encode(), "traced.js"))),
                id="wf_traced",
                task_queue="traced",
                task_timeout=timedelta(seconds=4),
            )
        await agents.close()
    assert report.result == "done"
    return list(exporter.get_finished_spans())


def told(span: ReadableSpan) -> dict[str, Any]:
    """What the tests look at."""
    context = span.get_span_context()
    return {
        "name": span.name,
        "trace": f"{context.trace_id:032x}" if context else None,
        "id": f"{context.span_id:016x}" if context else None,
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        spans = [told(span) for span in asyncio.run(traced(Path(place)))]
    Path(sys.argv[1]).write_text(json.dumps(spans), encoding="utf-8")
    close_interpreters()
    sys.stdout.flush()
    os._exit(0)
