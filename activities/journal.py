"""The journal's Activities: what an earlier run has to offer, and bringing it over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from temporalio import activity

from tenuto.workflows.contracts import RunReport, Usage
from tenuto.workflows.journal import Ordinals, step_key
from tenuto.workflows.journal_contracts import (
    FileHashes,
    HashedCall,
    HashFilesInput,
    HashFilesResult,
    KnownAnswer,
    OpenJournalInput,
    OpenJournalResult,
    RecallAgentsInput,
    RecallAgentsResult,
    RecalledAgent,
    RecalledCall,
)
from tenuto.workflows.policy.decide import Rules

from .context_items import hash_of_files
from .errors import AgentFailed
from .heartbeat import alive
from .journal_entries import Entry, left_of, read_entries
from .left_behind import Writer, lost_commits, lost_files, sha256_of
from .places import rules_of
from .protected import guard_of
from .run_setup import load_setup
from .store import Store
from .transcript import folder_of, record_key
from .workspace.confined import ConfinedFiles
from .workspace.files import Files, OutsideWorkspace

READS_AT_ONCE = 32
ABSENT = "absent"
GONE = "its record is no longer in the store"


class JournalActivities:
    """Registers `open_journal`, `recall_agents` and `hash_files`. Each may run twice: it does the same again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name="open_journal")
    @alive
    async def open_journal(self, input: OpenJournalInput) -> OpenJournalResult:
        """List what an earlier run finished, without what the workspace no longer bears out.

        Raises:
            What the store raises; Temporal tries again.
        """
        # Of one call that ended twice, as after a conflict in the merge queue, the last one is its outcome.
        entries = {entry.name: entry for entry in await read_entries(self._store, input.resumed)}
        leaving = [entry for entry in entries.values() if entry.left != "nothing"]
        records = dict(zip(leaving, await self._records(input.resumed, leaving), strict=True))
        lost = await _lost(records, input.workspace)
        kept = {name: entry for name, entry in entries.items() if name not in lost}
        answers = await self._answers(input.resumed)
        given = {"answers": answers} if answers else {}
        return OpenJournalResult(
            **given,
            entries={name: entry.agent for name, entry in kept.items()},
            left={name: entry.left for name, entry in kept.items() if entry.left != "nothing"},
            lost=lost,
        )

    @activity.defn(name="recall_agents")
    @alive
    async def recall_agents(self, input: RecallAgentsInput) -> RecallAgentsResult:
        """Copy agents with all that is known of them, so that the earlier run may go; give their values.

        Raises:
            What the store raises; Temporal tries again.
        """
        turns = asyncio.Semaphore(READS_AT_ONCE)

        async def one(call: RecalledCall) -> RecalledAgent:
            async with turns:
                return await self._recall(input, call)

        return RecallAgentsResult(agents=await asyncio.gather(*map(one, input.calls)))

    @activity.defn(name="hash_files")
    @alive
    async def hash_files(self, input: HashFilesInput) -> HashFilesResult:
        """Hash the files that calls name in `context` and `inputs`.

        Raises:
            What the store raises; Temporal tries again.
        """
        setup = await load_setup(self._store, input.setup)
        return HashFilesResult(
            calls=await asyncio.to_thread(_hashes, Path(setup.workspace or ""), rules_of(setup), input.calls)
        )

    async def _answers(self, run_id: str) -> dict[str, KnownAnswer]:
        """By entry: what people answered. A default that was taken is no answer, and is asked for again."""
        try:
            report = RunReport.model_validate_json(await self._store.get(f"runs/{run_id}/report.json"))
        except (FileNotFoundError, ValueError):
            return {}  # it did not come to its end
        ordinals, found = Ordinals(), dict[str, KnownAnswer]()
        for view in report.questions:
            key = step_key("ask", {"question": view.question, "options": view.options or None})
            entry = ordinals.name(key or "")
            if view.state == "answered":
                found[entry] = KnownAnswer(answer=view.answer, by=view.by, at=view.answered_at)
        return found

    async def _records(self, run_id: str, entries: Iterable[Entry]) -> list[dict[str, Any] | None]:
        turns = asyncio.Semaphore(READS_AT_ONCE)

        async def one(entry: Entry) -> dict[str, Any] | None:
            async with turns:
                return await self._record(run_id, entry.agent)

        return await asyncio.gather(*map(one, entries))

    async def _record(self, run_id: str, agent: str) -> dict[str, Any] | None:
        try:
            found = json.loads(await self._store.get(record_key(folder_of(run_id, agent))))
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("failure") is None else None

    async def _recall(self, input: RecallAgentsInput, call: RecalledCall) -> RecalledAgent:
        record = await self._record(input.resumed, call.was)
        if record is None:
            return RecalledAgent(found=False)
        old, new = folder_of(input.resumed, call.was), folder_of(input.run_id, call.agent)
        for key in await self._store.keys(old):
            if key != record_key(old):
                await self._store.copy(key, new + key.removeprefix(old))
        given: dict[str, Any] = {"value": record.get("value")}
        if record.get("served") not in (None, record.get("model")):
            given["model"] = record["served"]
        if record.get("commit") is not None:
            given["commit"] = record["commit"]
        paid = {"run_id": input.resumed, "agent": call.was, "usage": record.get("usage")}
        # The entry stands first in a record.
        record = Entry(call.entry, call.agent, left_of(call.left)).first() | record
        record |= {
            "entry": call.entry,
            "left": left_of(call.left),
            "run_id": input.run_id,
            "agent": call.agent,
            "label": call.label,
            "phase": call.phase,
            "usage": Usage().model_dump(),
            "recalled": record.get("recalled") or paid,
        }
        await self._store.put(record_key(new), json.dumps(record).encode())
        return RecalledAgent(found=True, **given)


async def _lost(records: dict[Entry, dict[str, Any] | None], workspace: str | None) -> dict[str, str]:
    """Entry -> why what it left is not there."""
    lost = {entry.name: GONE for entry, record in records.items() if record is None}
    writers = [
        Writer(entry.name, entry.agent, str(record.get("ended_at")), record.get("wrote") or {})
        for entry, record in records.items()
        if record is not None and entry.left == "files"
    ]
    commits = {
        entry.name: str(record.get("commit"))
        for entry, record in records.items()
        if record is not None and entry.left == "commit"
    }
    if workspace is None:
        return lost | dict.fromkeys([*(w.entry for w in writers), *commits], "this run has no workspace")
    lost |= await asyncio.to_thread(lost_files, writers, Path(workspace))
    return lost | await lost_commits(commits, Path(workspace))


def _hashes(workspace: Path, rules: Rules, calls: Iterable[HashedCall]) -> list[FileHashes]:
    """By call. The same item of many calls is read once."""
    where = str(workspace)
    guard = guard_of(workspace)
    files = ConfinedFiles(workspace, hidden=lambda path: rules.hides(path, workspace=where), guard=guard)
    contexts: dict[str, str | None] = {}
    named: dict[str, dict[str, str]] = {}

    def may_read(path: str) -> bool:
        return rules.decide("Read", {"file_path": path}, workspace=where, shared=True) is None

    for call in calls:
        for item in call.context:
            if item not in contexts:
                contexts[item] = _context_hash(item, files, may_read)
        for item in call.inputs:
            if item not in named:
                named[item] = _input_hashes(item, files)
    return [
        FileHashes(
            context=[contexts[item] for item in call.context],
            inputs={path: sha256 for item in call.inputs for path, sha256 in named[item].items()},
        )
        for call in calls
    ]


def _context_hash(item: str, files: Files, may_read: Any) -> str | None:
    try:
        return hash_of_files(item, files, may_read=may_read)
    except AgentFailed as error:
        return f"unusable: {error}"  # the agent will say so itself


def _input_hashes(item: str, files: Files) -> dict[str, str]:
    try:
        path = files.info(item).path
    except (OSError, ValueError, OutsideWorkspace):
        path = None
    if path is not None:
        return {path: sha256_of(files, path) or ABSENT}
    try:
        found = {match.path: sha256_of(files, match.path) or ABSENT for match in files.walk(item)}
    except (OSError, ValueError, OutsideWorkspace):
        found = {}
    return found or {item: ABSENT}
