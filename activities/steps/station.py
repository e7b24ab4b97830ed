"""What a step works with: the run's setup, its rules, and the workspace behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.setup_contracts import RunSetup
from tenuto.workflows.step_contracts import StepInput

from ..tools.tool import Place

PATIENCE = 8
"""Attempts: about two minutes."""


class StepFailed(Exception):
    """The step fails for good; the script is told `kind` and message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class LargeValue(Exception):
    """The step's value is to be asked for alone (`StepInput.alone`)."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the value has {size:,} bytes: it is to be asked for alone")
        self.size = size


class StepAgain(Exception):
    """Not for now: the step is tried again, up to `PATIENCE` times; then it fails with that kind."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Refusal(Protocol):
    """Why something may not be done."""

    @property
    def message(self) -> str:
        """What was refused, and what is allowed instead."""

    @property
    def remedy(self) -> str:
        """What would allow it."""


class StepRules(Protocol):
    """What the run may do (`workflows/policy`)."""

    def decide(self, tool: str, input: Mapping[str, Any], *, workspace: str, shared: bool) -> Refusal | None:
        """Why a call is refused; `None` if it is allowed."""

    def hides(self, path: str, *, workspace: str) -> bool:
        """Whether a file is to be left out of what searches find."""

    def allows_host(self, host: str) -> bool:
        """Whether the run may reach a host."""


@dataclass(frozen=True, slots=True)
class Station:
    """Where one step works. Its `place` is the run's shared workspace."""

    setup: RunSetup
    rules: StepRules
    place: Place
    home: Path | None = None
    """`HOME` of the commands of this run."""

    def require(self, tool: str, input: Mapping[str, Any]) -> None:
        """Raises `StepFailed` (`refused`) where the policy does not allow the call."""
        refusal = self.rules.decide(tool, input, workspace=str(self.place.root), shared=self.place.shared)
        if refusal is not None:
            raise refused(refusal.message, refusal.remedy)


class Stations(Protocol):
    """Equips steps. One per Worker."""

    async def station(self, input: StepInput, folder: str, say: Callable[[str], None]) -> Station:
        """Equip one attempt of one step; `folder` is its prefix in the store.

        Raises:
            StepFailed: it cannot work at all: `sandbox`, `workspace`.
        """


def refused(message: str, remedy: str) -> StepFailed:
    """The failure of a step that the policy refuses."""
    return StepFailed(kinds.REFUSED, f"{message.rstrip('.')}. To go on: {remedy}")
