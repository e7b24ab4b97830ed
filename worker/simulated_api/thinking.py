"""Thinking blocks come back unchanged: their signatures are checked, and that none of the last turn is left out."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

from .errors import invalid

TURNS_MAX = 20_000


def signature_of(thinking: str) -> str:
    """The signature that the simulated model puts under a thought."""
    return "simulated" + hashlib.sha256(f"thinking\0{thinking}".encode("utf-8", "surrogatepass")).hexdigest()[:40]


class ThinkingMemory:
    """Which thoughts led to which tool calls."""

    def __init__(self) -> None:
        self._of_call: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def clear(self) -> None:
        """Forget every answer."""
        self._of_call.clear()

    def note(self, content: list[dict[str, Any]]) -> None:
        """Remember an answer that was given."""
        signatures = tuple(block["signature"] for block in content if block["type"] == "thinking")
        if not signatures:
            return
        for block in content:
            if block["type"] == "tool_use":
                self._of_call[block["id"]] = signatures
        while len(self._of_call) > TURNS_MAX:
            self._of_call.popitem(last=False)

    def check(self, messages: list[dict[str, Any]]) -> None:
        """Refuse thoughts that were changed, and a last answer without those that led to its calls.

        Raises:
            ApiError: status 400.
        """
        latest: tuple[int, list[dict[str, Any]]] | None = None
        for index, message in enumerate(messages):
            if message["role"] != "assistant" or isinstance(message["content"], str):
                continue
            latest = (index, message["content"])
            for number, block in enumerate(message["content"]):
                if block["type"] == "thinking" and block.get("signature") != signature_of(block["thinking"]):
                    raise invalid(f"messages.{index}.content.{number}: Invalid `signature` in `thinking` block")
        if latest is None:
            return
        index, content = latest
        there = [block["signature"] for block in content if block["type"] == "thinking"]
        needed = [self._of_call.get(block["id"], ()) for block in content if block["type"] == "tool_use"]
        if any(signature not in there for signatures in needed for signature in signatures):
            raise invalid(
                f"messages.{index}.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message"
                " cannot be modified. These blocks must remain as they were in the original response."
            )
