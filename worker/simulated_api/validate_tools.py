"""What the Messages API refuses in `tools`, `tool_choice`, and in the calls and results of a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .errors import ApiError, invalid
from .structured_output import check_output_schema

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
SERVER_TOOLS = ("web_search", "web_fetch")
"""Run by the API: their definitions have a dated type, their name is fixed, their results come with the answer."""
_DATED = re.compile(r"(?P<name>[a-z_]+?)_(?P<date>\d{8})|mcp_toolset")


def check_tools(body: dict[str, Any], strict_schemas: bool) -> None:
    """Refuse tool definitions and a choice among them, as the API does. Raises `ApiError` with status 400."""
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise invalid("tools: Input should be a valid list")
    names: list[str] = []
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise invalid(f"tools.{index}: Input should be a valid dictionary")
        if (tool.get("type") or "custom") == "custom":
            _check_custom_tool(f"tools.{index}.custom", tool, strict_schemas)
        else:
            _check_dated_tool(f"tools.{index}", tool)
        names.append(tool.get("name") or tool["type"])
    if len(set(names)) < len(names):
        raise invalid("tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is not None:
        _check_tool_choice(choice, names)


def _check_custom_tool(where: str, tool: dict[str, Any], strict_schemas: bool) -> None:
    for name in ("name", "input_schema"):
        if name not in tool:
            raise invalid(f"{where}.{name}: Field required")
    if not isinstance(tool["name"], str) or not _TOOL_NAME.fullmatch(tool["name"]):
        raise invalid(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if not isinstance(tool.get("description", ""), str):
        raise invalid(f"{where}.description: Input should be a valid string")
    schema = tool["input_schema"]
    if not isinstance(schema, dict) or "type" not in schema:
        raise invalid(f"{where}.input_schema.type: Field required")
    if schema["type"] != "object":
        raise invalid(f"{where}.input_schema.type: Input should be 'object'")
    if any(name in schema for name in ("oneOf", "allOf", "anyOf")):
        raise invalid(f"{where}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level")
    check_output_schema(f"{where}.input_schema", schema, limits=strict_schemas and bool(tool.get("strict")))


def _check_dated_tool(where: str, tool: dict[str, Any]) -> None:
    kind = tool["type"]
    dated = _DATED.fullmatch(kind) if isinstance(kind, str) else None
    if dated is None:
        raise invalid(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    if dated["name"] in SERVER_TOOLS and tool.get("name") != dated["name"]:
        raise invalid(f"{where}.{kind}.name: Input should be '{dated['name']}'")


def _check_tool_choice(choice: Any, names: list[str]) -> None:
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        raise invalid("tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'")
    if kind in ("any", "tool") and not names:
        raise invalid("tool_choice: tool_choice may only be specified while providing tools.")
    if kind == "tool" and choice.get("name") not in names:
        raise invalid(f"Tool '{choice.get('name')}' not found in provided tools")


def check_tool_results(messages: list[dict[str, Any]]) -> None:
    """Every `tool_use` has one `tool_result`, in the next user turn and in front of what else is said there.

    Raises:
        ApiError: status 400, also for results of the API's own tools that are missing or belong to no call.
    """
    asked: list[str] = []
    seen: set[str] = set()
    asked_at = 0
    for index, role, blocks in _turns(messages):
        if role == "assistant":
            if asked:
                raise _unanswered(asked_at, asked)
            asked, asked_at = [block["id"] for block in blocks if block["type"] == "tool_use"], index
            _check_ids(index, asked, seen)
            _check_server_results(index, blocks, last=index == len(messages) - 1)
            continue
        _check_answers(index, blocks, asked, asked_at)
        asked = []
    if asked:
        raise _unanswered(asked_at, asked)


def _turns(messages: list[dict[str, Any]]) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Messages with those of one role in a row as one, as the API sees them; with the index of the last of them."""
    blocks: list[dict[str, Any]] = []
    spoken = [(index, message) for index, message in enumerate(messages) if message["role"] != "system"]
    for place, (index, message) in enumerate(spoken):
        content = message["content"]
        blocks += [{"type": "text", "text": content}] if isinstance(content, str) else content
        if place + 1 == len(spoken) or spoken[place + 1][1]["role"] != message["role"]:
            yield index, message["role"], blocks
            blocks = []


def _check_ids(index: int, ids: list[str], seen: set[str]) -> None:
    for id in ids:
        if not _TOOL_ID.fullmatch(id):
            raise invalid(f"messages.{index}.content.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        if id in seen:
            raise invalid(f"messages.{index}: `tool_use` ids must be unique")
        seen.add(id)


def _check_answers(index: int, blocks: list[dict[str, Any]], asked: list[str], asked_at: int) -> None:
    kinds = [block["type"] for block in blocks]
    answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    missing = [id for id in asked if id not in answered]
    if missing:
        raise _unanswered(asked_at, missing)
    stray = next((id for id in answered if id not in asked), None)
    if stray is not None:
        raise invalid(
            f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each"
            " `tool_result` block must have a corresponding `tool_use` block in the previous message."
        )
    twice = next((id for id in answered if answered.count(id) > 1), None)
    if twice is not None:
        raise invalid(
            f"messages.{index}.content: each tool_use must have a single result. Found multiple `tool_result` blocks"
            f" with id: {twice}"
        )
    if kinds[: len(answered)] != ["tool_result"] * len(answered):
        # What comes in front of the results is not where the API looks for them.
        raise _unanswered(asked_at, asked)


def _check_server_results(index: int, blocks: list[dict[str, Any]], *, last: bool) -> None:
    called = {block["id"]: block["name"] for block in blocks if block["type"] == "server_tool_use"}
    results = {block["tool_use_id"]: block["type"] for block in blocks if block["type"].endswith("_tool_result")}
    stray = next((id for id in results if id not in called), None)
    if stray is not None:
        raise invalid(f"messages.{index}: unexpected `tool_use_id` found in `{results[stray]}` blocks: {stray}")
    missing = next((id for id in called if id not in results and called[id] in SERVER_TOOLS), None)
    if missing is not None and not last:
        name = called[missing]
        raise invalid(
            f"messages.{index}: `{name}` tool use with id `{missing}` was found without a corresponding"
            f" `{name}_tool_result` block"
        )


def _unanswered(index: int, ids: list[str]) -> ApiError:
    return invalid(
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(ids)}."
        " Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )
