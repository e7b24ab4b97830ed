"""What every tool is to the conversation loop: a definition for the model, and one call with its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from ..sandbox.command import CommandRunner
    from ..store import Store
    from ..workspace.files import Files

AfterLoss = Literal["again", "unknown"]
"""What becomes of a call that was started by an attempt that was lost: run again, or answered with "unknown"."""


class ToolError(Exception):
    """The call failed; the message goes to the model as an error result, in plain words that say what to do."""


@dataclass(frozen=True, slots=True)
class FileMark:
    """A file as a tool left or found it."""

    path: str
    """Relative to the workspace, `/` between parts."""
    sha256: str | None
    """Of its bytes; `None` for one that is gone."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One `tool_use` block, with what makes it repeatable."""

    id: str
    """The block's own id."""
    name: str
    input: dict[str, Any]
    key: str
    """Idempotency key: the same for a call that is made again because its first outcome is unknown."""
    lost: dict[str, Any] | None = None
    """What a lost attempt wrote down before it acted (`Place.note`), where this call was started before."""


@dataclass(slots=True)
class ToolResult:
    """What goes back to the model, and what is kept for the audit."""

    content: str | list[dict[str, Any]]
    """As `tool_result.content` takes it. Bounded by the tool: a result is paid for on every later turn."""
    is_error: bool = False
    read: list[FileMark] = field(default_factory=list)
    wrote: list[FileMark] = field(default_factory=list)
    command: str | None = None
    exit_code: int | None = None
    log: str | None = None
    """Store key of the full output, where `content` is a part of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent or a step works. One per call of `agent()` or of a step."""

    root: Path
    """The workspace, or the agent's own clone; absolute and resolved."""
    files: Files
    """Confined access to it."""
    commands: CommandRunner
    """Runs commands in it, inside the sandbox of this run."""
    store: Store
    folder: str
    """Store prefix for what belongs to this agent or step, such as full logs."""
    shared: bool
    """Others work in the same checkout: git commands that change it are refused unless a rule allows them."""
    say: Callable[[str], None] = lambda _text: None
    """Told what is going on, in a few words."""


class Note(Protocol):
    """Writes down, durably and before a tool acts, what the tool needs to know if this attempt is lost."""

    async def __call__(self, what: dict[str, Any]) -> None:
        """Keep `what`; it comes back as `ToolCall.lost`."""


class Tool(Protocol):
    """One tool. Stateless between calls; one instance serves a whole Worker."""

    @property
    def name(self) -> str:
        """As models, agent definitions and permission rules write it: `Read`, `Bash`, `mcp__server__tool`."""

    @property
    def definition(self) -> dict[str, Any]:
        """`name`, `description`, `input_schema`, as the Messages API takes a tool. Always the same bytes."""

    @property
    def after_loss(self) -> AfterLoss:
        """What becomes of a call whose attempt was lost."""

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        """Do it. `call.input` already satisfies the schema, and the policy has allowed the call.

        Raises:
            ToolError: an ordinary failure, for the model.
            asyncio.CancelledError: whatever was started is gone by the time it is raised.
        """
