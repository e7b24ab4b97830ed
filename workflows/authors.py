"""Who made what in a run: a review finds the agent whose work it is about, and the commit that came with it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .carry_contracts import AuthorRow, AuthorsState
from .contracts import RunAgentInput

COMMIT_CHARS_MIN = 7
"""Of an abbreviated commit id that is looked for."""


@dataclass(frozen=True, slots=True)
class Author:
    """An agent that gave a value. `input` is without its prompt, which is in its conversation."""

    input: RunAgentInput
    commit: str | None = None
    """What it left in a checkout of its own."""

    @property
    def checkout(self) -> str | None:
        """Agent id whose checkout it works in; `None` in the shared workspace."""
        return (self.input.checkout or self.input.agent) if self.input.isolation is not None else None


class Authors:
    """The authors of one run, nested workflows included."""

    def __init__(self) -> None:
        self._by_value: dict[str, Author] = {}
        self._by_commit: dict[str, Author] = {}
        self._unclear: set[str] = set()
        """Values that several agents gave with different commits."""
        self._lent: set[str] = set()
        """Checkouts in which an author revises."""

    def remember(self, input: RunAgentInput, value: Any, commit: str | None) -> None:
        """An agent has given a value, and left a commit where it changed a checkout of its own."""
        author = Author(input.model_copy(update={"prompt": ""}), commit)
        digest = _digest(value)
        before = self._by_value.get(digest)
        if before is not None and before.commit != commit and before.checkout != author.checkout:
            self._unclear.add(digest)
        self._by_value[digest] = author
        if commit is not None:
            self._by_commit[commit] = author

    def state(self) -> AuthorsState:
        """All of it, to be taken along. Nobody revises at that moment."""

        def rows(authors: Mapping[str, Author]) -> dict[str, AuthorRow]:
            return {
                name: AuthorRow(input=each.input)
                if each.commit is None
                else AuthorRow(input=each.input, commit=each.commit)
                for name, each in authors.items()
            }

        state = AuthorsState(by_value=rows(self._by_value))
        if self._by_commit:
            state.by_commit, state.unclear = rows(self._by_commit), sorted(self._unclear)
        return state

    def restore(self, state: AuthorsState, earlier: Mapping[str, RunAgentInput]) -> None:
        """Go on from what `state` gave, or from what an earlier version did."""
        self._by_value = {name: Author(input) for name, input in earlier.items()}
        self._by_value |= {name: Author(row.input, row.commit) for name, row in state.by_value.items()}
        self._by_commit = {name: Author(row.input, row.commit) for name, row in state.by_commit.items()}
        self._unclear = set(state.unclear)

    def of_value(self, value: Any) -> Author | None:
        """The latest agent that gave it; nobody where more than one commit could be meant."""
        digest = _digest(value)
        return None if digest in self._unclear else self._by_value.get(digest)

    def is_unclear(self, value: Any) -> bool:
        """Whether several agents gave this value with different commits."""
        return _digest(value) in self._unclear

    def of_commit(self, run_id: str, name: str) -> Author | None:
        """The agent whose commit it is, by id or by the branch that holds it."""
        for commit, author in self._by_commit.items():
            same = len(name) >= COMMIT_CHARS_MIN and commit.startswith(name)
            if same or name == f"tenuto/{run_id}/{author.checkout}":
                return author
        return None

    def lend(self, author: Author) -> bool:
        """Let an author revise; false where it does so in another review: two must not work in one checkout."""
        checkout = author.checkout
        if checkout in self._lent:
            return False
        if checkout is not None:
            self._lent.add(checkout)
        return True

    def give_back(self, author: Author) -> None:
        """It has revised."""
        self._lent.discard(author.checkout or "")


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
