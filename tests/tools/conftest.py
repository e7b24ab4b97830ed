"""A workspace, and tools called in it as the conversation loop calls them."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tenuto.activities.sandbox.command import Command, CommandOutcome
from tenuto.activities.store import Store
from tenuto.activities.tools.catalogue import built_in_tools
from tenuto.activities.tools.tool import Place, ToolCall, ToolError, ToolResult
from tenuto.activities.workspace.confined import ConfinedFiles


class NoCommands:
    """File tools run none."""

    async def run(
        self,
        command: Command,
        *,
        say: Callable[[str], None] = lambda _text: None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> CommandOutcome:
        raise AssertionError(f"a file tool ran {command.text}")


@dataclasses.dataclass
class Desk:
    """Calls tools by name; keeps what they noted."""

    root: Path
    place: Place
    noted: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    on_note: Callable[[], None] = lambda: None

    async def use(self, name: str, lost: dict[str, Any] | None = None, /, **given: Any) -> ToolResult:
        tool = built_in_tools()[name]
        Draft202012Validator(tool.definition["input_schema"]).validate(given)

        async def note(what: dict[str, Any]) -> None:
            self.noted.append(what)
            self.on_note()

        return await tool.run(ToolCall("toolu_1", name, given, "key", lost), self.place, note)

    async def text(self, name: str, /, **given: Any) -> str:
        content = (await self.use(name, **given)).content
        assert isinstance(content, str)
        return content

    async def refusal(self, name: str, /, **given: Any) -> str:
        with pytest.raises(ToolError) as caught:
            await self.use(name, **given)
        return str(caught.value)

    def plant(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    root = tmp_path / "workspace"
    root.mkdir()
    store = Store((tmp_path / "store").as_uri())
    place = Place(root, ConfinedFiles(root), NoCommands(), store, "runs/wf_test/agents/a1", shared=True)
    return Desk(root, place)
