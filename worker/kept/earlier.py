"""The calls of an earlier run, to find for a call of an edited script the one that it was before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from .rehearsal import AgentMade
from .run import KeptRun

COMPARED_CHARS = 2000
"""Of two prompts, in telling how alike they are."""
CANDIDATES_MAX = 25
ALIKE = 0.5
"""How alike prompts have to be, where nothing else says that two calls are the same one."""
_RECORDED = {"prompt": "prompt", "schema": "output_schema", "model": "model", "effort": "effort"}
"""Part of a key -> field of the record, for calls whose other parts are not known any more."""


@dataclass(slots=True)
class EarlierCall:
    """One agent of the earlier run."""

    agent: str
    label: str
    phase: str | None
    prompt: str
    record: Mapping[str, Any]
    """Without its value and its conversation."""
    entry: str | None
    failure: tuple[str, str] | None
    parts: Mapping[str, Any] | None = None
    """What its key was made of; `None` where the earlier script could not be driven as far."""
    used: bool = False
    """The journal answers a call of the new script with it."""
    claimed: bool = False
    """A call of the new script takes its place."""

    @property
    def free(self) -> bool:
        """Whether it belongs to no call of the new script."""
        return not (self.used or self.claimed)

    def changed(self, made: AgentMade) -> list[str]:
        """Parts of the key in which a call is otherwise."""
        if self.parts is not None:
            return [name for name, value in made.parts.items() if self.parts.get(name) != value]
        return [name for name, key in _RECORDED.items() if made.parts.get(name) != self.record.get(key)]


class Earlier:
    """All calls of one run, by what they can be found by."""

    def __init__(self, calls: Iterable[EarlierCall]) -> None:
        self.calls = list(calls)
        self.by_agent = {call.agent: call for call in self.calls}
        self.by_entry = {call.entry: call for call in self.calls if call.entry is not None}
        self._by_label: dict[str, list[EarlierCall]] = defaultdict(list)
        self._by_prompt: dict[str, list[EarlierCall]] = defaultdict(list)
        for call in self.calls:
            self._by_label[call.label].append(call)
            self._by_prompt[call.prompt].append(call)

    @classmethod
    async def of(cls, run: KeptRun) -> Earlier:
        """Read the records of a run."""
        found = []
        async for kept in run.agents(messages=False):
            record = kept.record
            if record is None:
                continue
            failure = record.get("failure")
            found.append(
                EarlierCall(
                    agent=kept.id,
                    label=str(record.get("label")),
                    phase=record.get("phase"),
                    prompt=str(record.get("prompt")),
                    record={key: record.get(key) for key in _RECORDED.values()},
                    entry=record.get("entry"),
                    failure=None if failure is None else (str(failure.get("kind")), str(failure.get("message"))),
                )
            )
        return cls(found)

    def same_prompt(self, prompt: str) -> list[EarlierCall]:
        """Calls that asked exactly this."""
        return self._by_prompt.get(prompt, [])

    def nearest(self, made: AgentMade) -> EarlierCall | None:
        """The call whose place this one takes, among those that belong to no other; `None` for a new one."""
        if made.instead_of is not None:
            return self.by_agent[made.instead_of]
        found = self._nearest(made)
        if found is not None:
            found.claimed, made.instead_of = True, found.agent
        return found

    def _nearest(self, made: AgentMade) -> EarlierCall | None:
        input = made.input
        same = [call for call in self._by_prompt.get(input.prompt, []) if call.free]
        if same:
            return min(same, key=lambda call: len(call.changed(made)))
        labelled = [call for call in self._by_label.get(input.label, []) if call.free]
        if labelled:
            return _most_alike(labelled, input.prompt, at_least=0.0)
        free = [call for call in self.calls if call.free and call.phase == input.phase]
        return _most_alike(free or [call for call in self.calls if call.free], input.prompt, at_least=ALIKE)


def _most_alike(calls: list[EarlierCall], prompt: str, *, at_least: float) -> EarlierCall | None:
    ratios = [(_alike(call.prompt, prompt), index) for index, call in enumerate(calls[:CANDIDATES_MAX])]
    best, index = max(ratios, key=lambda each: (each[0], -each[1]), default=(0.0, 0))
    return calls[index] if ratios and best >= at_least else None


def _alike(one: str, other: str) -> float:
    """0 to 1. Prompts often begin alike, and go on with a file or a result that is another now."""
    one, other = one[:COMPARED_CHARS], other[:COMPARED_CHARS]
    shorter = min(len(one), len(other))
    same = next((index for index in range(shorter) if one[index] != other[index]), shorter)
    return max(same / max(1, shorter), SequenceMatcher(None, one, other, autojunk=False).ratio())


def first_difference(before: str, after: str, around: int = 40) -> tuple[str, str]:
    """The places where two texts begin to differ, each with what stands before it."""
    at = next((index for index, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
    start = max(0, (min(len(before), len(after)) if at is None else at) - around)
    return before[start : start + 2 * around], after[start : start + 2 * around]
