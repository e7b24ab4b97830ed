"""Token counts of a request, and prompt caching by prefix.

The rules are those of the prompt caching documentation: the prefix runs tools, system, messages; an entry is written at
each `cache_control` breakpoint whose prefix has the model's minimum length; a breakpoint finds the longest entry among
the 20 blocks before it; an entry belongs to one credential and one model, lives 5 minutes or 1 hour from its last
use, and exists only once the response that wrote it has begun.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .conversation import Conversation, canonical

LOOKBACK_BLOCKS = 20
TTL_S = {"5m": 300.0, "1h": 3600.0}
ENTRIES_MAX = 100_000
"""Entries kept before expired ones are swept out."""


def count_text(text: str) -> int:
    """Tokens of a text: a quarter of its characters, at least one."""
    return max(1, -(-len(text) // 4))


@dataclass(frozen=True, slots=True)
class Segment:
    """One block of the prompt, in prefix order."""

    tokens: int
    place: str
    """`tools`, `system`, or the role of the message: equal text in another place is another prefix."""
    block: str | dict[str, Any]
    cache_control: dict[str, Any] | None = None


def segments(body: dict[str, Any]) -> list[Segment]:
    """All of a request's prompt, block by block. A schema for the output counts: the API prompts the model with it."""
    found: list[Segment] = []
    form = (body.get("output_config") or {}).get("format")
    if form:
        found.append(_segment("format", form))
    found.extend(_segment("tools", tool) for tool in body.get("tools") or ())
    found.extend(_blocks("system", body.get("system") or []))
    for message in body["messages"]:
        found.extend(_blocks(message["role"], message["content"]))
    automatic = body.get("cache_control")
    if automatic and found and found[-1].cache_control is None:
        last = found[-1]
        found[-1] = Segment(last.tokens, last.place, last.block, automatic)
    return found


def _blocks(place: str, content: str | list[dict[str, Any]]) -> Iterator[Segment]:
    if isinstance(content, str):
        yield Segment(count_text(content), place, content)
    else:
        for block in content:
            yield _segment(place, block)


def _segment(place: str, block: dict[str, Any]) -> Segment:
    marker = block.get("cache_control")
    if block.get("type") == "text":
        return Segment(count_text(block["text"]), place, block["text"], marker)
    bare = {key: value for key, value in block.items() if key != "cache_control"}
    return Segment(count_text(canonical(bare)), place, bare, marker)


def count_request(body: dict[str, Any]) -> int:
    """Input tokens of a request."""
    return sum(segment.tokens for segment in segments(body))


@dataclass(frozen=True, slots=True)
class InputUsage:
    """How the input of one request is billed. The three classes add up to all of it."""

    input_tokens: int
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    begun: Callable[[], None] = lambda: None
    """To be called when the response begins: from then on the entries exist."""

    @property
    def total(self) -> int:
        """All input tokens of the request."""
        return self.input_tokens + self.cache_read + self.cache_write_5m + self.cache_write_1h

    def as_usage(self, output_tokens: int) -> dict[str, Any]:
        """The `usage` object of a message."""
        return {
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": self.cache_write_5m + self.cache_write_1h,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write_5m,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            },
            "output_tokens": output_tokens,
            "service_tier": "standard",
        }


class PromptCache:
    """All entries, by credential, model and prefix. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.on = True
        """Whether cache points do anything."""
        self._entries: dict[bytes, tuple[float, float]] = {}
        """When an entry expires, and for how long each use prolongs it, in seconds."""

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget every entry."""
        self._entries.clear()

    def account(self, key: str, conversation: Conversation) -> InputUsage:
        """Split a request's input into read, written and plain tokens."""
        prompt = segments(conversation.body)
        marks = [index for index, segment in enumerate(prompt) if segment.cache_control]
        if not marks or not self.on:
            return InputUsage(sum(segment.tokens for segment in prompt))
        minimum = conversation.model.cache_tokens_min
        prefixes = _prefixes(f"{key}\0{conversation.model.id}", prompt[: marks[-1] + 1])
        hit = self._longest(prefixes, marks)
        covered = prefixes[hit][1] if hit is not None else 0
        written, writes = {"5m": 0, "1h": 0}, {}
        reached = covered
        for index in marks:
            entry, tokens = prefixes[index]
            ttl = (prompt[index].cache_control or {}).get("ttl") or "5m"
            if tokens < minimum:
                continue
            writes[entry] = TTL_S[ttl]
            if tokens > reached:
                written[ttl] += tokens - reached
                reached = tokens
        if hit is not None:
            self._touch(prefixes[hit][0])
        total = sum(segment.tokens for segment in prompt)
        return InputUsage(total - reached, covered, written["5m"], written["1h"], lambda: self._write(writes))

    def _longest(self, prefixes: list[tuple[bytes, int]], marks: list[int]) -> int | None:
        now = self._clock()
        for mark in reversed(marks):
            for index in range(mark, max(-1, mark - LOOKBACK_BLOCKS), -1):
                if self._entries.get(prefixes[index][0], (0.0, 0.0))[0] > now:
                    return index
        return None

    def _touch(self, entry: bytes) -> None:
        ttl = self._entries[entry][1]
        self._entries[entry] = (self._clock() + ttl, ttl)

    def _write(self, writes: dict[bytes, float]) -> None:
        now = self._clock()
        if len(self._entries) + len(writes) > ENTRIES_MAX:
            self._entries = {entry: kept for entry, kept in self._entries.items() if kept[0] > now}
        for entry, ttl in writes.items():
            self._entries[entry] = max(self._entries.get(entry, (0.0, 0.0)), (now + ttl, ttl))


def _prefixes(scope: str, prompt: list[Segment]) -> list[tuple[bytes, int]]:
    """Hash and token count of the prefix that ends with each block."""
    running, tokens, found = hashlib.sha256(scope.encode()), 0, []
    for segment in prompt:
        text = segment.block if isinstance(segment.block, str) else canonical(segment.block)
        running.update(f"\0{segment.place}\0{len(text)}\0{text}".encode("utf-8", "surrogatepass"))
        tokens += segment.tokens
        found.append((running.digest(), tokens))
    return found
