"""Wire contracts of the journal: what a run takes over from an earlier one."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from temporalio import activity

from .wire import Wire, only_an_interface

RECALLED_AT_ONCE = 100
"""Agents in one `recall_agents` call."""


class OpenJournalInput(Wire):
    """Look at what an earlier run left."""

    run_id: str
    resumed: str
    """The run whose entries may be taken."""
    workspace: str | None = None


class KnownAnswer(Wire):
    """What a person answered to a question of the earlier run."""

    answer: Any = None
    by: str | None = None
    at: str | None = None


class OpenJournalResult(Wire):
    """The entries of an earlier run, each `{key}-{ordinal}`."""

    entries: dict[str, str] = Field(default_factory=dict)
    """Entry -> the agent id it had there."""
    left: dict[str, str] = Field(default_factory=dict)
    """Entry -> `files` or `commit`, where its agent left any outside of the store."""
    lost: dict[str, str] = Field(default_factory=dict)
    """Entry -> why it cannot be taken: what it left in the workspace is no longer there."""
    answers: dict[str, KnownAnswer] = Field(default_factory=dict)
    """Entry of `ask()` -> what a person answered."""


class RecalledCall(Wire):
    """One call that an entry answers."""

    entry: str
    was: str
    """Agent id in the earlier run."""
    agent: str
    """Agent id in this one."""
    label: str
    phase: str | None = None
    left: str | None = None
    """As in `OpenJournalResult`."""


class RecallAgentsInput(Wire):
    """Bring agents of an earlier run into this one."""

    run_id: str
    resumed: str
    calls: list[RecalledCall]


class RecalledAgent(Wire):
    """What an agent came to, there; `found` is false where its record is gone."""

    found: bool = False
    value: Any = None
    model: str | None = None
    """The model that served, where it was not the one asked for."""
    commit: str | None = None


class RecallAgentsResult(Wire):
    """One for each call, in their order."""

    agents: list[RecalledAgent]


class HashedCall(Wire):
    """The files of one call."""

    context: list[str] = Field(default_factory=list)
    inputs: list[str] = Field(default_factory=list)
    """Paths and patterns."""


class HashFilesInput(Wire):
    """Hash the files that calls depend on, for their keys."""

    run_id: str
    setup: str
    calls: list[HashedCall]


class FileHashes(Wire):
    """Of one call."""

    context: list[str | None] = Field(default_factory=list)
    """By item: sha256 of the texts of the files it names, `None` for an item that is text."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Path -> sha256; a path that names no file has `absent`."""


class HashFilesResult(Wire):
    """One for each call, in their order."""

    calls: list[FileHashes]


@activity.defn(name="open_journal")
async def open_journal(input: OpenJournalInput) -> OpenJournalResult:
    """List the entries of an earlier run, and tell those that the workspace no longer bears out."""
    raise only_an_interface("open_journal")


@activity.defn(name="recall_agents")
async def recall_agents(input: RecallAgentsInput) -> RecallAgentsResult:
    """Copy agents of an earlier run, entries included, and give their values."""
    raise only_an_interface("recall_agents")


@activity.defn(name="hash_files")
async def hash_files(input: HashFilesInput) -> HashFilesResult:
    """Hash the files that calls name in `context` and `inputs`."""
    raise only_an_interface("hash_files")
