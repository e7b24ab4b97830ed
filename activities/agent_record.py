"""What is kept of an agent once it has ended: `runs/{run}/agents/{agent}/record.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from tenuto.workflows.contracts import RunAgentInput, Usage
from tenuto.workflows.share_contracts import ToolCounts

from .journal_entries import Left
from .next_step import answer_text
from .outfit import KeptWork
from .store import Store
from .transcript import ToolRecord, Transcript, folder_of, now, record_key


class RecordedFailure(BaseModel):
    """Why there is no value. `raw` is the last answer, whole, where there was one."""

    kind: str
    message: str
    raw: str | None = None


class RecordedCommand(BaseModel):
    """One command an agent ran. `log` is the store key of all its output, where the transcript has only a part."""

    command: str
    exit_code: int | None
    log: str | None


class Recalled(BaseModel):
    """Where the work of an agent was done and paid for, for one that was answered from the journal."""

    run_id: str
    agent: str
    usage: Usage


class AgentRecord(BaseModel):
    """One agent, for `audit`, `show` and whoever reads a run without Temporal."""

    entry: str | None
    """Name of its journal entry, where it has a value. These first three are the entry: `journal_entries`."""
    left: Left
    agent: str
    run_id: str
    label: str
    phase: str | None
    prompt: str
    output_schema: dict[str, Any] | None
    effort: str | None
    model: str
    """The model asked for."""
    served: str | None
    """The model that answered last."""
    value: Any
    usage: Usage
    turns: int
    attempts: int
    started_at: str
    ended_at: str
    simulated: bool
    failure: RecordedFailure | None
    tools: ToolCounts
    read: dict[str, str | None]
    """Path -> sha256 of every file a tool read, as it was last read; `None` for one that was gone."""
    wrote: dict[str, str | None]
    """Path -> sha256 of every file a tool wrote, as it was last left."""
    commands: list[RecordedCommand]
    commit: str | None
    """Of a checkout of its own that it changed, with the branch that holds it in the user's repository."""
    recalled: Recalled | None = None
    """Set where another run did the work; `usage` is zero then."""
    branch: str | None
    turns_kept: int
    """How many of the conversation's messages lie under `turns/`."""
    last_messages: list[dict[str, Any]]
    """Those after them: `Transcript.load` reads both."""


async def write_record(
    store: Store,
    input: RunAgentInput,
    transcript: Transcript,
    *,
    attempts: int,
    started_at: str,
    kept: KeptWork | None = None,
    value: Any = None,
    failure: tuple[str, str] | None = None,
) -> None:
    """Write the record of an agent that has ended, by a value or by a `(kind, message)`."""
    answers = transcript.answers
    done = _done_by(transcript.calls)
    record = AgentRecord(
        entry=input.entry if failure is None else None,
        left=_left(input, kept, done["wrote"]),
        agent=input.agent,
        run_id=input.run_id,
        label=input.label,
        phase=input.phase,
        prompt=input.prompt,
        output_schema=input.output_schema,
        effort=input.effort,
        model=input.model,
        served=answers[-1].model if answers else None,
        value=value,
        usage=transcript.usage,
        turns=len(answers),
        attempts=attempts,
        started_at=started_at,
        ended_at=now(),
        simulated=input.simulate,
        failure=None if failure is None else _failure(failure, transcript),
        commit=kept.commit if kept is not None else None,
        branch=kept.branch if kept is not None else None,
        **done,
        **transcript.ended(),
    )
    await store.put(record_key(folder_of(input.run_id, input.agent)), record.model_dump_json().encode())


def counts_of(calls: Sequence[ToolRecord]) -> ToolCounts:
    """Tool calls by how they ended."""
    return ToolCounts(
        calls=len(calls),
        failed=sum(not call.ok and not call.refused for call in calls),
        refused=sum(call.refused for call in calls),
    )


def _left(input: RunAgentInput, kept: KeptWork | None, wrote: Mapping[str, str | None]) -> Left:
    """What has to be there for its value to be taken again."""
    if input.isolation is not None:
        return "commit" if kept is not None and kept.commit is not None else "nothing"
    return "files" if wrote else "nothing"


def _done_by(calls: Sequence[ToolRecord]) -> dict[str, Any]:
    """What the calls did to the world, for the fields of `AgentRecord`."""
    return {
        "tools": counts_of(calls),
        "read": {path: sha256 for call in calls for path, sha256 in call.read.items()},
        "wrote": {path: sha256 for call in calls for path, sha256 in call.wrote.items()},
        "commands": [
            RecordedCommand(command=call.command, exit_code=call.exit_code, log=call.log)
            for call in calls
            if call.command is not None
        ],
    }


def _failure(failure: tuple[str, str], transcript: Transcript) -> RecordedFailure:
    kind, message = failure
    raw = answer_text(transcript.messages) if transcript.answers else None
    return RecordedFailure(kind=kind, message=message, raw=raw)
