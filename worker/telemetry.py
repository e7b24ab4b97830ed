"""Traces of a run: wired from the start, off by default.

`OTEL_EXPORTER_OTLP_ENDPOINT` (the OpenTelemetry convention) turns them on, with the extra `tenuto[otlp]` installed.
"""

from __future__ import annotations

import os

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider

from .config import UsageError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
FLUSH_MS = 2000
"""A collector that does not answer holds up the end of a process no longer than this."""


def wanted() -> bool:
    """Whether the environment names a collector and does not switch the SDK off."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(os.environ.get(name) for name in ENDPOINTS)


def tracing_plugin() -> OpenTelemetryPlugin | None:
    """The plugin that spans Workflows and Activities, or `None` where tracing is off.

    Raises:
        UsageError: tracing is asked for and the exporter is not installed.
    """
    if not wanted():
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise UsageError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the exporter is not installed: pip install 'tenuto[otlp]'"
        ) from None
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        name = os.environ.get("OTEL_SERVICE_NAME", "tenuto")
        provider = create_tracer_provider(resource=Resource.create({"service.name": name}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    return OpenTelemetryPlugin(add_temporal_spans=True)


def flush() -> None:
    """Send the spans that are still held back. Call it before `os._exit`, which runs no exit handlers."""
    send = getattr(trace.get_tracer_provider(), "force_flush", None)
    if send is not None:
        send(FLUSH_MS)
