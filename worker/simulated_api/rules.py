"""Rules: how a test or a rehearsal tells the simulated model what to answer, and the simulated API how to fail."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .conversation import Conversation, text_of
from .server_tools import ServerToolUse


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Match(_Shape):
    """Which requests a rule is for: those that meet every condition given."""

    prompt_contains: str | None = None
    """Part of the first user message."""
    prompt_regex: str | None = None
    """Found in the first user message."""
    last_contains: str | None = None
    """Part of the last user message, tool results included."""
    system_contains: str | None = None
    model: str | None = None
    key: str | None = None
    """The credential itself, as it was sent."""
    turn: int | None = None
    """1 for a conversation's first request; one more for every assistant message it brings along."""
    nth: int | None = None
    """Only the nth request (from 1) among those that meet the other conditions of this rule."""

    @field_validator("prompt_regex")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    def meets(self, conversation: Conversation, key: str) -> bool:
        """Whether a request meets every condition but `nth`."""
        return (
            (self.prompt_contains is None or self.prompt_contains in conversation.prompt)
            and (self.prompt_regex is None or re.search(self.prompt_regex, conversation.prompt) is not None)
            and (self.last_contains is None or self.last_contains in conversation.last)
            and (self.system_contains is None or self.system_contains in text_of(conversation.body.get("system")))
            and (self.model is None or self.model == conversation.model.id)
            and (self.key is None or self.key == key)
            and (self.turn is None or self.turn == conversation.turn)
        )


class ToolUse(_Shape):
    """One `tool_use` block."""

    name: str
    input: dict[str, Any] = Field(default_factory=dict)


class Reply(_Shape):
    """What the model says. What is not given is as without the rule."""

    text: str | None = None
    json_: Any = Field(default=None, alias="json")
    """A value, sent as its JSON text."""
    thinking: str | None = None
    server_tool_use: list[ServerToolUse] = Field(default_factory=list)
    """Calls of the API's own tools with their results, in front of the text."""
    tool_use: list[ToolUse] = Field(default_factory=list)
    """Behind the text; several are parallel calls of one turn."""
    stop_reason: str | None = None
    compaction: str | None = None
    """A summary: the conversation is compacted now, where the request allows it, whatever its length."""
    compaction_s: float = Field(default=0.0, ge=0)
    """Silence while a summary is written."""
    templates: bool = False
    """Whether `{prompt}`, `{last}` (text of the last user message, tool results included) and `{turn}` in `text`,
    `thinking` and tool inputs are filled in."""

    def filled(self, conversation: Conversation) -> Reply:
        """The reply with its templates filled in."""
        if not self.templates:
            return self
        values = {"{prompt}": conversation.prompt, "{last}": conversation.last, "{turn}": str(conversation.turn)}
        # As JSON-like data, so that every text in it is found; once each, so that what is filled in is left alone.
        pattern = re.compile("|".join(map(re.escape, values)))
        return Reply.model_validate(_mapped(self.model_dump(by_alias=True, exclude_unset=True), pattern, values))


class Fault(_Shape):
    """What goes wrong. Faults in a stream count its events from `message_start`, pings included."""

    status: int | None = Field(default=None, ge=400, le=599)
    """Answer with this HTTP status instead."""
    type: str | None = None
    message: str | None = None
    retry_after: float | None = None
    """Seconds, in the `retry-after` header."""
    headers: dict[str, str] = Field(default_factory=dict)
    delay_s: float = 0.0
    """Wait so much longer before anything is sent."""
    cut_after_events: int | None = Field(default=None, ge=0)
    """Break the connection after so many events; half-way through the body of an answer that is not streamed."""
    stall_after_events: int | None = Field(default=None, ge=0)
    """Send nothing more after so many events, until the client goes away."""
    stall_pings_s: float | None = Field(default=None, gt=0)
    """While stalled, still send a `ping` every so many seconds."""
    sse_error: str | None = None
    """End the stream by an `error` event of this type; not streamed, answer with the status of that type."""
    sse_error_after_events: int = Field(default=1, ge=0)
    refusal: bool = False
    max_tokens: bool = False
    """Break the answer off half-way with `stop_reason` `max_tokens`; in the middle of a tool call, if that is there."""


class Rule(_Shape):
    """One rule. The first one that matches a request decides about it."""

    match: Match = Field(default_factory=Match)
    times: int | None = Field(default=None, ge=0)
    """How often it applies; then it is used up and later rules are asked."""
    reply: Reply | None = None
    script: list[Reply] = Field(default_factory=list)
    """One reply a turn, instead of `reply`: the first for a conversation's first request. The last one repeats."""
    fault: Fault | None = None
    latency_s: float | None = Field(default=None, ge=0)
    """Time to the first byte, instead of the default."""
    chunk_s: float | None = Field(default=None, ge=0)
    """Time between two events of a stream, instead of the default."""

    @model_validator(mode="after")
    def _one_way_to_reply(self) -> Rule:
        if self.script and self.reply is not None:
            raise ValueError("a rule has a reply or a script, not both")
        return self

    def reply_to(self, conversation: Conversation) -> Reply | None:
        """What the model says at this turn."""
        reply = self.reply
        if self.script:
            reply = self.script[min(conversation.turn, len(self.script)) - 1]
        return None if reply is None else reply.filled(conversation)


def _mapped(value: Any, pattern: re.Pattern[str], values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(lambda found: values[found[0]], value)
    if isinstance(value, dict):
        return {key: _mapped(item, pattern, values) for key, item in value.items()}
    return [_mapped(item, pattern, values) for item in value] if isinstance(value, list) else value


class Limits(_Shape):
    """Per credential and minute; `None` is no limit."""

    requests: int | None = Field(default=None, ge=1)
    input_tokens: int | None = Field(default=None, ge=1)
    output_tokens: int | None = Field(default=None, ge=1)


class Control(_Shape):
    """The body of `POST /_control`. What is not given stays as it is; `rules` are added behind those there are."""

    reset: bool = False
    """First forget rules, request log (not its file), usage, prompt cache and rate limits, and set all to defaults."""
    rules: list[Rule] = Field(default_factory=list)
    latency_s: float | None = Field(default=None, ge=0)
    chunk_s: float | None = Field(default=None, ge=0)
    api_keys: list[str] | None = None
    """Credentials that are accepted; an empty list accepts any."""
    limits: Limits | None = None
    strict_schemas: bool | None = None
    """Whether structured outputs take only what constrained decoding supports, as the real API does."""
    caching: bool | None = None
    """Whether cache points do anything. Without, every input token is billed in full."""
    refused_betas: list[str] | None = None
    """Values of `anthropic-beta` that are refused, as by a platform that does not have the feature."""
    context_tokens_max: int | None = Field(default=None, ge=0)
    """Context window of every model, in tokens; 0 is each model's own."""


class Rulebook:
    """The rules in force, with how often each has matched and applied."""

    def __init__(self) -> None:
        self._rules: list[_Counted] = []

    def add(self, rules: Iterable[Rule]) -> None:
        """Put rules behind those there are."""
        self._rules.extend(_Counted(rule) for rule in rules)

    def clear(self) -> None:
        """Forget every rule."""
        self._rules.clear()

    def pick(self, conversation: Conversation, key: str) -> Rule | None:
        """The rule that decides about a request, now counted as applied."""
        for counted in self._rules:
            if counted.takes(conversation, key):
                return counted.rule
        return None

    def state(self) -> list[dict[str, Any]]:
        """Every rule as JSON, with `matched` and `applied`."""
        return [
            {**counted.rule.model_dump(by_alias=True, exclude_defaults=True), **counted.counts()}
            for counted in self._rules
        ]


class _Counted:
    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.matched = 0
        self.applied = 0

    def takes(self, conversation: Conversation, key: str) -> bool:
        rule = self.rule
        if rule.times is not None and self.applied >= rule.times:
            return False
        if not rule.match.meets(conversation, key):
            return False
        self.matched += 1
        if rule.match.nth not in (None, self.matched):
            return False
        self.applied += 1
        return True

    def counts(self) -> dict[str, int]:
        return {"matched": self.matched, "applied": self.applied}
