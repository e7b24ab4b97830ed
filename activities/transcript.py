"""A conversation as it lies in the store: objects of one or more messages, written in order, never changed.

The last messages of an agent that has ended lie in its record: an agent of one turn is one object, not two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from tenuto.workflows.contracts import Usage

from .store import Store
from .until_kept import until_kept

USD_DIGITS = 9
"""A billionth of a dollar: sums stay readable, nothing that is billed is lost."""

Purpose = Literal["prompt", "answer", "continue", "repair", "tool_results", "call_again", "follow_up"]
"""`follow_up` goes on with another agent's conversation: what lies before it was paid there."""


class ToolRecord(BaseModel):
    """One tool call, for the audit: what it did to the world, not what it said."""

    name: str
    input_sha256: str
    """Of its input as canonical JSON; the input itself is in the answer."""
    ok: bool = True
    refused: bool = False
    """The policy did not let it run."""
    unknown: bool = False
    """Its attempt was lost, and with it whether it took effect."""
    read: dict[str, str | None] = Field(default_factory=dict)
    """Path -> sha256, as the call found it."""
    wrote: dict[str, str | None] = Field(default_factory=dict)
    """Path -> sha256, as the call left it."""
    command: str | None = None
    exit_code: int | None = None
    log: str | None = None
    """Store key of the full output."""
    ms: int = 0


class Message(BaseModel):
    """One message. An `answer` is the assistant's and carries what it cost; every other purpose is the user's."""

    purpose: Purpose
    content: str | list[dict[str, Any]]
    at: str
    """When it was complete, ISO 8601 in UTC."""
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None
    model: str | None = None
    request_id: str | None = None
    usage: Usage | None = None
    max_tokens: int | None = None
    """Of an answer: its limit, where money lowered it."""
    instructed: bool = False
    """Of an answer: the schema was an instruction, not a constraint of the API."""
    cut_tool_use: str | None = None
    """Of an answer that reached its limit within a tool call: the tool's name. The call is not in `content`."""
    calls: list[ToolRecord] = Field(default_factory=list)
    """Of `tool_results`: one record a call, in the order of the blocks."""

    @property
    def role(self) -> Literal["user", "assistant"]:
        """Its role in the Messages API."""
        return "assistant" if self.purpose == "answer" else "user"

    @property
    def overflowed(self) -> bool:
        """An answer that ended because the context window was full: asked again, on less, and never sent back."""
        return self.purpose == "answer" and self.stop_reason == "model_context_window_exceeded"

    @property
    def text(self) -> str:
        """All of its text blocks, joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(block["text"] for block in self.content if block.get("type") == "text")

    @property
    def tool_uses(self) -> list[dict[str, Any]]:
        """Of an answer: the calls of tools that are ours to run."""
        if isinstance(self.content, str):
            return []
        return [block for block in self.content if block.get("type") == "tool_use"]


def now() -> str:
    """This moment, as `Message.at`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def folder_of(run_id: str, agent: str) -> str:
    """Where an agent's objects lie."""
    return f"runs/{run_id}/agents/{agent}"


_MESSAGES = TypeAdapter(list[Message])


class Ended(BaseModel):
    """Of the record of an agent that has ended: the end of its conversation."""

    turns_kept: int = 0
    """How many messages lie under `turns/`."""
    last_messages: list[Message] = Field(default_factory=list)
    """Those after them."""


def record_key(folder: str) -> str:
    """Where the record of an agent that has ended lies, by its folder."""
    return f"{folder}/record.json"


class Transcript:
    """The messages of one agent, in memory and in the store under `runs/{run}/agents/{agent}/turns/`."""

    def __init__(self, store: Store, folder: str, say: Callable[[str], None] = lambda _words: None) -> None:
        self._store = store
        self._folder = folder
        self._say = say
        self.messages: list[Message] = []
        self._kept = 0

    async def load(self) -> None:
        """Read what an earlier attempt kept. A gap ends it: what lies behind one was never answered to.

        May be called again, to read what has come since.
        """
        del self.messages[self._kept :]
        for key in await self._store.keys(f"{self._folder}/turns"):
            if key == self._key(len(self.messages)):
                self.messages += _MESSAGES.validate_json(await self._store.get(key))
        self._kept = len(self.messages)
        try:
            record = Ended.model_validate_json(await self._store.get(record_key(self._folder)))
        except FileNotFoundError:
            return
        if record.turns_kept == self._kept:
            self.messages += record.last_messages

    async def discard(self) -> None:
        """Remove what is in the store: the agent starts over."""
        await self._store.delete([record_key(self._folder), *await self._store.keys(f"{self._folder}/turns")])

    async def inherit(self, folder: str) -> None:
        """Begin with another agent's conversation, whole and already paid for."""
        earlier = Transcript(self._store, folder)
        await earlier.load()
        unpaid: dict[str, Any] = {"usage": None, "calls": []}
        self.messages = [message.model_copy(update=unpaid) for message in earlier.messages]

    def add(self, message: Message) -> None:
        """Append a message, in memory."""
        self.messages.append(message)

    async def keep(self) -> None:
        """Write the messages that are not in the store yet, as one object; they are paid, so until it takes them."""
        new = self.messages[self._kept :]
        if new:
            key, data = self._key(self._kept), _MESSAGES.dump_json(new, exclude_defaults=True)
            await until_kept(lambda: self._store.put(key, data), self._say)
            self._kept += len(new)

    def ended(self) -> dict[str, Any]:
        """What `keep` has not written, as the record carries it: the fields of `Ended`, plain."""
        new = self.messages[self._kept :]
        return {
            "turns_kept": self._kept,
            "last_messages": _MESSAGES.dump_python(new, mode="json", exclude_defaults=True),
        }

    @property
    def answers(self) -> Sequence[Message]:
        """The assistant's messages."""
        return [message for message in self.messages if message.purpose == "answer"]

    @property
    def calls(self) -> list[ToolRecord]:
        """Every tool call that was answered."""
        return [call for message in self.messages for call in message.calls]

    @property
    def usage(self) -> Usage:
        """What all of it cost."""
        paid = [message.usage for message in self.messages if message.usage is not None]
        return Usage(
            input_tokens=sum(usage.input_tokens for usage in paid),
            output_tokens=sum(usage.output_tokens for usage in paid),
            cache_read_input_tokens=sum(usage.cache_read_input_tokens for usage in paid),
            cache_creation_input_tokens=sum(usage.cache_creation_input_tokens for usage in paid),
            usd=round(sum(usage.usd for usage in paid), USD_DIGITS),
        )

    def _key(self, number: int) -> str:
        return f"{self._folder}/turns/{number:06d}.json"
