"""What a run asks people and hears from outside: durable waits that only an Update or a Signal ends.

Nothing that a script, an agent or a nested workflow can do answers a question: the one way in is the Workflow's Update.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from .carry_contracts import OpenCall, QuestionsState
    from .people_contracts import AnswerInput, AnswerResult, EventInput, QuestionView
    from .script.protocol import CallError, Outcome

if TYPE_CHECKING:
    from .run import Run

QUESTION = "question"
EVENT = "event"
TIMEOUT = "timeout"
EVENTS_KEPT_MAX = 1000
"""Events that nobody waits for yet; beyond it the oldest of that name is dropped, and the run's log says so."""
SHOWN_CHARS = 300


class Questions:
    """Questions and awaited events of one run, nested workflows included."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._asked: dict[str, QuestionView] = {}
        self._events: dict[str, deque[Any]] = {}
        self._waiting: dict[str, deque[asyncio.Future[Any]]] = {}
        self._asking: dict[str, QuestionView] = {}
        self._turns: dict[asyncio.Future[Any], None] = {}
        self._held: dict[str, tuple[str | None, str | None]] = {QUESTION: (None, None), EVENT: (None, None)}

    @property
    def views(self) -> list[QuestionView]:
        """Every question, in the order in which they were asked."""
        return list(self._asked.values())

    @property
    def open(self) -> list[QuestionView]:
        """Those that wait for an answer."""
        return [view for view in self._asked.values() if view.state == "open"]

    def restore(self, state: QuestionsState) -> None:
        """Go on from what `state` gave; those who wait come back by `ask` and `wait_for`."""
        self._asked = {view.id: view for view in state.asked}
        self._events = {name: deque(payloads) for name, payloads in state.events.items()}

    def state(self) -> QuestionsState:
        """All of it but those who wait, to be taken along."""
        events = {name: list(payloads) for name, payloads in self._events.items() if payloads}
        return QuestionsState(asked=self.views, events=events)

    @property
    def heard(self) -> bool:
        """Whether somebody has an answer or an event and has not gone on with it yet."""
        answered = any(view.state != "open" for view in self._asking.values())
        return answered or any(turn.done() for turn in self._turns)

    # ------------------------------------------------------------------------------------------- asking

    async def ask(self, args: dict[str, Any], call: OpenCall | None = None) -> Outcome:
        """Ask, and wait for the answer or the deadline. Never raises but for cancellation.

        Args:
            args: as in the step protocol.
            call: the script's call; one that was asked in an earlier history goes on waiting.
        """
        if call is not None and call.question is not None:
            return await self._answered(self._asked[call.question])
        view = self._new(args)
        if isinstance(view, Outcome):
            return view
        if call is not None:
            call.question = view.id
        return await self._answered(view)

    def _new(self, args: dict[str, Any]) -> QuestionView | Outcome:
        options, has_default = list(args.get("options") or ()), "default" in args
        if has_default and options and args["default"] not in options:
            message = f"ask(): the default {_as_json(args['default'])} is none of the options"
            return Outcome(error=CallError(kind="bad_arguments", message=message))
        timeout = args.get("timeout")
        view = QuestionView(
            id=f"q{len(self._asked) + 1}",
            question=args["question"],
            options=options,
            default=args.get("default"),
            has_default=has_default,
            until=_iso(workflow.now() + timedelta(seconds=timeout)) if timeout is not None else None,
            asked_at=_iso(workflow.now()),
        )
        self._asked[view.id] = view
        if (known := self._run.journal.answer_to(args)) is not None:
            view.state, view.answer, view.by, view.answered_at = "answered", known.answer, known.by, known.at
            view.via = "journal"
            self._run.say(
                f"question {view.id}: {_short(view.question)} · answered by {known.by or 'someone'} in "
                f"{self._run.input.resume_from}: {_short(str(known.answer))}"
            )
            return Outcome(value=view.answer)
        self._run.say(f"question {view.id}: {_short(view.question)} · tenuto answer {self._run.id} {view.id} ANSWER")
        self._run.notices.asked(view)
        return view

    async def _answered(self, view: QuestionView) -> Outcome:
        self._asking[view.id] = view
        self._changed()
        try:
            await workflow.wait_condition(
                lambda: view.state != "open",
                timeout=None if view.until is None else _until(view.until),
                timeout_summary=f"{view.id}: {_short(view.question, 60)}",
            )
        except TimeoutError:
            if view.state == "open":  # an answer that came with the deadline counts
                self._expire(view)
        except asyncio.CancelledError:
            view.state = "expired"
            self._changed()
            raise
        finally:
            del self._asking[view.id]
        self._changed()
        if view.state == "expired":
            message = f"nobody answered {view.id} ({_short(view.question)}) until {view.until}, and it has no default"
            return Outcome(error=CallError(kind=TIMEOUT, message=message))
        return Outcome(value=view.answer)

    def _expire(self, view: QuestionView) -> None:
        if view.has_default:
            view.state, view.answer = "default", view.default
            # As Python writes it: the lines of recorded runs come again as they are.
            self._run.say(
                f"question {view.id}: nobody answered until {view.until}; the default is taken: {view.default!r}"
            )
        else:
            view.state = "expired"
            self._run.say(f"question {view.id}: nobody answered until {view.until}, and it has no default")

    # ---------------------------------------------------------------------------------------- answering

    def check(self, input: AnswerInput) -> QuestionView:
        """The question that an answer is for.

        Raises:
            ValueError: there is none, or the answer is none of its options; the message says what there is.
        """
        view = self._asked.get(input.question) if input.question is not None else self._only()
        if view is None:
            known = ", ".join(each.id for each in self.open) or "none"
            raise ValueError(f"there is no question {input.question!r}; open are: {known}")
        if view.state == "answered" and view.answer == _chosen(view, input.answer):
            return view  # said again, as a client does that did not hear back
        if view.state != "open":
            by = f" by {view.by}" if view.by else ""
            raise ValueError(f"{view.id} is not open any more: {view.state}{by}, {view.answer!r}")
        _chosen(view, input.answer)
        return view

    def answer(self, input: AnswerInput) -> AnswerResult:
        """Take an answer that `check` accepted."""
        view = self.check(input)
        if view.state == "open":
            view.state, view.answer, view.by = "answered", _chosen(view, input.answer), input.by
            view.answered_at, view.via = _iso(workflow.now()), input.via or "update"
            self._run.say(f"question {view.id}: answered by {input.by or 'someone'}: {_short(str(view.answer))}")
            self._changed()
        return AnswerResult(question=view.id, answer=view.answer)

    def _only(self) -> QuestionView:
        waiting = self.open
        if not waiting:
            raise ValueError("the run asks nothing at the moment")
        if len(waiting) > 1:
            names = "; ".join(f"{each.id}: {_short(each.question, 80)}" for each in waiting)
            raise ValueError(f"{len(waiting)} questions are open, name one of them: {names}")
        return waiting[0]

    # -------------------------------------------------------------------------------------------- events

    async def wait_for(self, args: dict[str, Any], call: OpenCall | None = None) -> Outcome:
        """Wait for an event of that name; one that came before is taken. Never raises but for cancellation.

        Args:
            args: as in the step protocol.
            call: the script's call; one from an earlier history waits for the rest of its time.
        """
        name, timeout = args["name"], args.get("timeout")
        left = timeout
        if call is not None and timeout is not None:
            call.until = workflow.time() + timeout if call.until is None else call.until
            left = max(0.0, call.until - workflow.time())
        kept = self._events.get(name)
        if kept:
            return Outcome(value=kept.popleft())
        turn: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(turn)
        self._turns[turn] = None
        self._changed()
        try:
            await workflow.wait_condition(
                turn.done,
                timeout=None if left is None else timedelta(seconds=left),
                timeout_summary=f"event {_short(name, 60)}",
            )
        except TimeoutError:
            pass  # an event that came with the deadline counts
        except asyncio.CancelledError:
            self._waits_no_more(name, turn)
            raise
        self._waits_no_more(name, turn)
        if turn.done():
            return Outcome(value=turn.result())
        message = f"the event {name!r} did not come within {timeout:g} s"
        return Outcome(error=CallError(kind=TIMEOUT, message=message))

    def _waits_no_more(self, name: str, turn: asyncio.Future[Any]) -> None:
        del self._turns[turn]
        if turn in self._waiting.get(name, ()):
            self._waiting[name].remove(turn)
        self._changed()

    def event(self, input: EventInput) -> None:
        """Something happened: the first who waits for it has it, or it is kept."""
        waiting = self._waiting.get(input.name)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(input.payload)
                return
        kept = self._events.setdefault(input.name, deque())
        if sum(map(len, self._events.values())) >= EVENTS_KEPT_MAX:
            self._run.say(f"too many events that nobody waits for: one of {_short(input.name, 60)!r} is dropped")
            if not kept:
                return
            kept.popleft()
        kept.append(input.payload)

    def _changed(self) -> None:
        """Say anew what the run waits for."""
        asked = self.open
        if asked:
            first = min(asked, key=lambda each: (each.until or "9", each.id))
            more = f" (and {len(asked) - 1} more)" if len(asked) > 1 else ""
            self._hold(QUESTION, f"{first.id}: {_short(first.question)}{_choices(first)}{more}", first.until)
        else:
            self._hold(QUESTION, None)
        names = [name for name, turns in self._waiting.items() if turns]
        self._hold(EVENT, f"the event {', '.join(map(repr, names))}" if names else None)

    def _hold(self, kind: str, message: str | None, until: str | None = None) -> None:
        """Hold the run up, say anew what for, or end it; what it says already is not said again."""
        if self._held.get(kind) == (message, until):
            return
        self._held[kind] = (message, until)
        if message is None:
            self._run.release(kind)
        else:
            self._run.hold(kind, message, until)


def _chosen(view: QuestionView, answer: Any) -> Any:
    """The option that is meant: itself, or by its text, so that what is typed finds a number too."""
    if not view.options:
        return answer
    for option in view.options:
        if option == answer and isinstance(option, bool) == isinstance(answer, bool):
            return option
    by_text = [option for option in view.options if _text(option) == str(answer).strip().casefold()]
    if len(by_text) == 1:
        return by_text[0]
    raise ValueError(f"{answer!r} is no answer to {view.id}; it takes: {', '.join(map(str, view.options))}")


def _text(option: Any) -> str:
    return str(option).strip().casefold()


def _choices(view: QuestionView) -> str:
    return f" [{', '.join(map(str, view.options))}]" if view.options else ""


def _short(text: str, chars: int = SHOWN_CHARS) -> str:
    line = " ".join(text.split())
    return line if len(line) <= chars else line[: chars - 1] + "…"


def _as_json(value: Any) -> str:
    """A value as both languages of scripts know it, not as Python writes it."""
    return _short(json.dumps(value, ensure_ascii=False))


def _until(moment: str) -> timedelta:
    """From now on; nothing where it is past."""
    return max(timedelta(0), datetime.fromisoformat(moment) - workflow.now())


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
