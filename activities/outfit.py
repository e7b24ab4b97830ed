"""What an agent is given for its work: tools, standing instructions, shared material."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .tools.belt import Belt


@dataclass(frozen=True, slots=True)
class Outfit:
    """One agent's equipment. The default is an agent that answers from its prompt alone."""

    belt: Belt | None = None
    shared: Sequence[str] = field(default_factory=tuple)
    """Texts for the front of `system`, the same bytes for all siblings: so they are cached."""
    own: Sequence[str] = field(default_factory=tuple)
    """Texts for the end of `system`, of this agent only: its definition."""


PLAIN = Outfit()
