"""Traces: off unless asked for; then one trace for a run, without doubles, at a real collector."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from temporalio.testing import WorkflowEnvironment

from tenuto.activities.store import Store
from tenuto.worker.config import UsageError
from tenuto.worker.plugin import TenutoPlugin
from tenuto.worker.telemetry import tracing_plugin, wanted
from tenuto.workflows.contracts import RunInput, Script
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.script.dialects import load

ROOT = Path(__file__).parents[2]
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SOURCE = "export const meta = { name: 't', description: 'd' }\nreturn await agent('say something')\n"
QUEUE = "collected"


def environ(**given: str) -> dict[str, str]:
    """The process environment without what would turn tracing on, and what is given."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}, **given}


def test_without_an_endpoint_there_is_no_plugin_and_no_tracer_provider() -> None:
    code = (
        "from opentelemetry import trace\n"
        "from tenuto.worker import connect\n"
        "print(connect.tracing_plugin(), type(trace.get_tracer_provider()).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environ(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "ProxyTracerProvider"]


@pytest.mark.parametrize(
    ("given", "on"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_environment_decides(given: dict[str, str], on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert wanted() is on


def test_an_endpoint_without_the_exporter_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(UsageError, match=r"pip install 'tenuto\[otlp\]'"):
        tracing_plugin()


def test_a_run_is_one_trace_without_doubles_though_every_task_is_a_replay(tmp_path: Path) -> None:
    out = tmp_path / "spans.json"
    command = [sys.executable, "-m", "tests.workflows.traced_run", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environ(), capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    spans: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
    assert len({span["trace"] for span in spans}) == 1
    names = {span["id"]: span["name"] for span in spans}
    assert len(names) == len(spans)
    agent = ("StartActivity:run_agent", "RunActivity:run_agent")
    report = ("StartActivity:write_report", "RunActivity:write_report")
    assert Counter((names.get(span["parent"]), span["name"]) for span in spans) == {
        (None, "StartWorkflow:Orchestration"): 1,
        ("StartWorkflow:Orchestration", "RunWorkflow:Orchestration"): 1,
        ("RunWorkflow:Orchestration", agent[0]): 3,
        agent: 3,
        (agent[1], "anthropic.messages.create"): 3,
        ("RunWorkflow:Orchestration", report[0]): 1,
        report: 1,
    }


@dataclass
class Collector:
    """An OTLP collector over HTTP, with what it was sent."""

    url: str = ""
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def spans(self) -> list[Any]:
        return [
            span
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.paths.append(self.path)
            found.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: requests are kept."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
        dev_server_log_level="error",
        plugins=[TenutoPlugin(Store((tmp_path / "store").as_uri()))],
    ) as environment:
        yield environment


@pytest.fixture
async def worker(service: WorkflowEnvironment, collector: Collector, tmp_path: Path) -> AsyncIterator[None]:
    """The Worker process as it is deployed, told where the collector is by environment only."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "tenuto.worker.process"),
        env=environ(
            TENUTO_HOME=str(tmp_path / "home"),
            TENUTO_STORE=(tmp_path / "store").as_uri(),
            TENUTO_LOCAL_STORE="1",
            TENUTO_TASK_QUEUE=QUEUE,
            TEMPORAL_ADDRESS=service.client.service_client.config.target_host,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_SERVICE_NAME="tenuto-under-test",
            OTEL_BSP_SCHEDULE_DELAY="100",
        ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    yield
    process.terminate()
    await asyncio.wait_for(process.wait(), 20)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("worker")
async def test_a_worker_sends_its_spans_to_the_collector_of_the_environment(
    service: WorkflowEnvironment, collector: Collector
) -> None:
    report = await service.client.execute_workflow(
        Orchestration.run,
        RunInput(script=Script.of(load(SOURCE.encode(), "s.js")), simulate=True),
        id="wf_collected",
        task_queue=QUEUE,
    )
    assert report.status == "completed"
    await until(lambda: any(span.name == "RunWorkflow:Orchestration" for span in collector.spans()))
    await until(lambda: any(span.name == "RunActivity:write_report" for span in collector.spans()))
    spans = collector.spans()
    assert {span.name for span in spans} == {
        "RunWorkflow:Orchestration",
        "StartActivity:run_agent",
        "RunActivity:run_agent",
        "anthropic.messages.create",
        "StartActivity:write_report",
        "RunActivity:write_report",
    }
    assert len({span.trace_id for span in spans}) == 1
    assert set(collector.paths) == {"/v1/traces"}
    names = [
        a.value.string_value for a in collector.requests[0].resource_spans[0].resource.attributes if "name" in a.key
    ]
    assert "tenuto-under-test" in names
