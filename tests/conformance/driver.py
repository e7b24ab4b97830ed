"""Run one conformance case against an interpreter session in virtual time, without a Temporal server.

A case is a folder `cases/<name>/` with `case.json` and one script a dialect, `script.js` and `script.py`. A case is
said in prompts and answers only, so that the same folder also runs end to end. `case.json`:

    about       one sentence: the fact that the case states
    args        the value of `args`; absent: no arguments were given
    seed        seed of randomness; default "seed"
    limits      {"agents": n}: calls of `agent` past n get the cap error at once, and take no slot
    budget      {"total", "spent", "usd_total", "usd_spent"}, all optional, as at the start
    answers     {prompt: answer}; a prompt that is not named is answered "answer to: <prompt>"
    workflows   {name or path: answer} for `workflow()`; a name that is not here is an unknown workflow
    expect      what must be seen, below
    javascript  keys of `expect` that differ in this dialect
    python      likewise

An answer is `{"value": …}` or `{"error": {"kind", "message", "lost", "name"}}` (the last two optional), with optional
`"seconds"` (virtual, default 1) and `"tokens"` (added to `budget.spent()`, default 0); a list answers equal prompts one
after the other, and its last entry the rest. `sleep` takes its own seconds. Calls that end at the same instant are
resumed together. Time starts at `START`.

    result      the value returned, exactly
    failed      {"kind", "message_contains", "line"}: the script threw; each key optional. A script that waits for
                nothing fails with kind "stuck"
    refused     {"reason_contains", "line"}: the script does not load
    log         all narrator lines, exactly
    phases      all titles given to `phase`, in order
    calls       the agent calls in the order in which they were made: a prompt, or an object whose keys are a subset
                of the call's arguments
    peak        most agent calls unanswered at one time
    seconds     virtual duration of the run
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tenuto.workflows.script.protocol import (
    Budget,
    Call,
    CallError,
    Dialect,
    Failed,
    Finished,
    Note,
    Outcome,
    Session,
    Step,
    StepContext,
)

CASES = Path(__file__).parent / "cases"
START = 1_700_000_000.0
"""Virtual time at which every case begins, Unix seconds."""
_SCRIPTS: dict[Dialect, str] = {"javascript": "script.js", "python": "script.py"}
_STEPS_MAX = 20_000


@dataclass(frozen=True)
class Case:
    """One folder of `cases/`."""

    name: str
    folder: Path
    spec: Mapping[str, Any]

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """Dialects in which the case has a script."""
        return tuple(dialect for dialect, file in _SCRIPTS.items() if (self.folder / file).exists())

    def script(self, dialect: Dialect) -> Path:
        """The script in one dialect."""
        return self.folder / _SCRIPTS[dialect]

    def expect(self, dialect: Dialect) -> dict[str, Any]:
        """What must be seen in one dialect."""
        merged: dict[str, Any] = {**self.spec["expect"], **self.spec.get(dialect, {})}
        return merged


@dataclass
class Seen:
    """What a run did."""

    result: Any = None
    failed: Failed | None = None
    log: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    """Arguments of each `agent` call, in the order of the calls."""
    peak: int = 0
    seconds: float = 0.0


def all_cases() -> Iterator[Case]:
    """Every case, by name."""
    for path in sorted(CASES.glob("*/case.json")):
        yield Case(name=path.parent.name, folder=path.parent, spec=json.loads(path.read_text(encoding="utf-8")))


def simulate(session: Session, spec: Mapping[str, Any]) -> Seen:
    """Drive a session to its end against the answers of `spec`, and close it."""
    world = _World(spec)
    try:
        step = session.start(world.context())
        for _ in range(_STEPS_MAX):
            if not world.take(step):
                return world.seen
            step = session.resume(world.advance(), world.context())
    finally:
        session.close()
    raise AssertionError(f"the script made more than {_STEPS_MAX} steps")


def check(seen: Seen, expect: Mapping[str, Any]) -> None:
    """Compare what was seen with the `expect` of a case.

    Raises:
        AssertionError: they differ.
    """
    unknown = set(expect) - {"result", "failed", "refused", "log", "phases", "calls", "peak", "seconds"}
    assert not unknown, f"case.json: unknown keys in expect: {sorted(unknown)}"
    if "failed" in expect:
        assert seen.failed is not None, f"the script was to fail, and returned {seen.result!r}"
        _check_failure(seen.failed, expect["failed"])
    else:
        assert seen.failed is None, f"the script failed: {seen.failed}"
    for key in ("result", "log", "phases", "peak", "seconds"):
        if key in expect:
            assert getattr(seen, key) == expect[key], key
    if "calls" in expect:
        assert len(seen.calls) == len(expect["calls"]), [call["prompt"] for call in seen.calls]
        for made, wanted in zip(seen.calls, expect["calls"], strict=True):
            subset = {"prompt": wanted} if isinstance(wanted, str) else wanted
            assert {key: made.get(key) for key in subset} == subset


def _check_failure(failed: Failed, wanted: Mapping[str, Any]) -> None:
    if "kind" in wanted:
        assert failed.kind == wanted["kind"], failed
    if "message_contains" in wanted:
        assert wanted["message_contains"] in failed.message
    if "line" in wanted:
        assert failed.line == wanted["line"], failed


class _World:
    """Virtual time, and everyone the script talks to."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.seen = Seen()
        self._spec = spec
        self._clock = START
        self._budget = Budget(**spec.get("budget", {}))
        self._failures: list[dict[str, Any]] = []
        self._phase: str | None = None
        self._asked: Counter[str] = Counter()
        self._started = 0
        self._due: list[tuple[float, int, Outcome, int]] = []
        """Heap of (virtual time, call id, outcome, tokens)."""
        self._agents: set[int] = set()

    def context(self) -> StepContext:
        new, self._failures = tuple(self._failures), []
        return StepContext(now=self._clock, budget=self._budget, new_failures=new)

    def take(self, step: Step) -> bool:
        """Note what a step did; false at the end of the run."""
        for event in step.events:
            if isinstance(event, Note):
                self._note(event)
            else:
                self._call(event)
        self.seen.peak = max(self.seen.peak, len(self._agents))
        self.seen.seconds = self._clock - START
        if isinstance(step, Finished):
            self.seen.result = step.value
            return False
        if isinstance(step, Failed):
            self.seen.failed = step
            return False
        waited_for = set(step.pending)
        assert list(step.pending) == sorted(waited_for)
        self._due = [entry for entry in self._due if entry[1] in waited_for]
        heapq.heapify(self._due)
        assert {entry[1] for entry in self._due} == waited_for, "the session waits for a call that it never made"
        if not self._due:
            self.seen.failed = Failed(events=(), message="the script waits for nothing", kind="stuck")
        return bool(self._due)

    def advance(self) -> dict[int, Outcome]:
        """Move the clock to the next end of a call; all that end then, by id."""
        self._clock = self._due[0][0]
        ended: dict[int, Outcome] = {}
        while self._due and self._due[0][0] == self._clock:
            _, call_id, outcome, tokens = heapq.heappop(self._due)
            ended[call_id] = outcome
            self._agents.discard(call_id)
            self._budget = replace(self._budget, spent=self._budget.spent + tokens)
        return ended

    def _note(self, note: Note) -> None:
        if note.kind == "log":
            self.seen.log.append(note.text)
        else:
            self.seen.phases.append(note.text)
            self._phase = note.text

    def _call(self, call: Call) -> None:
        if call.op == "agent":
            self._agent(call)
        elif call.op == "sleep":
            self._answer(call, {"seconds": call.args["seconds"]})
        elif call.op == "workflow":
            ref = call.args.get("name", call.args.get("script_path"))
            known = self._spec.get("workflows", {})
            unknown = {"kind": "unknown_workflow", "message": f"unknown workflow {ref!r}; there are: {sorted(known)}"}
            self._answer(call, known.get(ref, {"error": unknown, "seconds": 0}))
        else:
            raise AssertionError(f"a case cannot answer {call.op!r}")

    def _agent(self, call: Call) -> None:
        prompt = call.args["prompt"]
        self.seen.calls.append(call.args)
        cap = self._spec.get("limits", {}).get("agents")
        if cap is not None and self._started >= cap:
            message = f"the run's cap of {cap} agents is reached"
            error = {"kind": "agent_cap", "message": message, "name": "WorkflowAgentCapError"}
            self._answer(call, {"error": error, "seconds": 0})
            return
        self._started += 1
        self._agents.add(call.id)
        answer = self._spec.get("answers", {}).get(prompt, {"value": f"answer to: {prompt}"})
        if isinstance(answer, list):
            answer = answer[min(self._asked[prompt], len(answer) - 1)]
        self._asked[prompt] += 1
        self._answer(call, answer)

    def _answer(self, call: Call, answer: Mapping[str, Any]) -> None:
        error = CallError(**answer["error"]) if "error" in answer else None
        if error is not None and call.op == "agent":
            self._failures.append(
                {
                    "agent": f"agent-{call.id}",
                    "label": call.args.get("label", call.args["prompt"][:60]),
                    "phase": call.args.get("phase", self._phase),
                    "kind": error.kind,
                    "message": error.message,
                }
            )
        outcome = Outcome(value=answer.get("value"), error=error)
        heapq.heappush(self._due, (self._clock + answer.get("seconds", 1), call.id, outcome, answer.get("tokens", 0)))
