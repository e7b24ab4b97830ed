"""What is known of one agent, from its record, its conversation and the run's report: one plain object.

A record says what an agent came to; the report what the run made of that (a value may come from a journal, a call may
have been refused by a cap, or skipped before it began); the conversation what it thought and saw on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from tenuto.activities.transcript import Message
from tenuto.workflows.contracts import AgentView, Failure, Usage

from .run import KeptAgent, KeptRun

EVIDENCE_CHARS_MAX = 4000
"""Of one tool's output that an answer rests on; all of it is in the conversation."""


class Books:
    """The report's rows by agent. Empty for a run without a report."""

    def __init__(self, run: KeptRun) -> None:
        report = run.report
        self.run_id = run.id
        self.ended = run.ended
        self._rows: Mapping[str, AgentView] = {row.id: row for row in report.agents} if report else {}
        self._failures: Mapping[str, Failure] = {each.agent: each for each in report.failures} if report else {}

    def agent(self, kept: KeptAgent) -> dict[str, Any]:
        """One agent as an object of the audit."""
        record, row, failure = kept.record or {}, self._rows.get(kept.id), self._failures.get(kept.id)
        messages = kept.messages
        value = record.get("value")
        return {
            "type": "agent",
            "id": kept.id,
            "label": _first(record.get("label"), row and row.label, failure and failure.label),
            "phase": _first(record.get("phase"), row and row.phase, failure and failure.phase),
            "state": self._state(kept, row, failure),
            "prompt": _first(record.get("prompt"), _prompt(messages)),
            "schema": record.get("output_schema"),
            "effort": record.get("effort"),
            "result": value,
            "evidence": {"stated": _stated(value), "last_calls": list(_last_calls(messages))},
            "failure": self._failure(record, failure),
            "model_asked": _first(record.get("model"), row and row.model),
            "model_served": _first(record.get("served"), _served(messages)),
            "files_read": record.get("read") or _files(messages, "read"),
            "files_written": record.get("wrote") or _files(messages, "wrote"),
            "commands": record.get("commands") or _commands(messages),
            "tool_calls": record.get("tools") or _counts(messages),
            "refused_calls": list(_not_run(messages)),
            "thinking": list(_thinking(messages)),
            "usage": _first(record.get("usage"), row and row.usage.model_dump(), _usage(messages)),
            "attempts": _first(record.get("attempts"), row and row.attempts, 0),
            "turns": record.get("turns", sum(message.purpose == "answer" for message in messages)),
            "started_at": record.get("started_at"),
            "ended_at": record.get("ended_at"),
            "ms": row.ms if row else None,
            "commit": record.get("commit"),
            "branch": record.get("branch"),
            "recalled": record.get("recalled"),
            "journal_entry": record.get("entry"),
            "simulated": record.get("simulated"),
            "note": _missing(kept, row),
            "transcript": f"runs/{self.run_id}/agents/{kept.id}/" if kept.record or messages else None,
        }

    def _state(self, kept: KeptAgent, row: AgentView | None, failure: Failure | None) -> str:
        if row is not None:
            return row.state
        if kept.record is None:
            if failure is not None:
                return "refused"
            return "lost" if self.ended else "running"
        if (ended := kept.record.get("failure")) is not None:
            return "skipped" if ended.get("kind") == "skipped" else "failed"
        return "cached" if kept.record.get("recalled") else "done"

    @staticmethod
    def _failure(record: Mapping[str, Any], failure: Failure | None) -> dict[str, Any] | None:
        recorded: dict[str, Any] | None = record.get("failure")
        if failure is None:
            return recorded
        # The run's word stands: a value that came could not be merged, for one.
        return {"kind": failure.kind, "message": failure.message, "raw": recorded.get("raw") if recorded else None}


def _missing(kept: KeptAgent, row: AgentView | None) -> str | None:
    lost = kept.record is None and row is not None and row.state in ("done", "cached")
    return "its record is not in the store, or cannot be read" if lost else None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _prompt(messages: list[Message]) -> Any:
    return messages[0].content if messages else None


def _served(messages: list[Message]) -> str | None:
    return next((message.model for message in reversed(messages) if message.model is not None), None)


def _stated(value: Any) -> list[Any]:
    """Evidence that the answer itself names, as reviewers do."""
    stated = value.get("evidence") if isinstance(value, dict) else None
    return stated if isinstance(stated, list) else [] if stated is None else [stated]


def _last_calls(messages: list[Message]) -> Iterator[dict[str, Any]]:
    """What the tools said that the agent asked last: the final answer came right after."""
    for index in range(len(messages) - 1, 0, -1):
        if messages[index].purpose != "tool_results":
            continue
        outputs = _outputs(messages[index])
        for use, call in zip(messages[index - 1].tool_uses, messages[index].calls, strict=False):
            yield {
                "tool": use.get("name"),
                "input": use.get("input"),
                "ok": call.ok,
                "refused": call.refused,
                "exit_code": call.exit_code,
                "output": outputs.get(str(use.get("id"))),
                "log": call.log,
            }
        return


def _outputs(message: Message) -> dict[str, str]:
    blocks = message.content if isinstance(message.content, list) else []
    return {
        str(block.get("tool_use_id")): block_text(block)[-EVIDENCE_CHARS_MAX:]
        for block in blocks
        if block.get("type") == "tool_result"
    }


def block_text(block: Mapping[str, Any]) -> str:
    """The text of a tool's result."""
    content = block.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", f"[{part.get('type')}]")) for part in content)


def _not_run(messages: list[Message]) -> Iterator[dict[str, Any]]:
    """Calls that the policy refused, with what was asked and what was said."""
    for before, message in pairwise(messages):
        if message.purpose != "tool_results":
            continue
        outputs = _outputs(message)
        for use, call in zip(before.tool_uses, message.calls, strict=False):
            if call.refused:
                yield {"tool": call.name, "input": use.get("input"), "reason": outputs.get(str(use.get("id")))}


def _thinking(messages: list[Message]) -> Iterator[dict[str, Any]]:
    turn = 0
    for message in messages:
        if message.purpose != "answer":
            continue
        turn += 1
        for block in message.content if isinstance(message.content, list) else []:
            if block.get("type") == "thinking" and block.get("thinking"):
                yield {"turn": turn, "text": block["thinking"]}
            elif block.get("type") == "redacted_thinking":
                yield {"turn": turn, "text": None, "redacted": True}


def _files(messages: list[Message], what: str) -> dict[str, str | None]:
    return {path: sha for message in messages for call in message.calls for path, sha in getattr(call, what).items()}


def _commands(messages: list[Message]) -> list[dict[str, Any]]:
    calls = [call for message in messages for call in message.calls if call.command is not None]
    return [{"command": call.command, "exit_code": call.exit_code, "log": call.log} for call in calls]


def _counts(messages: list[Message]) -> dict[str, int]:
    calls = [call for message in messages for call in message.calls]
    failed = sum(not call.ok and not call.refused for call in calls)
    return {"calls": len(calls), "failed": failed, "refused": sum(call.refused for call in calls)}


def _usage(messages: list[Message]) -> dict[str, Any]:
    paid = Usage()
    for message in messages:
        if message.usage is not None:
            paid = paid.plus(message.usage)
    return paid.model_dump()
