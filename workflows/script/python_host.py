"""The host's side of a Python script: what its calls, clock and sleeps are answered with."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from types import EllipsisType
from typing import Any

from pydantic_monty import (
    ExternalExceptionData,
    ExternalFuture,
    ExternalReturnValue,
    ExternalSettledResult,
    FunctionSnapshot,
)

from .protocol import REVIEWS, STEPS, CallError, NoteKind, Outcome, StepContext
from .python_values import from_script, to_script

CALLS = frozenset({"agent", "workflow", "sleep", "lock", "gate", "ask", "wait_for", *STEPS, *REVIEWS})
"""Operations that the prelude may ask for."""
CAP_KINDS = frozenset({"agent_cap", "budget"})
"""Kinds of `CallError` that a Python script sees as `limit: …`."""
NOTES: dict[str, NoteKind] = {"log": "log", "phase": "phase", "unlock": "unlock"}
"""What the prelude may say without an answer."""
Totals = tuple[int | None, float | None]
"""Ceilings of the run: output tokens, dollars."""

_PENDING: EllipsisType = ...
LATER = ExternalFuture(future=_PENDING)
"""The answer that means: a `Call` was recorded, its outcome follows."""


def value(result: Any) -> ExternalReturnValue:
    """An answer."""
    return ExternalReturnValue(return_value=result)


def refusal(message: str) -> ExternalExceptionData:
    """A `RuntimeError` raised at the call."""
    return ExternalExceptionData(exc_type="RuntimeError", message=message)


def read(what: str, context: StepContext, failures: tuple[dict[str, Any], ...]) -> Any:
    """What a script reads without waiting: `now`, `budget`, `failures`."""
    budget = context.budget
    match what:
        case "now":
            return context.now
        case "failures":
            return to_script(list(failures))
        case "budget":
            return {
                "tokens": {"total": budget.total, "spent": budget.spent},
                "usd": {"total": budget.usd_total, "spent": budget.usd_spent},
            }
    raise ValueError(f"a script cannot read {what!r}")


def clock(snapshot: FunctionSnapshot, now: float) -> ExternalReturnValue | None:
    """The answer to a question for the time; `None` if the call is none."""
    match snapshot.function_name:
        case "time.time":
            return value(now)
        case "date.today":
            return value(datetime.fromtimestamp(now, UTC).date())
        case "datetime.now":
            zone = snapshot.args[0] if snapshot.args else None
            if isinstance(zone, tzinfo):
                return value(datetime.fromtimestamp(now, zone))
            return value(datetime.fromtimestamp(now, UTC).replace(tzinfo=None))  # an aware one would leak its zone
    return None


def call_arguments(snapshot: FunctionSnapshot) -> tuple[str, dict[str, Any]]:
    """Operation and arguments of a prelude's call.

    Raises:
        TypeError, ValueError: they are not what the prelude sends, or too deep; the script is told so.
    """
    op, text = snapshot.args
    if op not in CALLS:
        raise ValueError(f"there is no call {op!r}")
    arguments = from_script(text)
    if not isinstance(arguments, dict):
        raise TypeError(f"arguments of {op} are a dict")
    return op, arguments


def error_text(error: CallError) -> str:
    """What the `RuntimeError` of a failed call says (SCRIPT_API §2)."""
    kind = "limit" if error.kind in CAP_KINDS else error.kind
    return str(to_script(f"{kind}: {error.message}"))


def settled(outcome: Outcome, *, wrapped: bool, totals: Totals | None) -> ExternalSettledResult:
    """An outcome for the interpreter: bare for its own sleeps, else with the budget's ceilings if they changed."""
    if outcome.error is not None:
        return refusal(error_text(outcome.error))
    if not wrapped:
        return value(None)
    answer: dict[str, Any] = {"value": to_script(outcome.value)}
    if totals is not None:
        answer["totals"] = list(totals)
    return value(answer)
