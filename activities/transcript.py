"""A conversation as it lies in the store: one object a message, written in order, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from tenuto.workflows.contracts import Usage

from .store import Store

USD_DIGITS = 9
"""A billionth of a dollar: sums stay readable, nothing that is billed is lost."""

Purpose = Literal["prompt", "answer", "continue", "repair"]


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
    instructed: bool = False
    """Of an answer: the schema was an instruction, not a constraint of the API."""

    @property
    def role(self) -> Literal["user", "assistant"]:
        """Its role in the Messages API."""
        return "assistant" if self.purpose == "answer" else "user"

    @property
    def text(self) -> str:
        """All of its text blocks, joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(block["text"] for block in self.content if block.get("type") == "text")


def now() -> str:
    """This moment, as `Message.at`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


_MESSAGES = TypeAdapter(list[Message])


class Transcript:
    """The messages of one agent, in memory and in the store under `runs/{run}/agents/{agent}/turns/`."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder
        self.messages: list[Message] = []
        self._kept = 0

    async def load(self) -> None:
        """Read what an earlier attempt kept. A gap ends it: what lies behind one was never answered to."""
        keys = await self._store.keys(f"{self._folder}/turns")
        self.messages = []
        for key in keys:
            if key != self._key(len(self.messages)):
                break
            self.messages += _MESSAGES.validate_json(await self._store.get(key))
        self._kept = len(self.messages)

    def add(self, message: Message) -> None:
        """Append a message, in memory."""
        self.messages.append(message)

    async def keep(self) -> None:
        """Write the messages that are not in the store yet, as one object: an agent of one turn writes one."""
        new = self.messages[self._kept :]
        if new:
            await self._store.put(self._key(self._kept), _MESSAGES.dump_json(new, exclude_defaults=True))
            self._kept += len(new)

    @property
    def answers(self) -> Sequence[Message]:
        """The assistant's messages."""
        return [message for message in self.messages if message.purpose == "answer"]

    @property
    def usage(self) -> Usage:
        """What all of it cost."""
        total = Usage()
        for message in self.messages:
            if message.usage is not None:
                total = total.plus(message.usage)
        total.usd = round(total.usd, USD_DIGITS)
        return total

    def _key(self, number: int) -> str:
        return f"{self._folder}/turns/{number:06d}.json"
