"""Runs as the store has them, made without running anything: as many agents as a test wants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tenuto.activities.agent_record import AgentRecord, RecordedCommand
from tenuto.workflows.contracts import AgentView, Census, Failure, PhaseView, RunReport, Usage
from tenuto.workflows.review_views import ReviewView, VoteView
from tenuto.workflows.share_contracts import ToolCounts

USAGE = Usage(input_tokens=100, output_tokens=10, usd=0.001)


def record(run_id: str, number: int, **given: Any) -> AgentRecord:
    """One agent that is done."""
    values: dict[str, Any] = {
        "entry": f"{number:064x}-0",
        "left": "nothing",
        "agent": f"a{number}",
        "run_id": run_id,
        "label": f"agent {number}",
        "phase": "Work",
        "prompt": f"Do task {number}.",
        "output_schema": None,
        "effort": None,
        "model": "claude-sonnet-5-5",
        "served": "claude-sonnet-5-5",
        "value": f"value {number}",
        "usage": USAGE,
        "turns": 1,
        "attempts": 1,
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "ended_at": "2026-01-01T00:01:00.000+00:00",
        "simulated": False,
        "failure": None,
        "tools": ToolCounts(),
        "read": {},
        "wrote": {},
        "commands": [RecordedCommand(command="true", exit_code=0, log=None)],
        "commit": None,
        "branch": None,
        "turns_kept": 0,
        "last_messages": [],
    }
    return AgentRecord.model_validate(values | given)


def keep_run(home: Path, run_id: str, records: list[AgentRecord], **given: Any) -> None:
    """Write a run into the default store of a home."""
    folder = home / "store" / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    for each in records:
        place = folder / "agents" / each.agent
        place.mkdir(parents=True)
        (place / "record.json").write_text(each.model_dump_json())
    failed = [each for each in records if each.failure is not None]
    views = [
        AgentView(
            id=each.agent,
            label=each.label,
            phase=each.phase,
            state="failed" if each.failure else "done",
            model=each.model,
            usage=each.usage,
            usd=each.usage.usd,
            ms=60_000,
        )
        for each in records
    ]
    values: dict[str, Any] = {
        "run_id": run_id,
        "workflow": "made",
        "status": "completed",
        "agents": views,
        "census": Census(agents=len(records), done=len(records) - len(failed), failed=len(failed)),
        "failures": [
            Failure(agent=a.agent, label=a.label, phase=a.phase, kind=a.failure.kind, message=a.failure.message)
            for a in failed
            if a.failure is not None
        ],
        "phases": [PhaseView(title="Work", agents=len(records), done=len(records) - len(failed))],
        "started_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:02:00Z",
    }
    report = RunReport.model_validate(values | {"result_ref": f"runs/{run_id}/result.json"} | given)
    (folder / "result.json").write_text(json.dumps(given.get("result", "the result")))
    report.result = None
    (folder / "report.json").write_text(report.model_dump_json())


def review(number: int, verdict: str, votes: dict[str, str]) -> ReviewView:
    """One review of one round. `votes` is agent -> verdict."""
    told = [VoteView(agent=agent, lens="correctness", verdict=vote) for agent, vote in votes.items()]
    name = f"review-{number}"
    return ReviewView(id=name, kind="review", verdict=verdict, rounds=1, work="a claim", votes=told, agents=[*votes])
