"""What is kept of an agent once it has ended: `runs/{run}/agents/{agent}/record.json`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tenuto.workflows.contracts import RunAgentInput, Usage

from .next_step import answer_text
from .store import Store
from .transcript import Transcript, now


class RecordedFailure(BaseModel):
    """Why there is no value. `raw` is the last answer, whole, where there was one."""

    kind: str
    message: str
    raw: str | None = None


class AgentRecord(BaseModel):
    """One agent, for `audit`, `show` and whoever reads a run without Temporal."""

    run_id: str
    agent: str
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


def folder_of(run_id: str, agent: str) -> str:
    """Where an agent's objects lie."""
    return f"runs/{run_id}/agents/{agent}"


async def write_record(
    store: Store,
    input: RunAgentInput,
    transcript: Transcript,
    *,
    attempts: int,
    started_at: str,
    value: Any = None,
    failure: tuple[str, str] | None = None,
) -> None:
    """Write the record of an agent that has ended, by a value or by a `(kind, message)`."""
    answers = transcript.answers
    record = AgentRecord(
        run_id=input.run_id,
        agent=input.agent,
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
    )
    await store.put(f"{folder_of(input.run_id, input.agent)}/record.json", record.model_dump_json().encode())


def _failure(failure: tuple[str, str], transcript: Transcript) -> RecordedFailure:
    kind, message = failure
    raw = answer_text(transcript.messages) if transcript.answers else None
    return RecordedFailure(kind=kind, message=message, raw=raw)
