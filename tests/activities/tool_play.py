"""Tools that count what they do, and the equipment that hands them out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tenuto.activities.outfit import KeptWork, Outfit
from tenuto.activities.store import Store
from tenuto.activities.tools.belt import Belt, Offer
from tenuto.activities.tools.journal import ToolJournal
from tenuto.activities.tools.tool import AfterLoss, FileMark, Note, Place, ToolCall, ToolError, ToolResult
from tenuto.workflows.contracts import RunAgentInput

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}


@dataclass
class Counting:
    """Remembers its calls. `Write` notes what it will do, as the real one does."""

    name: str
    after_loss: AfterLoss = "again"
    calls: list[ToolCall] = field(default_factory=list)
    pause: Callable[[], Any] | None = None
    fails: bool = False
    inside: int = 0
    inside_max: int = 0

    @property
    def definition(self) -> dict[str, Any]:
        return {"name": self.name, "description": f"{self.name} for a test", "input_schema": SCHEMA}

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        if self.name == "Write":
            await note({"before": None})
        self.calls.append(call)
        self.inside += 1
        self.inside_max = max(self.inside_max, self.inside)
        try:
            if self.pause is not None:
                await self.pause()
            await asyncio.sleep(0)
        finally:
            self.inside -= 1
        if self.fails:
            raise ToolError("it did not work")
        return ToolResult(f"{self.name} did {call.input}", wrote=[FileMark("a.txt", "0" * 64)])


@dataclass
class Refusal:
    message: str


@dataclass
class Rules:
    denied: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    def decide(self, tool: str, input: dict[str, Any], *, workspace: str, shared: bool) -> Refusal | None:
        return Refusal(f"{tool} is not allowed in this run") if tool in self.denied else None

    def offers(self, tool: str) -> bool:
        return tool not in self.hidden


@dataclass
class Played:
    """The equipment of a test: these tools, in one folder."""

    store: Store
    root: Path
    tools: list[Counting]
    rules: Rules = field(default_factory=Rules)
    folder: str = "runs/wf_test/agents/a1"
    closed: int = 0

    def belt(self, say: Callable[[str], None] = lambda _text: None) -> Belt:
        place = Place(self.root, cast(Any, None), cast(Any, None), self.store, self.folder, shared=True, say=say)
        return Belt(Offer(self.tools, self.rules), place, ToolJournal(self.store, self.folder))

    async def open(self, input: RunAgentInput, say: Callable[[str], None]) -> PlayedWork:
        return PlayedWork(self, Outfit(belt=self.belt(say)))


@dataclass
class PlayedWork:
    played: Played
    outfit: Outfit

    async def keep(self) -> KeptWork | None:
        return None

    async def close(self) -> None:
        self.played.closed += 1
