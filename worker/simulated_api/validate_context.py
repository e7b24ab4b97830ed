"""What the Messages API refuses in `context_management`, and in the blocks that come back from it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .context_edits import CLEAR_THINKING, CLEAR_TOOL_USES, COMPACT
from .errors import invalid
from .models import Model

BETA_OF = {
    COMPACT: "compact-2026-01-12",
    CLEAR_TOOL_USES: "context-management-2025-06-27",
    CLEAR_THINKING: "context-management-2025-06-27",
}
COMPACT_TRIGGER_MIN = 50_000
_FIELDS = {
    COMPACT: {"trigger", "instructions", "pause_after_compaction"},
    CLEAR_TOOL_USES: {"trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs"},
    CLEAR_THINKING: {"keep"},
}


def check_betas(betas: Collection[str], refused: Collection[str]) -> None:
    """Refuse a beta feature that is not to be had here. Raises `ApiError` with status 400."""
    unknown = [beta for beta in betas if beta in refused]
    if unknown:
        raise invalid(
            f"Unexpected value(s) `{', '.join(unknown)}` for the `anthropic-beta` header. Please consult our "
            "documentation or try again without the header."
        )


def check_context(body: dict[str, Any], model: Model, betas: Collection[str]) -> None:
    """Refuse edits without their beta, unknown ones, and compactions where they are not known.

    Raises:
        ApiError: status 400.
    """
    _check_summaries(body["messages"], betas)
    config = body.get("context_management")
    if config is None:
        return
    if not set(BETA_OF.values()).intersection(betas):
        raise invalid("context_management: Extra inputs are not permitted")
    edits = config.get("edits", []) if isinstance(config, dict) else None
    if not isinstance(edits, list):
        raise invalid("context_management.edits: Input should be a valid list")
    for index, edit in enumerate(edits):
        _check_edit(f"context_management.edits.{index}", edit, model, betas)
    kinds = [edit["type"] for edit in edits]
    if len(set(kinds)) < len(kinds):
        raise invalid("context_management.edits: each strategy may be given once")
    if CLEAR_THINKING in kinds[1:]:
        raise invalid(f"context_management.edits: `{CLEAR_THINKING}` must be the first edit")


def _check_edit(where: str, edit: Any, model: Model, betas: Collection[str]) -> None:
    kind = edit.get("type") if isinstance(edit, dict) else None
    if kind not in BETA_OF or BETA_OF[kind] not in betas:
        known = ", ".join(f"'{name}'" for name, beta in BETA_OF.items() if beta in betas)
        raise invalid(f"{where}: Input tag '{kind}' does not match any of the expected tags: {known}")
    extra = next((name for name in edit if name != "type" and name not in _FIELDS[kind]), None)
    if extra is not None:
        raise invalid(f"{where}.{kind}.{extra}: Extra inputs are not permitted")
    if kind == COMPACT and not model.compacts:
        raise invalid(f"{where}: `{COMPACT}` is not supported on this model")
    for name in ("trigger", "keep", "clear_at_least"):
        given = edit.get(name)
        if given is None or given == "all":
            continue
        value = given.get("value") if isinstance(given, dict) else None
        if (not isinstance(value, int) or value < 0) and not (isinstance(given, dict) and given.get("type") == "all"):
            raise invalid(f"{where}.{kind}.{name}.value: Input should be a valid integer")
        if kind == COMPACT and name == "trigger" and isinstance(value, int) and value < COMPACT_TRIGGER_MIN:
            raise invalid(f"{where}.{kind}.trigger.value: Input should be greater than or equal to 50000")


def _check_summaries(messages: list[dict[str, Any]], betas: Collection[str]) -> None:
    for index, message in enumerate(messages):
        for number, block in enumerate(message["content"] if isinstance(message["content"], list) else ()):
            if block["type"] != "compaction":
                continue
            place = f"messages.{index}.content.{number}"
            if BETA_OF[COMPACT] not in betas:
                raise invalid(f"{place}: Input tag 'compaction' does not match any of the expected tags")
            if message["role"] != "assistant":
                raise invalid(f"{place}: `compaction` blocks are only permitted in `assistant` messages")
            if block.get("content") == "":
                raise invalid(f"{place}.compaction.content: String should have at least 1 character")
