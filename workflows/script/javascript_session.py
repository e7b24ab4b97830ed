"""A JavaScript script in execution: its log, and what the interpreter says at each step, as protocol values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from .javascript_contexts import Contexts, Entry
from .javascript_source import function_body
from .protocol import (
    Call,
    Event,
    Failed,
    Finished,
    LoadedScript,
    Note,
    NoteKind,
    Outcome,
    ScriptLoadError,
    Step,
    StepContext,
    Waiting,
)

CONTEXTS = Contexts()
"""The interpreters of this process."""


class JavaScriptSession:
    """Implements `Session`. Holds the log of resumptions and no process; `resume` may be called from any thread."""

    def __init__(self, script: LoadedScript, *, args: Any, has_args: bool, seed: str, locale: bool = True) -> None:
        body = function_body(script.source)
        if body is None:
            raise ScriptLoadError("the script does not start with `export const meta = {…}`", line=1)
        self._opening: dict[str, Any] = {"source": body, "seed": seed}
        if locale:
            self._opening["locale"] = True
        if has_args:
            self._opening["args"] = args
        self._log: list[Entry] = []
        self._pending: dict[int, None] = {}
        """Unanswered calls, in the order of their ids."""

    def start(self, context: StepContext) -> Step:
        """Run from the top to the first wait. Raises as `Session.start`."""
        return self._step({**_said(context), **self._opening}, answered=())

    def resume(self, outcomes: Mapping[int, Outcome], context: StepContext) -> Step:
        """Settle `outcomes` in call-id order and run to the next wait. Raises as `Session.resume`."""
        settled = [(call_id, _outcome(outcomes[call_id])) for call_id in sorted(outcomes)]
        return self._step({**_said(context), "outcomes": settled}, answered=tuple(outcomes))

    def state(self) -> dict[str, Any]:
        """The opening and every resumption: a context anywhere comes from them to the same place."""
        return {"log": [entry.line.decode("utf-8") for entry in self._log], "pending": list(self._pending)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        for line in state["log"]:
            self._log.append(Entry.after(self._log[-1] if self._log else None, line.encode("utf-8")))
        self._pending = dict.fromkeys(state["pending"])

    def close(self) -> None:
        """Give up the cached context."""
        if self._log:
            CONTEXTS.forget(self._log[-1].digest)

    def _step(self, resumption: dict[str, Any], answered: tuple[int, ...]) -> Step:
        entry = Entry.after(self._log[-1] if self._log else None, _line(resumption))
        report = _parse(CONTEXTS.step(self._log, entry))
        self._log.append(entry)
        for call_id in answered:
            self._pending.pop(call_id, None)
        events = self._events(report["events"])
        ended = report["ended"]
        if ended is None:
            return Waiting(events=events, pending=tuple(self._pending))
        if "value" in ended:
            return Finished(events=events, value=ended["value"])
        return _failed(events, ended)

    def _events(self, said: list[dict[str, Any]]) -> tuple[Event, ...]:
        events: list[Event] = []
        for event in said:
            if "op" in event:
                events.append(Call(id=event["id"], op=event["op"], args=event["args"]))
                self._pending[event["id"]] = None
            elif "cleared" in event:  # a timer that the script does not wait for any more
                self._pending.pop(event["cleared"], None)
            else:
                kind: NoteKind = "log" if "log" in event else "phase" if "phase" in event else "unlock"
                events.append(Note(kind=kind, text=event[kind]))
        return tuple(events)


def _failed(events: tuple[Event, ...], ended: dict[str, Any]) -> Failed:
    traceback = "\n".join([ended["failed"], *ended["frames"]])
    return Failed(events, ended["failed"], kind=ended["kind"], line=ended["line"], traceback=traceback)


def _said(context: StepContext) -> dict[str, Any]:
    budget = context.budget
    return {
        "now": context.now,  # first: `Entry` looks for it there
        "budget": {
            "total": budget.total,
            "spent": budget.spent,
            "usd_total": budget.usd_total,
            "usd_spent": budget.usd_spent,
        },
        "failures": list(context.new_failures),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    if outcome.error is None:
        return {"value": outcome.value}
    error = outcome.error
    return {"error": {"kind": error.kind, "message": error.message, "lost": error.lost, "name": error.name}}


def _line(value: Any) -> bytes:
    """JSON text without line breaks. As it is, not escaped: 50 MB of another script would become 150."""
    text = _json(value, ensure_ascii=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair has no bytes, only an escape
        return _json(value, ensure_ascii=True).encode("ascii")


def _json(value: Any, *, ensure_ascii: bool) -> str:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=ensure_ascii)
    except ValueError:  # Python reads NaN and Infinity from JSON, JavaScript does not
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"), ensure_ascii=ensure_ascii)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _parse(report: bytes) -> Any:
    parsed = json.loads(report.decode("utf-8"))  # bytes would be decoded six times slower
    # Half of a surrogate pair is text in JavaScript, and is not in UTF-8; it can only arrive as an escape.
    return _well_formed(parsed) if b"\\ud" in report else parsed


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    return value
