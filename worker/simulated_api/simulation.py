"""The simulated API without HTTP: from the headers and body of a request to a plan of its response."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import sse
from .answers import Answer, answer, broken_off
from .cache import InputUsage, PromptCache, count_request, count_text
from .context_edits import Edited, edited, iteration
from .conversation import Conversation, canonical
from .errors import ERROR_TYPES, ApiError, default_message, error_body, invalid
from .rate_limits import RateLimits
from .request_log import TEXT_MAX, RequestLog
from .rules import Control, Fault, Reply, Rule, Rulebook
from .server_tools import requests_by_tool
from .thinking import ThinkingMemory
from .validate import VERSIONS, check_request
from .validate_context import check_betas

BODY_BYTES_MAX = 32 * 1024 * 1024
_LOGGED_HEADERS = ("idempotency-key", "x-stainless-retry-count", "anthropic-beta", "traceparent")

Headers = Mapping[str, str]
"""Request headers, names in lower case."""


@dataclass(slots=True)
class Plan:
    """A response, decided but not sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    record: dict[str, Any]
    body: bytes = b""
    """The whole body, where the answer is not streamed."""
    frames: list[bytes] = field(default_factory=list)
    """The events, where it is."""
    outcome: str = "completed"
    usage: dict[str, Any] | None = None
    stop_reason: str | None = None
    latency_s: float = 0.0
    chunk_s: float = 0.0
    pauses_s: dict[int, float] = field(default_factory=dict)
    """Silence before single events, by their place in `frames`."""
    cut_after: int | None = None
    stall_after: int | None = None
    stall_pings_s: float | None = None
    begun: Callable[[], None] = lambda: None


class Simulation:
    """All state of one simulated API. Not thread-safe beyond single calls; one event loop serves it."""

    def __init__(self, log_path: str | Path | None = None, latency_s: float = 0.0) -> None:
        self.log = RequestLog(log_path)
        self.rules = Rulebook()
        self.cache = PromptCache(time.monotonic)
        self.limits = RateLimits(time.time)
        self.thinking = ThinkingMemory()
        self._defaults = Control(
            latency_s=latency_s,
            chunk_s=0.0,
            api_keys=[],
            strict_schemas=True,
            caching=True,
            refused_betas=[],
            context_tokens_max=0,
        )
        self._settings = self._defaults
        self._boot = secrets.token_hex(4)

    # ------------------------------------------------------------------------------------------------- control

    def control(self, control: Control) -> dict[str, Any]:
        """Apply a control request; returns `state()`."""
        if control.reset:
            self.rules.clear()
            self.log.clear()
            self.cache.clear()
            self.thinking.clear()
            self.limits.set(type(self.limits.limits)())
            self._settings = self._defaults
        self.rules.add(control.rules)
        if control.limits is not None:
            self.limits.set(control.limits)
        names = ("latency_s", "chunk_s", "api_keys", "strict_schemas", "caching", "refused_betas", "context_tokens_max")
        given = {name: getattr(control, name) for name in names if getattr(control, name) is not None}
        self._settings = self._settings.model_copy(update=given)
        self.cache.on = bool(self._settings.caching)
        return self.state()

    def state(self) -> dict[str, Any]:
        """Settings and rules in force, as JSON. Accepted credentials are shown as hashes."""
        settings = self._settings
        return {
            "rules": self.rules.state(),
            "latency_s": settings.latency_s,
            "chunk_s": settings.chunk_s,
            "api_keys": [key_hash(key) for key in settings.api_keys or ()],
            "strict_schemas": settings.strict_schemas,
            "caching": settings.caching,
            "refused_betas": settings.refused_betas,
            "context_tokens_max": settings.context_tokens_max,
            "limits": self.limits.limits.model_dump(),
            "cache_entries": len(self.cache),
            "requests": self.log.started_total,
        }

    # ------------------------------------------------------------------------------------------------ requests

    def authenticate(self, headers: Headers) -> str:
        """The credential of a request.

        Raises:
            ApiError: status 401 where there is none or it is not accepted, 400 where the API version is none.
        """
        key = credential(headers)
        if not key:
            raise ApiError(401, "x-api-key header is required")
        accepted = self._settings.api_keys
        if accepted and key not in accepted:
            raise ApiError(401, "invalid x-api-key" if "x-api-key" in headers else "Invalid authentication credentials")
        if "anthropic-version" not in headers:
            raise invalid("anthropic-version: header is required")
        if headers["anthropic-version"] not in VERSIONS:
            raise invalid(f"anthropic-version: {headers['anthropic-version']!r} is not a valid version")
        return key

    def count_tokens(self, headers: Headers, raw: bytes) -> dict[str, Any]:
        """The body of `POST /v1/messages/count_tokens`. Raises `ApiError`."""
        self.authenticate(headers)
        body = parse_body(raw)
        self._check(body, headers, counting=True)
        return {"input_tokens": count_request(edited(body, 1).body)}

    def plan(self, headers: Headers, raw: bytes) -> Plan:
        """Decide about one `POST /v1/messages` and log that it came. `ended` must follow."""
        number = self.log.started_total + 1
        request_id = f"req_sim{self._boot}{number:08d}"
        record: dict[str, Any] = {
            "id": request_id,
            "received": time.time(),
            "key": key_hash(credential(headers)),
            "prompt": "",
            "model": None,
            "headers": {name: headers[name] for name in _LOGGED_HEADERS if name in headers},
        }
        try:
            plan = self._answer(headers, raw, record, f"msg_sim{self._boot}{number:08d}")
        except ApiError as error:
            plan = _error_plan(error, record)
        plan.headers += [(b"request-id", request_id.encode()), *self.limits.headers(record["key"])]
        plan.record = self.log.start({**record, "status": plan.status})
        return plan

    def ended(self, plan: Plan, outcome: str) -> None:
        """Log how a planned response ended; `outcome` as in `RequestLog.finish`."""
        self.log.finish(plan.record, at=time.time(), outcome=outcome, usage=plan.usage, stop_reason=plan.stop_reason)

    def _check(self, body: Any, headers: Headers, *, counting: bool = False) -> None:
        settings = self._settings
        betas = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",") if beta.strip()]
        check_betas(betas, settings.refused_betas or ())
        strict = bool(settings.strict_schemas)
        version = headers["anthropic-version"]
        check_request(body, version=version, strict_schemas=strict, counting=counting, betas=betas)
        self.thinking.check(body["messages"])

    def _answer(self, headers: Headers, raw: bytes, record: dict[str, Any], message_id: str) -> Plan:
        key = self.authenticate(headers)
        body = parse_body(raw)
        self._check(body, headers)
        conversation = Conversation.of(body)
        _describe(record, conversation)
        rule = self.rules.pick(conversation, key) or Rule()
        fault, reply = rule.fault or Fault(), rule.reply_to(conversation) or Reply()
        latency_s = self._settings.latency_s if rule.latency_s is None else rule.latency_s
        latency_s = (latency_s or 0.0) + fault.delay_s
        streamed = bool(body.get("stream"))
        if fault.status is not None or (fault.sse_error and not streamed):
            return _error_plan(_demanded(fault), record, latency_s)
        seen = edited(body, conversation.turn, reply.compaction)
        record["applied_edits"] = [edit["type"] for edit in seen.applied]
        made, paid = self._sampled(key, conversation, seen, answer(conversation, reply, fault))
        self.thinking.note(made.content)
        plan = Plan(200, [(b"content-type", b"text/event-stream; charset=utf-8")], record, latency_s=latency_s)
        plan.usage, plan.begun, plan.stop_reason = paid.usage, paid.begun, made.stop_reason
        plan.chunk_s = (self._settings.chunk_s if rule.chunk_s is None else rule.chunk_s) or 0.0
        plan.cut_after, plan.stall_after = fault.cut_after_events, fault.stall_after_events
        plan.stall_pings_s = fault.stall_pings_s
        edits = seen.applied if body.get("context_management") is not None else None
        if not streamed:
            plan.headers = [(b"content-type", b"application/json")]
            plan.body = _json(sse.message_body(made, message_id, conversation.model.id, plan.usage, edits))
            return plan
        plan.headers.append((b"cache-control", b"no-cache"))
        plan.frames = sse.events(made, message_id, conversation.model.id, plan.usage, edits)
        if seen.summary is not None and reply.compaction_s:
            plan.pauses_s[sse.FIRST_DELTA] = reply.compaction_s
        if fault.sse_error:
            failed = error_body(fault.sse_error, fault.message or default_message(fault.sse_error), record["id"])
            plan.frames = [*plan.frames[: fault.sse_error_after_events], sse.frame(failed)]
            plan.outcome = "error"
        return plan

    def _sampled(self, key: str, conversation: Conversation, seen: Edited, made: Answer) -> tuple[Answer, _Paid]:
        """The answer as the context window lets it be, with the summary it follows, and what both cost."""
        limit = self._settings.context_tokens_max or conversation.model.context_tokens_max
        costs = [self.cache.account(key, replace(conversation, body=seen.body))]
        total = costs[0].total if seen.summary is None else count_request(seen.before)
        if total > limit:
            raise invalid(f"prompt is too long: {total} tokens > {limit} maximum")
        if made.output_tokens > limit - costs[0].total:
            made = replace(broken_off(made, limit - costs[0].total), stop_reason="model_context_window_exceeded")
        usage = costs[0].as_usage(made.output_tokens)
        used = requests_by_tool(made.content)
        if used is not None:
            usage["server_tool_use"] = used
        written = made.output_tokens
        if seen.summary is not None:
            costs.append(self.cache.account(key, replace(conversation, body=seen.before)))
            summary_tokens = count_text(seen.summary["content"])
            written += summary_tokens
            usage["iterations"] = [
                iteration("compaction", costs[1].as_usage(summary_tokens)),
                iteration("message", usage),
            ]
            made = replace(made, content=[seen.summary, *made.content])
        self.limits.admit(key_hash(key), sum(cost.total - cost.cache_read for cost in costs))
        self.limits.used(key_hash(key), written)
        return made, _Paid(usage, costs)


@dataclass(frozen=True, slots=True)
class _Paid:
    usage: dict[str, Any]
    costs: list[InputUsage]

    def begun(self) -> None:
        """The response begins: what the request wrote to the cache exists."""
        for cost in self.costs:
            cost.begun()


def credential(headers: Headers) -> str:
    """The API key or bearer token of a request, or an empty text."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")


def key_hash(key: str) -> str:
    """How a credential is named in logs: 12 hex digits of its hash, or `anonymous`."""
    return hashlib.sha256(key.encode()).hexdigest()[:12] if key else "anonymous"


def parse_body(raw: bytes) -> Any:
    """The JSON of a request body.

    Raises:
        ApiError: status 413 over 32 MiB, 400 for what is not JSON.
    """
    if len(raw) > BODY_BYTES_MAX:
        raise ApiError(413, "Request exceeds the maximum size")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error


def _describe(record: dict[str, Any], conversation: Conversation) -> None:
    body = conversation.body
    record.update(
        model=conversation.model.id,
        prompt=conversation.prompt[:TEXT_MAX],
        turn=conversation.turn,
        stream=bool(body.get("stream")),
        schema=conversation.schema is not None,
        effort=(body.get("output_config") or {}).get("effort"),
        digest=conversation.digest[:16],
    )


def _demanded(fault: Fault) -> ApiError:
    """The error that a rule asks for."""
    status = fault.status or next((code for code, type in ERROR_TYPES.items() if type == fault.sse_error), 500)
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        whole = fault.retry_after == math.floor(fault.retry_after)
        headers["retry-after"] = str(int(fault.retry_after) if whole else fault.retry_after)
    return ApiError(
        status, fault.message, type=fault.type or (fault.sse_error if not fault.status else None), headers=headers
    )


def _error_plan(error: ApiError, record: dict[str, Any], latency_s: float = 0.0) -> Plan:
    headers = {
        "content-type": "application/json",
        "x-should-retry": "true" if error.status in (408, 409, 429) or error.status >= 500 else "false",
        **error.headers,
    }
    record["error"] = error.type
    return Plan(
        error.status,
        [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        record,
        body=_json(error_body(error.type, error.message, record["id"])),
        outcome="error",
        latency_s=latency_s,
    )


def _json(value: Any) -> bytes:
    return canonical(value).encode("utf-8", "replace")
