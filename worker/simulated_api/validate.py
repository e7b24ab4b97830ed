"""What the Messages API refuses before a model sees it, in its own words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

from .errors import ApiError, invalid
from .models import MODELS, Line, Model
from .structured_output import check_output_schema
from .validate_context import check_context
from .validate_messages import check_blocks, check_messages
from .validate_tools import check_tools

CACHE_MARKS_MAX = 4
VERSIONS = ("2023-06-01", "2026-10-21")
"""Values of the `anthropic-version` header, the current one last."""
EFFORTS = ("low", "medium", "high", "xhigh", "max")
_FIELDS = {
    *("model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "stop_sequences", "metadata"),
    *("thinking", "output_config", "cache_control", "container", "context_management", "diagnostics", "inference_geo"),
    *("mcp_servers", "service_tier", "speed", "thread", "fallbacks", "fallback_credit_token", "billing_policy"),
    *("compaction", "prefill", "user_profile_id"),
}
_SAMPLING = {"temperature", "top_p", "top_k"}
"""Gone since API version 2026-10-21, even at their defaults."""


def check_request(
    body: Any,
    *,
    version: str = VERSIONS[-1],
    strict_schemas: bool = True,
    counting: bool = False,
    betas: Collection[str] = (),
) -> None:
    """Refuse a request body as the API does.

    `version` is the API version that the request names, `betas` are the beta features. `counting` is for
    `count_tokens`, which takes no `max_tokens` and does not answer. `strict_schemas` applies the limits of structured
    outputs to `output_config.format` and to strict tools.

    Raises:
        ApiError: status 400, or 404 for a model that there is not.
    """
    if not isinstance(body, dict):
        raise invalid("Input should be a valid dictionary or object to extract fields from")
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if name not in body:
            raise invalid(f"{name}: Field required")
    for name in body:
        if name not in _FIELDS and not (name in _SAMPLING and version < VERSIONS[-1]):
            raise invalid(f"{name}: Extra inputs are not permitted")
    model = _model(body["model"])
    if not counting:
        _check_numbers(body, model)
    _check_system(body.get("system"))
    check_messages(body["messages"], prefill=counting or model.prefill, older_api=version < VERSIONS[-1])
    check_tools(body, strict_schemas)
    check_context(body, model, betas)
    _check_output_config(body.get("output_config"), strict_schemas)
    _check_thinking(body, model)
    _check_cache_marks(body)


def _model(name: Any) -> Model:
    if not isinstance(name, str):
        raise invalid("model: Input should be a valid string")
    model = MODELS.get(name)
    if model is None:
        raise ApiError(404, f"model: {name}" + (f" ({_newest(name)})" if name in get_args(Line) else ""))
    return model


def _newest(line: str) -> str:
    return f"the newest {line} is {next(model.id for model in MODELS.values() if model.line == line)}"


def _check_numbers(body: dict[str, Any], model: Model) -> None:
    limit = body["max_tokens"]
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise invalid("max_tokens: Input should be a valid integer")
    if limit < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    if limit > model.output_tokens_max:
        raise invalid(
            f"max_tokens: {limit} > {model.output_tokens_max}, which is the maximum allowed number of output tokens for"
            f" {model.id}"
        )
    if not isinstance(body.get("stream", False), bool):
        raise invalid("stream: Input should be a valid boolean")
    stops = body.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop.strip() for stop in stops):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise invalid("system: Input should be a valid string or list")
    check_blocks("system", system)


def _check_output_config(config: Any, strict_schemas: bool) -> None:
    if config is None:
        return
    if not isinstance(config, dict):
        raise invalid("output_config: Input should be a valid dictionary")
    if config.get("effort") not in (None, *EFFORTS):
        raise invalid("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    form = config.get("format")
    if form is None:
        return
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise invalid("output_config.format.type: Input should be 'json_schema'")
    if not isinstance(form.get("schema"), dict):
        raise invalid("output_config.format.schema: Field required")
    check_output_schema("output_config.format.schema", form["schema"], limits=strict_schemas)


def _check_thinking(body: dict[str, Any], model: Model) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in ("enabled", "disabled", "adaptive", "between_tools"):
        raise invalid("thinking.type: Input should be 'enabled', 'disabled', 'adaptive' or 'between_tools'")
    if kind == "adaptive" and model.prefill:
        raise invalid("adaptive thinking is not supported on this model")
    if kind == "enabled" and not model.thinking_budget:
        raise invalid(
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and'
            ' "output_config.effort" to control thinking behavior.'
        )
    if kind == "enabled":
        tokens = thinking.get("budget_tokens")
        if not isinstance(tokens, int) or tokens < 1024:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if tokens >= body.get("max_tokens", tokens + 1):
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_cache_marks(body: dict[str, Any]) -> None:
    marked = [body, *(body.get("tools") or ())]
    for content in (body.get("system"), *(message["content"] for message in body["messages"])):
        if isinstance(content, list):
            marked.extend(content)
    marks = [holder["cache_control"] for holder in marked if holder.get("cache_control") is not None]
    if len(marks) > CACHE_MARKS_MAX:
        raise invalid(f"A maximum of {CACHE_MARKS_MAX} blocks with cache_control may be provided. Found {len(marks)}.")
    for mark in marks:
        if not isinstance(mark, dict) or mark.get("type") != "ephemeral":
            raise invalid("cache_control.type: Input should be 'ephemeral'")
        if mark.get("ttl", "5m") not in ("5m", "1h"):
            raise invalid("cache_control.ttl: Input should be '5m' or '1h'")
