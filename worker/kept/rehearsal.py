"""A script driven in-process against what a run finished: which calls would be answered, and which made.

Nothing is started and nothing is paid. A call whose answer is known (a journal entry, a file, a write) is answered, and
what follows is certain. Where the script then waits for something that nobody knows, it is given what the earlier run
got at that place, if it got anything, and all that comes after is marked as resting on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tenuto.workflows.contracts import RunAgentInput, Script
from tenuto.workflows.patterns import PATTERNS, Pattern
from tenuto.workflows.script import dialects
from tenuto.workflows.script.protocol import (
    Budget,
    Call,
    Failed,
    Finished,
    Note,
    Outcome,
    Session,
    Step,
    StepContext,
)

STEPS_MAX = 20_000
"""Of one script: more is a loop that waits for something that never comes here."""


@dataclass(slots=True)
class AgentMade:
    """One `agent()` call of the script, in the order in which it was made."""

    input: RunAgentInput
    parts: dict[str, Any]
    """What its key is made of, by name."""
    entry: str
    certain: bool
    """The script makes it whatever live calls answer."""
    was: str | None = None
    """The agent of the journal that answers it; `None` for one that would run."""
    instead_of: str | None = None
    """The agent whose place it takes, where it would run."""


class World(Protocol):
    """Answers the calls of a script."""

    async def agent(self, prompt: str, options: dict[str, Any], phase: str | None, *, certain: bool) -> Outcome | None:
        """The value of a call, or `None` where it has to be made; notes it down either way."""

    async def review(self, op: str, args: dict[str, Any], phase: str | None, *, certain: bool) -> Outcome | None:
        """The outcome of a `review()` or `converge()`, or `None` where agents of it have to be made."""

    async def known(self, op: str, args: dict[str, Any]) -> Outcome | None:
        """The answer of any other call that is certain without making it."""

    async def assumed(self, op: str, args: dict[str, Any], made: AgentMade | None) -> Outcome | None:
        """What the earlier run got for a call, or for the agent that came nearest to it."""

    async def load(self, args: dict[str, Any]) -> Script | Outcome:
        """The script of a nested `workflow()` call, or why there is none."""
        ...

    def last_made(self) -> AgentMade | None:
        """The agent that `agent` has noted down last."""


@dataclass(slots=True)
class Ended:
    """How far the script came."""

    how: str
    """`finished`, `failed`, or `waits`."""
    message: str | None = None
    waits_for: list[str] = field(default_factory=list)
    """What it waits for, of which nobody knows the answer."""
    certain: bool = True
    """Nothing had to be assumed on the way."""


@dataclass(slots=True)
class _Open:
    """A call without an answer."""

    call: Call
    made: AgentMade | None = None
    tried: bool = False


@dataclass(slots=True)
class _Performance:
    """A pattern under way, and the agents that it waits for."""

    pattern: Pattern
    phase: str | None
    asks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outcomes: list[Outcome | None] = field(default_factory=list)
    made: list[AgentMade | None] = field(default_factory=list)


class Rehearsal:
    """One script, its nested ones included. `certain` ends with the first answer that had to be assumed."""

    def __init__(self, world: World, *, clock: float, output_tokens: int | None, usd: float | None) -> None:
        self._world = world
        self._clock = clock
        self._budget = Budget(output_tokens, 0, usd, 0.0)
        self.certain = True

    async def run(self, script: Script, args: Any, *, has_args: bool, seed: str, group: str | None = None) -> Ended:
        """Drive a script to its end, or to where nobody knows how it goes on.

        Raises:
            ScriptLoadError, StepLimit, InterpreterBusy: as `Session.start`.
        """
        session = dialects.open_session(script.loaded(), args=args, has_args=has_args, seed=seed)
        try:
            return await _Scene(self, session, seed, group).play()
        finally:
            session.close()

    @property
    def world(self) -> World:
        """Who answers."""
        return self._world

    def context(self) -> StepContext:
        """What a script may read in its next step."""
        return StepContext(now=self._clock, budget=self._budget)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._clock += max(0.0, seconds)


class _Scene:
    """One session with its open calls."""

    def __init__(self, rehearsal: Rehearsal, session: Session, seed: str, group: str | None) -> None:
        self._rehearsal = rehearsal
        self._world = rehearsal.world
        self._session = session
        self._seed = seed
        self._group = self._phase = group
        self._open: dict[int, _Open] = {}
        self._settled: dict[int, Outcome] = {}
        self._patterns: dict[int, _Performance] = {}
        self._locks: dict[str, deque[int]] = {}
        self.value: Any = None

    async def play(self) -> Ended:
        """To the end."""
        step = self._session.start(self._rehearsal.context())
        for _ in range(STEPS_MAX):
            await self._take(step)
            if isinstance(step, Finished):
                self.value = step.value
                return Ended("finished", certain=self._rehearsal.certain)
            if isinstance(step, Failed):
                return Ended("failed", step.message, certain=self._rehearsal.certain)
            wanted = set(step.pending)
            self._open = {key: each for key, each in self._open.items() if key in wanted}
            if not self._settled and not self._wake() and not await self._assume():
                names = [_name(each.call) for each in self._open.values()]
                return Ended("waits", waits_for=names, certain=self._rehearsal.certain)
            settled, self._settled = self._settled, {}
            step = self._session.resume(settled, self._rehearsal.context())
        return Ended("waits", f"it made more than {STEPS_MAX:,} steps", certain=self._rehearsal.certain)

    async def _take(self, step: Step) -> None:
        ended = isinstance(step, Finished | Failed)
        for event in step.events:
            if isinstance(event, Note):
                self._note(event)
            elif not ended:  # what is called in the step that ends a script is only cancelled
                await self._call(event)

    def _note(self, note: Note) -> None:
        if note.kind == "phase":
            self._phase = self._group or note.text
        elif note.kind == "unlock":
            queue = self._locks[note.text]
            queue.popleft()
            if queue:
                self._settle(queue[0], Outcome())

    async def _call(self, call: Call) -> None:
        op, args = call.op, call.args
        answer: dict[str, Callable[[Call], Awaitable[Outcome | None]]] = {
            "agent": self._agent,
            "lock": self._lock,
            "sleep": self._later,
            "workflow": self._workflow,
            "review": self._review,
            "converge": self._review,
        }
        self._open[call.id] = _Open(call)
        if op in PATTERNS:
            terms, begin = PATTERNS[op]
            self._patterns[call.id] = _Performance(begin(terms.model_validate(args)), self._group or self._phase)
            await self._perform(call.id, None)
            return
        outcome = await answer[op](call) if op in answer else await self._world.known(op, args)
        if outcome is not None:
            self._settle(call.id, outcome)

    def _settle(self, call_id: int, outcome: Outcome) -> None:
        self._open.pop(call_id, None)
        self._settled[call_id] = outcome

    # --------------------------------------------------------------------------------------- kinds of calls

    async def _agent(self, call: Call) -> Outcome | None:
        options = dict(call.args)
        prompt = options.pop("prompt")
        outcome, made = await self._made(prompt, options, self._phase)
        self._open[call.id].made = made
        return outcome

    async def _made(self, prompt: str, options: dict[str, Any], phase: str | None) -> tuple[Outcome | None, Any]:
        if self._group is not None:
            options = {**options, "phase": self._group}
        certain = self._rehearsal.certain
        outcome = await self._world.agent(prompt, options, phase, certain=certain)
        return outcome, None if outcome is not None else self._world.last_made()

    async def _review(self, call: Call) -> Outcome | None:
        phase, certain = self._group or self._phase, self._rehearsal.certain
        return await self._world.review(call.op, call.args, phase, certain=certain)

    async def _lock(self, call: Call) -> Outcome | None:
        queue = self._locks.setdefault(call.args["name"], deque())
        queue.append(call.id)
        return Outcome() if queue[0] == call.id else None

    async def _later(self, _call: Call) -> Outcome | None:
        return None  # time passes only when nothing else goes on: answers from a journal are there at once

    async def _workflow(self, call: Call) -> Outcome | None:
        found = await self._world.load(call.args)
        if isinstance(found, Outcome):
            return found
        seed, group = f"{self._seed}/{found.name}", self._group or found.name
        args, given = call.args.get("args"), "args" in call.args
        session = dialects.open_session(found.loaded(), args=args, has_args=given, seed=seed)
        inner = _Scene(self._rehearsal, session, seed, group)
        try:
            ended = await inner.play()
        finally:
            session.close()
        # Of one that waits, or failed, what the script makes of it is not known.
        return Outcome(value=inner.value) if ended.how == "finished" else None

    async def _perform(self, call_id: int, outcomes: list[Outcome] | None) -> None:
        """Go on with a pattern, as far as its agents are known."""
        under_way = self._patterns[call_id]
        while True:
            try:
                asks = next(under_way.pattern) if outcomes is None else under_way.pattern.send(outcomes)
            except StopIteration as end:
                self._settle(call_id, Outcome(value=end.value))
                return
            under_way.asks = asks
            found = [await self._made(prompt, options, under_way.phase) for prompt, options in asks]
            under_way.outcomes, under_way.made = [each for each, _ in found], [made for _, made in found]
            if any(each is None for each in under_way.outcomes):
                return
            outcomes = [each for each in under_way.outcomes if each is not None]

    # ------------------------------------------------------------------------------------------ going on

    def _wake(self) -> bool:
        """End the shortest sleep, where that is certain to come before anything else: nothing else is open."""
        sleeping = [each.call for each in self._open.values() if each.call.op == "sleep"]
        if not sleeping or len(sleeping) != len(self._open):
            return False
        first = min(sleeping, key=lambda call: (float(call.args["seconds"]), call.id))
        self._rehearsal.advance(float(first.args["seconds"]))
        self._settle(first.id, Outcome())
        return True

    async def _assume(self) -> bool:
        """Give what waits the answers of the earlier run; false where there are none."""
        found = False
        for each in list(self._open.values()):
            if each.tried or each.call.op in ("lock", "sleep", "workflow"):
                continue
            each.tried = True
            if each.call.id in self._patterns:
                found |= await self._assume_pattern(each.call.id)
                continue
            outcome = await self._world.assumed(each.call.op, each.call.args, each.made)
            if outcome is not None:
                found = True
                self._rehearsal.certain = False
                self._settle(each.call.id, outcome)
        return found

    async def _assume_pattern(self, call_id: int) -> bool:
        under_way = self._patterns[call_id]
        outcomes: list[Outcome] = []
        for (prompt, options), known, made in zip(under_way.asks, under_way.outcomes, under_way.made, strict=True):
            outcome = known or await self._world.assumed("agent", {"prompt": prompt, **options}, made)
            if outcome is None:
                return False
            outcomes.append(outcome)
        self._rehearsal.certain = False
        self._open[call_id].tried = False  # its next round may have to be assumed as well
        await self._perform(call_id, outcomes)
        return True


def _name(call: Call) -> str:
    """A call as a person knows it."""
    args = call.args
    told = args.get("label") or next(
        (args[key] for key in ("prompt", "command", "question", "name") if key in args), ""
    )
    return f"{call.op} {' '.join(str(told).split())[:80]}".strip()
