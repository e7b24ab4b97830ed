"""What the Messages API refuses in `messages` and `system`."""

from __future__ import annotations

from typing import Any

from .errors import invalid
from .validate_tools import check_tool_results

_BLOCKS = {
    "text": ("text",),
    "thinking": ("thinking",),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id",),
    "server_tool_use": ("id", "name", "input"),
    "web_search_tool_result": ("tool_use_id", "content"),
    "web_fetch_tool_result": ("tool_use_id", "content"),
    "image": ("source",),
    "document": ("source",),
}
"""Content blocks that are looked into, with the fields that each must have."""


def check_messages(messages: Any, *, prefill: bool, older_api: bool = False) -> None:
    """Refuse a list of messages as the API does.

    Consecutive messages of one role are one turn to the API, so they are accepted. `prefill` says whether the last
    message may be the assistant's. `older_api` takes what API version 2026-10-21 no longer does.

    Raises:
        ApiError: status 400.
    """
    if not isinstance(messages, list):
        raise invalid("messages: Input should be a valid list")
    if not messages:
        raise invalid("messages: at least one message is required")
    for index, message in enumerate(messages):
        _check_message(index, message, last=index == len(messages) - 1)
    first = next((message for message in messages if message["role"] != "system"), None)
    if first is None or (first["role"] != "user" and not _has(first, "compaction")):
        raise invalid("messages: first message must use the user role")
    check_tool_results(messages)
    if not older_api:
        _check_places(messages)
    # A turn that paused in the API's own tools is sent back to be taken up again.
    if messages[-1]["role"] == "assistant" and not prefill and not _has(messages[-1], "server_tool_use"):
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _has(message: dict[str, Any], kind: str) -> bool:
    return isinstance(message["content"], list) and any(block["type"] == kind for block in message["content"])


def _check_places(messages: list[dict[str, Any]]) -> None:
    """Blocks in the wrong role's message, which the API refuses since version 2026-10-21."""
    for index, message in enumerate(messages):
        for number, block in enumerate(message["content"] if isinstance(message["content"], list) else ()):
            place = f"messages.{index}.content.{number}"
            if message["role"] == "assistant" and block["type"] == "document":
                raise invalid(f"{place}: `document` blocks are not permitted in `assistant` messages")
            if message["role"] == "user" and block["type"] == "text" and block.get("citations"):
                raise invalid(f"{place}.text.citations: Extra inputs are not permitted")


def _check_message(index: int, message: Any, *, last: bool) -> None:
    if not isinstance(message, dict):
        raise invalid(f"messages.{index}: Input should be a valid dictionary")
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        raise invalid(
            f"messages.{index}.role: Field required"
            if role is None
            else f'messages: Unexpected role "{role}". Allowed roles are "user", "assistant" or "system"'
        )
    content = message.get("content")
    if content is None:
        raise invalid(f"messages.{index}.content: Field required")
    if not isinstance(content, str | list):
        raise invalid(f"messages.{index}.content: Input should be a valid string or list")
    if not content and not (last and role == "assistant"):
        raise invalid(f"messages.{index}: {role} messages must have non-empty content")
    if isinstance(content, list):
        check_blocks(f"messages.{index}.content", content)


def check_blocks(where: str, blocks: list[Any]) -> None:
    """Refuse malformed content blocks, naming their place. Raises `ApiError` with status 400."""
    for index, block in enumerate(blocks):
        place = f"{where}.{index}"
        if not isinstance(block, dict) or "type" not in block:
            raise invalid(f"{place}.type: Field required")
        for field in _BLOCKS.get(block["type"], ()):
            if field not in block:
                raise invalid(f"{place}.{block['type']}.{field}: Field required")
        if block["type"] == "tool_use" and not isinstance(block["input"], dict):
            raise invalid(f"{place}.tool_use.input: Input should be a valid dictionary")
        if block["type"] == "text":
            if not isinstance(block["text"], str):
                raise invalid(f"{place}.text.text: Input should be a valid string")
            if not block["text"]:
                raise invalid("messages: text content blocks must be non-empty")
        if block["type"] == "tool_result" and isinstance(block.get("content"), list):
            check_blocks(f"{place}.tool_result.content", block["content"])
