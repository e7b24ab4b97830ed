"""The audit of a run: one object for the run, then one for each agent, step, gate, review and question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from .facts import Books
from .reviewed import Heard
from .run import KeptRun, KeptStep


async def audit(run: KeptRun) -> AsyncIterator[dict[str, Any]]:
    """Everything that is kept of a run, one plain object after the other; one agent is in memory at a time.

    `type` says what an object is: `run` first, then every `agent` in order of its number, refused calls included, then
    `step`, `gate`, `review`, `question`.
    """
    yield await _run(run)
    books = Books(run)
    heard, reviews = Heard(), run.report.reviews if run.report else []
    reviewers = {agent for review in reviews for agent in review.agents}
    async for agent in run.agents():
        if agent.id in reviewers and agent.record is not None:
            heard.add(agent.id, agent.record, diff_chars=0)
        yield books.agent(agent)
    commands: dict[str, list[dict[str, Any]]] = {}
    async for step in run.steps():
        found = step_object(step)
        if found["op"] == "sh":
            told = {"step": step.id, "exit_code": found.get("exit_code"), "at": found["at"], "log": found.get("log")}
            commands.setdefault(" ".join(str(found.get("command")).split()), []).append(told)
        yield found
    if run.report is None:
        return
    for gate in run.report.gates:
        yield {"type": "gate", **gate.model_dump(mode="json"), "command_runs": _runs_of(gate.name, commands)}
    for review in run.report.reviews:
        named = heard.named(review)
        yield {"type": "review", **named.model_dump(mode="json"), "votes": heard.votes(named)}
    for question in run.report.questions:
        yield {"type": "question", **question.model_dump(mode="json")}


def _runs_of(name: str, commands: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A gate's own runs are steps: its name is their command, or the start of a long one."""
    if not name.endswith("…"):
        return commands.get(name, [])
    start = name.removesuffix("…")
    return [told for command, every in commands.items() if command.startswith(start) for told in every]


async def _run(run: KeptRun) -> dict[str, Any]:
    report, given, setup = run.report, run.input, await run.setup()
    found: dict[str, Any] = {
        "type": "run",
        "id": run.id,
        "workflow": given.script.name if given else report.workflow if report else None,
        "status": report.status if report else "unknown",
        "script_sha256": given.script.sha256 if given else report.script_sha256 if report else None,
        "args": given.args if given else None,
        "model": given.model if given else None,
        "workspace": given.workspace if given else None,
        "base_commit": setup.base if setup else None,
        "policy": given.policy.model_dump(mode="json") if given and given.policy else None,
        "limits": given.limits.model_dump(mode="json") if given else None,
        "resumed_from": given.resume_from if given else None,
        "interpreters": given.interpreters if given else None,
    }
    if report is None:
        return found | {"note": "the store has no report of this run: it has not ended, or was cut off"}
    kept = ("owner", "error", "verification", "census", "failures", "usage", "started_at", "ended_at", "simulated")
    values = report.model_dump(mode="json", include=set(kept) | {"result_ref", "lost", "notices"})
    return found | values


def step_object(step: KeptStep) -> dict[str, Any]:
    """One step as an object of the audit: what it was, what came of it."""
    record = dict(step.record or step.started or {})
    record.pop("execution", None)
    result = record.pop("result", None)
    failure = record.pop("failure", None)
    found: dict[str, Any] = {"type": "step", "id": step.id, "op": record.pop("op", None) or _op(record)}
    found |= {"at": record.pop("at", None), "attempt": record.pop("attempt", None)}
    found["state"] = "unknown" if step.record is None else "failed" if failure else "done"
    if isinstance(result, dict) and found["op"] == "sh":
        record |= {key: result[key] for key in ("stdout", "stderr", "duration_s", "log", "ended_by") if key in result}
        result = None
    if failure:
        found["failure"] = {"kind": failure[0], "message": failure[1]}
    return found | record | ({} if result is None else {"result": result})


def _op(record: dict[str, Any]) -> str:
    """The function of the script, which older records do not name."""
    named = {"command": "sh", "server": "mcp", "branch": "pull_request", "path": "write"}
    return next((op for key, op in named.items() if key in record), "step")
