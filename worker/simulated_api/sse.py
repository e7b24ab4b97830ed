"""A message as the Server-Sent Events of the Messages API."""

from __future__ import annotations

import json
from typing import Any

from .answers import Answer
from .conversation import canonical

PIECE_CHARACTERS = 80
"""Least text in one delta."""
PIECES_MAX = 64
"""Most deltas of one block; a longer text goes in larger pieces."""

FIRST_DELTA = 3
"""Place of the first delta among the events: behind `message_start`, `content_block_start` and a `ping`."""
PING = b'event: ping\ndata: {"type":"ping"}\n\n'


def frame(event: dict[str, Any]) -> bytes:
    """One event, named by its `type`."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n".encode("utf-8", "replace")


def message_body(
    answer: Answer, message_id: str, model: str, usage: dict[str, Any], edits: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The message object: the body of an answer that is not streamed. `edits` are those applied to the request."""
    body = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": answer.content,
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": answer.stop_details,
        "usage": usage,
    }
    return body if edits is None else {**body, "context_management": {"applied_edits": edits}}


def events(
    answer: Answer, message_id: str, model: str, usage: dict[str, Any], edits: list[dict[str, Any]] | None = None
) -> list[bytes]:
    """Every event of a streamed answer, in order. `usage` is that of the whole message.

    `message_start` carries the input classes and at most one output token, `message_delta` the cumulative totals.
    """
    start = {
        **message_body(answer, message_id, model, {**usage, "output_tokens": min(1, usage["output_tokens"])}, edits),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }
    found = [frame({"type": "message_start", "message": start})]
    for index, block in enumerate(answer.content):
        cut = answer.cut_input if index == len(answer.content) - 1 else None
        empty, deltas = _deltas(block, cut)
        found.append(frame({"type": "content_block_start", "index": index, "content_block": empty}))
        if index == 0:
            found.append(PING)
        found.extend(frame({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas)
        found.append(frame({"type": "content_block_stop", "index": index}))
    ending = {
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": answer.stop_details,
    }
    totals = {key: usage[key] for key in _CUMULATIVE if key in usage}
    last = {"type": "message_delta", "delta": ending, "usage": totals}
    found.append(frame(last if edits is None else {**last, "context_management": {"applied_edits": edits}}))
    found.append(frame({"type": "message_stop"}))
    return found


_CUMULATIVE = (
    *("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"),
    *("server_tool_use", "iterations"),
)


def _deltas(block: dict[str, Any], cut: str | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it starts, and what is then added to it."""
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
    if block["type"] == "thinking":
        added = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
        added.append({"type": "signature_delta", "signature": block["signature"]})
        return {**block, "thinking": "", "signature": ""}, added
    if block["type"] == "compaction":
        # In one piece, after as long as the summary took.
        return {"type": "compaction", "content": None}, [{**block, "type": "compaction_delta"}]
    if "input" not in block:
        return block, []
    pieces = ["", *_pieces(canonical(block["input"]) if cut is None else cut)]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _pieces(text: str) -> list[str]:
    size = max(PIECE_CHARACTERS, -(-len(text) // PIECES_MAX))
    return [text[at : at + size] for at in range(0, len(text), size)]
