"""Plays a Python script to its end, answering every call at once; a step can be looked at on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenuto.workflows.script import python
from tenuto.workflows.script.protocol import Call, Event, Failed, Finished, Note, Outcome, Session, Step, StepContext

HEAD = (
    "from tenuto import Meta, agent, budget, failures, log, now, parallel, phase, pipeline, sleep, workflow\n"
    'meta = Meta(name="test", description="A test")\n'
)
HEAD_LINES = HEAD.count("\n")
STEPS_MAX = 1000


def script(body: str) -> str:
    """A whole script with the given body."""
    return HEAD + body


def open_script(body: str, args: Any = None, *, seed: str = "seed") -> Session:
    """A session of a whole script with the given body."""
    return python.open_session(python.load(script(body)), args=args, has_args=args is not None, seed=seed)


def echo(call: Call) -> Outcome:
    """Answers an agent with its prompt."""
    return Outcome(value=call.args.get("prompt"))


def play(
    body: str,
    args: Any = None,
    *,
    answer: Callable[[Call], Outcome] = echo,
    context: Callable[[int], StepContext] = lambda number: StepContext(now=1000.0 + number),
) -> tuple[Finished | Failed, list[Event], list[Step]]:
    """Run to the end; returns the last step, all events, and every step."""
    session = open_script(body, args)
    steps: list[Step] = [session.start(context(0))]
    calls: dict[int, Call] = {}
    while True:
        step = steps[-1]
        calls.update({event.id: event for event in step.events if isinstance(event, Call)})
        if isinstance(step, Finished | Failed):
            session.close()
            return step, [event for each in steps for event in each.events], steps
        assert step.pending, "the script is stuck"
        assert len(steps) < STEPS_MAX
        steps.append(session.resume({call_id: answer(calls[call_id]) for call_id in step.pending}, context(len(steps))))


def result(body: str, args: Any = None, *, answer: Callable[[Call], Outcome] = echo) -> Any:
    """The value that the script returns."""
    step, _, _ = play(body, args, answer=answer)
    assert isinstance(step, Finished), step
    return step.value


def logged(events: list[Event]) -> list[str]:
    """The narrator lines."""
    return [event.text for event in events if isinstance(event, Note) and event.kind == "log"]
