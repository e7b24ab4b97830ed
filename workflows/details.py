"""What the Temporal UI shows of a run: Markdown for people, a snapshot for readers without a Worker. Pure."""

from __future__ import annotations

from typing import Any

from .bounds import cut, shown
from .contracts import RunLimits, RunReport
from .gate_contracts import GateView
from .people_contracts import QuestionView

MEMO = "tenuto"
"""The memo's key: what readers see when no Worker is up."""
_ROWS = 15
_CELL = 90
FLAKY_NAMED = 5
"""Flaky tests that are named in one line; all are in the report."""


def markdown(report: RunReport) -> str:
    """The run on one page: status, figures, phases, what is running, what failed."""
    c, u = report.census, report.usage
    parts = [
        f"**{report.status}** · {c.done + c.cached} of {c.agents} agents done"
        f" · {c.running} running · {c.queued} queued · {c.failed} failed · {c.skipped} skipped",
        f"{u.input_tokens + u.cache_read_input_tokens + u.cache_creation_input_tokens:,} tokens in"
        f" · {u.output_tokens:,} out · ${u.usd:.4f}" + (" (simulated)" if report.simulated else ""),
    ]
    if report.waiting_for:
        held = report.waiting_for
        until = f" until {held.until}" if held.until else ""
        parts.append(f"**Waiting for {held.kind}{until}**: {_cell(held.message)}")
    if report.error:
        parts.append(f"**{report.error.kind}**: {_cell(report.error.message)}")
    parts += [f"⚠ {notice}" for notice in report.notices]
    if report.failures:
        failed = [(f.label, f.agent, f.kind, f.message) for f in report.failures]
        parts.append(table(("Failure", "Agent", "Kind", "Message"), failed))
    if report.phases:
        phases = [(p.title, p.done, p.agents, f"${p.usage.usd:.4f}") for p in report.phases]
        parts.append(table(("Phase", "Done", "Agents", "Cost"), phases))
    running = [a for a in report.agents if a.state == "running"]
    if running:
        parts.append(
            table(("Running", "Agent", "Phase", "Model"), [(a.label, a.id, a.phase, a.model) for a in running])
        )
    red = [gate for gate in report.gates if not gate.passed or gate.flaky]
    if red:
        parts.append(table(("Gate", "Outcome"), [(gate.name, gate_words(gate)) for gate in red]))
    return "\n\n".join(parts)


def snapshot(report: RunReport) -> dict[str, Any]:
    """The report small enough for a memo: no agents, the last failures, no result."""
    red = [gate for gate in report.gates if not gate.passed or gate.flaky]
    asked = [question for question in report.questions if question.state == "open"]
    small = report.model_copy(
        update={
            "failures": report.failures[-_ROWS:],
            "gates": red[-_ROWS:],
            "questions": asked[:_ROWS],
            "agents": [],
            "result": None,
        }
    )
    bounded: dict[str, Any] = shown(small.model_dump(mode="json"))
    return bounded


def gate_words(gate: GateView) -> str:
    """A gate's last outcome in words."""
    outcome = "passed" if gate.passed else f"not passed: {gate.reason}"
    if not gate.flaky:
        return outcome
    more = f" and {len(gate.flaky_tests) - FLAKY_NAMED} more" if len(gate.flaky_tests) > FLAKY_NAMED else ""
    named = f" ({', '.join(gate.flaky_tests[:FLAKY_NAMED])}{more})" if gate.flaky_tests else ""
    return f"{outcome} · flaky: it changed its mind on an identical tree{named}"


def question_words(question: QuestionView) -> str:
    """A question on one line, and what became of it."""
    asked = f"{question.id}: {question.question}"
    if question.state == "answered":
        by = f" by {question.by}" if question.by else ""
        return f"{asked} · answered{by}: {_value(question.answer)}"
    if question.state == "default":
        return f"{asked} · nobody answered in time, so its default was taken: {_value(question.answer)}"
    if question.state == "expired":
        return f"{asked} · nobody answered in time, and it has no default"
    return asked + (f" [{', '.join(map(str, question.options))}]" if question.options else "")


def _value(value: Any) -> str:
    return cut(value if isinstance(value, str) else repr(value), _CELL)


def limit_words(limits: RunLimits) -> str:
    """The ceilings of a run on one line."""
    ceilings = [f"${limits.usd:g}" if limits.usd is not None else "no ceiling"]
    ceilings += [
        f"{count:,} {what}"
        for count, what in ((limits.tokens, "tokens"), (limits.output_tokens, "output tokens"))
        if count is not None
    ]
    ceilings += [f"${usd:g} for {phase}" for phase, usd in (limits.phases_usd or {}).items()]
    return ", ".join([f"{limits.concurrency} agents at once", f"{limits.agents:,} in all", *ceilings])


def fits(value: Any, bytes_max: int) -> bool:
    """Whether a plain value is at most about that many bytes as JSON; stops looking as soon as it is not."""
    return size(value, bytes_max) <= bytes_max


def size(value: Any, bytes_max: int) -> int:
    """About how many bytes a plain value has as JSON; stops looking as soon as it is more than `bytes_max`."""
    left = bytes_max
    waiting = [value]
    while waiting and left >= 0:
        item = waiting.pop()
        if isinstance(item, dict):
            left -= 2 + sum(len(key) + 4 for key in item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            left -= 2 + len(item)
            waiting.extend(item)
        else:
            left -= len(item) + 2 if isinstance(item, str) else 8
    return bytes_max - left


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A Markdown table of at most fifteen rows."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows[:_ROWS]]
    if len(rows) > _ROWS:
        lines.append(f"| … and {len(rows) - _ROWS} more |" + " |" * (len(head) - 1))
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = " ".join(str("" if value is None else value).split()).replace("|", "\\|")
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
