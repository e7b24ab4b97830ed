"""Wire contracts of commits under review: what the reviewers are shown, and where it is kept."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from temporalio import activity

from .step_contracts import StepInput
from .wire import Wire, only_an_interface

SHOWN_CHARS_MAX = 400_000
"""Of a diff, in the message of one reviewer: some 130,000 tokens. What does not fit is named, and may be looked at."""
INLINE_CHARS_MAX = 8_000
"""Longer ones are in the store, and a history has only their key."""


class NamedChange(Wire):
    """`{commit, paths}`, as a script names a change."""

    commit: str = Field(min_length=1)
    paths: list[str] = Field(default_factory=list)


def named_change(work: Any) -> NamedChange | None:
    """The change that `work` names; `None` where it is work of another kind.

    Raises:
        ValidationError: it names a change, in a form that cannot be used.
    """
    if not isinstance(work, dict) or "commit" not in work or work.keys() - {"commit", "paths"}:
        return None
    paths = work.get("paths") or []
    return NamedChange.model_validate({"commit": work["commit"], "paths": [paths] if isinstance(paths, str) else paths})


class ReviewedChange(Wire):
    """The change that a review is about."""

    commit: str
    """As it was named."""
    paths: list[str] = Field(default_factory=list)
    """Patterns, relative to the workspace; none for all of it."""
    whole: bool = False
    """The change is all of the work; else it goes with what its author said of it."""
    agent: str | None = None
    """Whose checkout it comes from."""


class ReadChangeInput(StepInput):
    """Read what a commit changed."""

    commit: str
    paths: list[str] = Field(default_factory=list)
    base: str | None = None
    """Since when; `None` is where it parted from the run's base, or its parent where it is part of that."""
    agent: str | None = None


class ReadChangeResult(Wire):
    """A diff for reviewers. Either `text` has it, or `key` names it in the store."""

    commit: str
    """Full id."""
    base: str
    files: int = 0
    text: str | None = None
    key: str | None = None
    sha256: str
    """Of the text."""
    left_out: list[str] = Field(default_factory=list)
    """Files whose diff is not in it, each with why."""

    @property
    def shown(self) -> str:
        """What stands in a prompt: the diff itself, or the mark that is replaced by it."""
        return self.text if self.text is not None else material_mark(self.sha256)


def material_mark(sha256: str) -> str:
    """What `run_agent` replaces by the text that `RunAgentInput.material` names: the same in every run."""
    return f"[[material {sha256}]]"


@activity.defn(name="read_change")
async def read_change(input: ReadChangeInput) -> ReadChangeResult:
    """Read a commit's diff. Fails for good with `not_found`, `bad_arguments`, `workspace`, `too_large`."""
    raise only_an_interface("read_change")
