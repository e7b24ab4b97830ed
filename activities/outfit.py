"""What an agent is given for its work: tools, standing instructions, shared material, and what becomes of its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tenuto.workflows.contracts import RunAgentInput

from .context_items import resolve_context
from .tools.belt import Belt
from .tools.tool import FileMark


@dataclass(frozen=True, slots=True)
class Outfit:
    """One agent's equipment. The default is an agent that answers from its prompt alone."""

    belt: Belt | None = None
    standing: Sequence[str] = field(default_factory=tuple)
    """Texts for the front of `system`: the same for every agent of the run."""
    context: Sequence[str] = field(default_factory=tuple)
    """Shared material after them, the same bytes for all siblings: so it is cached."""
    own: Sequence[str] = field(default_factory=tuple)
    """Texts for the end of `system`, of this agent only: its definition."""
    told: str | None = None
    """What takes the place of the prompt, where it depends on what was found in the checkout."""


PLAIN = Outfit()


@dataclass(frozen=True, slots=True)
class KeptWork:
    """What an agent with a checkout of its own left behind."""

    commit: str | None = None
    """`None` where it changed nothing."""
    branch: str | None = None
    files: Sequence[FileMark] = field(default_factory=tuple)


class Work(Protocol):
    """One attempt at one agent's work."""

    @property
    def outfit(self) -> Outfit:
        """What the conversation is held with."""

    async def keep(self) -> KeptWork | None:
        """Make what it changed in a checkout of its own outlast it; `None` where it has none. Twice gives the same."""

    async def close(self) -> None:
        """Give up what this attempt holds; files that are not kept stay for the next attempt."""


class Equipment(Protocol):
    """Equips agents. One per Worker."""

    async def open(self, input: RunAgentInput, say: Callable[[str], None]) -> Work:
        """Equip one attempt.

        Raises:
            AgentFailed: the agent cannot work at all: `worktree`, `unknown_agent_type`, `sandbox`.
        """


@dataclass(frozen=True, slots=True)
class _PlainWork:
    outfit: Outfit

    async def keep(self) -> KeptWork | None:
        return None

    async def close(self) -> None:
        pass


class Unequipped:
    """Equips nobody: every agent answers from its prompt, and `context` has no workspace to name files of."""

    async def open(self, input: RunAgentInput, say: Callable[[str], None]) -> Work:
        """Work without tools."""
        return _PlainWork(Outfit(context=resolve_context(input.context or (), None)))
