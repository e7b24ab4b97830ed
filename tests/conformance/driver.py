"""Run one conformance case against an interpreter session in virtual time, without a Temporal server.

A case is a folder `cases/<name>/` with `case.json` and one script a dialect, `script.js` and `script.py`. A case is
said in prompts and answers only, so that the same folder also runs end to end. `case.json`:

    about       one sentence: the fact that the case states
    args        the value of `args`; absent: no arguments were given
    seed        seed of randomness; default "seed"
    limits      {"agents": n}: calls of `agent` past n get the cap error at once, and take no slot
    budget      {"total", "spent", "usd_total", "usd_spent"}, all optional, as at the start
    answers     {prompt: answer}; a prompt that is not named is answered "answer to: <prompt>"
    steps       {step: answer} for steps without a model; a step is named by its function and its first arguments:
                `sh npm test`, `read a.txt`, `mcp server tool`, `pull_request branch`, `gate npm test`.
                One that is not named gets an empty answer of its kind (a gate passes); an answer of `sh` names what
                differs from that (it ends with 0 and says nothing). `lock` needs none
    reviews     {work: answer} for `review()`; its call is among the steps. The agents of other patterns are agents
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
    steps       the steps in the order in which they were made, likewise: a name, or an object whose keys are a subset
                of the call's arguments, with `op`
    peak        most agent calls unanswered at one time
    seconds     virtual duration of the run
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tenuto.workflows.patterns import PATTERNS, Pattern
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
from tenuto.workflows.step_values import checked

from .step_answers import NAMED_BY, default_answer, step_name

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
    steps: list[dict[str, Any]] = field(default_factory=list)
    """Likewise of each step without a model, with its `op`."""
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
            while not (ended := world.advance()):  # agents of a pattern that goes on
                pass
            step = session.resume(ended, world.context())
    finally:
        session.close()
    raise AssertionError(f"the script made more than {_STEPS_MAX} steps")


def check(seen: Seen, expect: Mapping[str, Any]) -> None:
    """Compare what was seen with the `expect` of a case.

    Raises:
        AssertionError: they differ.
    """
    unknown = set(expect) - {"result", "failed", "refused", "log", "phases", "calls", "steps", "peak", "seconds"}
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

    if "steps" in expect:
        assert len(seen.steps) == len(expect["steps"]), [step_name(step["op"], step) for step in seen.steps]
        for made, wanted in zip(seen.steps, expect["steps"], strict=True):
            if isinstance(wanted, str):
                assert made["op"] == wanted if made["op"] == "review" else step_name(made["op"], made) == wanted
            else:
                assert {key: made.get(key) for key in wanted} == wanted


def _check_failure(failed: Failed, wanted: Mapping[str, Any]) -> None:
    if "kind" in wanted:
        assert failed.kind == wanted["kind"], failed
    if "message_contains" in wanted:
        assert wanted["message_contains"] in failed.message
    if "line" in wanted:
        assert failed.line == wanted["line"], failed


@dataclass
class _Performance:
    """A pattern under way, for one call of the script; `waits` has what its agents came to, so far."""

    call: int
    pattern: Pattern
    waits: dict[int, Outcome | None] = field(default_factory=dict)


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
        self._patterns: dict[int, _Performance] = {}
        """By the ids of the agents that it waits for, which are below 0: no call of the script has such."""
        self._inner = 0
        self._locks: dict[str, deque[int]] = {}
        """Calls of `lock` by name; the first of each holds it."""

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
        patterns = {id for id, performance in self._patterns.items() if performance.call in waited_for}
        self._due = [entry for entry in self._due if entry[1] in waited_for | patterns]
        heapq.heapify(self._due)
        queued = {call_id for calls in self._locks.values() for call_id in calls}
        queued |= {performance.call for performance in self._patterns.values()}
        assert waited_for <= {entry[1] for entry in self._due} | queued, "the session waits for a call it never made"
        if not self._due:
            self.seen.failed = Failed(events=(), message="the script waits for nothing", kind="stuck")
        return bool(self._due)

    def advance(self) -> dict[int, Outcome]:
        """Move the clock to the next end of a call; all that end then, by id."""
        self._clock = self._due[0][0]
        ended: dict[int, Outcome] = {}
        while self._due and self._due[0][0] == self._clock:
            _, call_id, outcome, tokens = heapq.heappop(self._due)
            self._agents.discard(call_id)
            if call_id < 0:
                self._go_on(call_id, outcome)
            else:
                ended[call_id] = outcome
            self._budget = replace(self._budget, spent=self._budget.spent + tokens)
        return ended

    def _note(self, note: Note) -> None:
        if note.kind == "log":
            self.seen.log.append(note.text)
        elif note.kind == "unlock":
            self._unlock(note.text)
        else:
            self.seen.phases.append(note.text)
            self._phase = note.text

    def _call(self, call: Call) -> None:
        if call.op == "agent":
            self._agent(call)
        elif call.op == "sleep":
            self._answer(call, {"seconds": call.args["seconds"]})
        elif call.op == "lock":
            queue = self._locks.setdefault(call.args["name"], deque())
            queue.append(call.id)
            if len(queue) == 1:
                self._grant(call.id)
        elif call.op in NAMED_BY:
            self._step(call)
        elif call.op in PATTERNS:
            terms, begin = PATTERNS[call.op]
            self._ask(_Performance(call.id, begin(terms.model_validate(call.args))), None)
        elif call.op == "review":
            self.seen.steps.append({"op": call.op, **call.args})
            self._answer(call, self._spec["reviews"][call.args["work"]])
        elif call.op == "workflow":
            ref = call.args.get("name", call.args.get("script_path"))
            known = self._spec.get("workflows", {})
            unknown = {"kind": "unknown_workflow", "message": f"unknown workflow {ref!r}; there are: {sorted(known)}"}
            self._answer(call, known.get(ref, {"error": unknown, "seconds": 0}))
        else:
            raise AssertionError(f"a case cannot answer {call.op!r}")

    def _ask(self, performance: _Performance, outcomes: list[Outcome] | None) -> None:
        try:
            asks = next(performance.pattern) if outcomes is None else performance.pattern.send(outcomes)
        except StopIteration as end:
            heapq.heappush(self._due, (self._clock, performance.call, Outcome(value=end.value), 0))
            return
        performance.waits = {}
        for prompt, options in asks:
            self._inner -= 1
            performance.waits[self._inner] = None
            self._patterns[self._inner] = performance
            self._agent(Call(self._inner, "agent", {"prompt": prompt, **options}))

    def _go_on(self, call_id: int, outcome: Outcome) -> None:
        performance = self._patterns.pop(call_id)
        performance.waits[call_id] = outcome
        outcomes = [each for each in performance.waits.values() if each is not None]
        if len(outcomes) == len(performance.waits):
            self._ask(performance, outcomes)

    def _unlock(self, name: str) -> None:
        queue = self._locks[name]
        queue.popleft()
        if queue:
            self._grant(queue[0])

    def _grant(self, call_id: int) -> None:
        heapq.heappush(self._due, (self._clock, call_id, Outcome(), 0))

    def _step(self, call: Call) -> None:
        self.seen.steps.append({"op": call.op, **call.args})
        name = step_name(call.op, call.args)
        answer = self._spec.get("steps", {}).get(name, {"value": default_answer(call.op, call.args)})
        if isinstance(answer, list):
            answer = answer[min(self._asked[name], len(answer) - 1)]
        self._asked[name] += 1
        if call.op == "sh" and "value" in answer:
            checked_outcome = checked(call.args, {**default_answer("sh", call.args), **answer["value"]})
            entry = (self._clock + answer.get("seconds", 1), call.id, checked_outcome, 0)
            heapq.heappush(self._due, entry)
        else:
            self._answer(call, answer)

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
