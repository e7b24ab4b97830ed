"""Ceilings of a run and of its phases, and what is reserved under them. Pure.

Before a conversation asks a model it has a reservation that covers the worst case, so that what was paid and what is
reserved never pass a ceiling together, whatever is in flight. Dollars are whole billionths here: sums of floats drift.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

NANO = 1_000_000_000


class Amount(NamedTuple):
    """Money and tokens. `nano_usd` are billionths of a dollar, `tokens` those of all classes."""

    nano_usd: int = 0
    tokens: int = 0
    output_tokens: int = 0

    @classmethod
    def of(cls, usd: float, tokens: int, output_tokens: int) -> Amount:
        """From dollars, rounded up: what is owed is never counted too small."""
        return cls(math.ceil(round(usd * NANO, 3)), tokens, output_tokens)

    def plus(self, other: Amount) -> Amount:
        """The sum."""
        return Amount(*(mine + its for mine, its in zip(self, other, strict=True)))

    def minus(self, other: Amount) -> Amount:
        """The difference, never below zero."""
        return Amount(*(max(0, mine - its) for mine, its in zip(self, other, strict=True)))


class Ceiling(NamedTuple):
    """The most of each; `None` is without end."""

    nano_usd: int | None = None
    tokens: int | None = None
    output_tokens: int | None = None

    @classmethod
    def of(cls, usd: float | None = None, tokens: int | None = None, output_tokens: int | None = None) -> Ceiling:
        """From dollars, rounded down."""
        return cls(None if usd is None else math.floor(round(usd * NANO, 3)), tokens, output_tokens)

    def lower_than(self, other: Ceiling) -> bool:
        """Whether it bounds anything that the other one leaves open, or leaves more of."""
        return any(
            most is not None and (before is None or most < before) for most, before in zip(self, other, strict=True)
        )

    @property
    def open(self) -> bool:
        """Whether it bounds nothing."""
        return all(bound is None for bound in self)


NOTHING, ENDLESS = Amount(), Ceiling()
FIRST = Amount(2 * NANO, 400_000, 64_000)
"""At most reserved for a conversation that has asked for nothing yet: a large first request of a dear model."""


@dataclass(slots=True)
class _Scope:
    """The run, or one phase."""

    ceiling: Ceiling = ENDLESS
    spent: Amount = NOTHING
    reserved: Amount = NOTHING
    out: int = 0
    """How many hold a reservation."""

    def left(self) -> tuple[int | None, ...]:
        return tuple(
            None if most is None else most - spent - reserved
            for most, spent, reserved in zip(self.ceiling, self.spent, self.reserved, strict=True)
        )

    def unspent(self) -> tuple[int | None, ...]:
        return tuple(
            None if most is None else most - spent for most, spent in zip(self.ceiling, self.spent, strict=True)
        )


RUN = ""
"""Name of the scope that is the whole run; every other scope is a phase by its title."""


@dataclass(slots=True)
class _Account:
    """One conversation."""

    scopes: tuple[str, ...]
    paid: Amount = NOTHING
    """In all, since it began."""
    reserved: Amount | None = None


@dataclass(slots=True)
class Budget:
    """The books. A key names a conversation; it may reserve, settle and reserve again as often as it needs."""

    _scopes: dict[str, _Scope] = field(default_factory=lambda: {RUN: _Scope()})
    _accounts: dict[str, _Account] = field(default_factory=dict)

    def limit(self, scope: str, ceiling: Ceiling) -> bool:
        """Set a ceiling, above or below what is spent. What is reserved stays reserved.

        Returns:
            Whether it is lower than the one before, or there was none.
        """
        books = self._scope(scope)
        lower = ceiling.lower_than(books.ceiling)
        books.ceiling = ceiling
        return lower

    def bounds(self, phase: str | None) -> bool:
        """Whether any ceiling holds for conversations of that phase."""
        return any(not self._scopes[scope].ceiling.open for scope in self._of(phase))

    def spent(self, scope: str = RUN) -> Amount:
        """What was paid."""
        return self._scope(scope).spent

    def state(self) -> dict[str, Amount]:
        """Scope -> what was paid, of a run in which nothing is reserved."""
        return {name: books.spent for name, books in self._scopes.items() if books.spent != NOTHING}

    def restore(self, spent: Mapping[str, tuple[int, int, int]]) -> None:
        """Go on from what `state` gave."""
        for name, amount in spent.items():
            self._scope(name).spent = Amount(*amount)

    def out(self, scope: str = RUN) -> int:
        """How many conversations hold a reservation, some of which comes back when they settle."""
        return self._scope(scope).out

    def reserve(self, key: str, phase: str | None, least: Amount, most: Amount, parts: int) -> str | None:
        """Reserve for a conversation: at least what it needs, at most what it can use, else its part of what is left.

        Args:
            parts: among how many what is left is to be divided.

        Returns:
            `None`, or the scope whose ceiling has no room for `least`: nothing was reserved then.
        """
        scopes = self._of(phase)
        for scope in scopes:
            left = self._scopes[scope].left()
            if any(room is not None and room < max(1, need) for room, need in zip(left, least, strict=True)):
                return scope
        account = self._accounts.setdefault(key, _Account(scopes))
        assert account.reserved is None, f"{key} holds a reservation already"
        account.scopes = scopes
        account.reserved = self._granted(scopes, least, most, parts)
        for scope in scopes:
            books = self._scopes[scope]
            books.reserved = books.reserved.plus(account.reserved)
            books.out += 1
        return None

    def lacking(self, phase: str | None, need: Amount) -> list[tuple[str, int]]:
        """What would have to be raised for a conversation that needs so much: scope, and index of the amount.

        What others hold in reserve comes back, so it counts only where nothing else is in the way.
        """
        scopes, wanted = [(scope, self._scopes[scope]) for scope in self._of(phase)], [max(1, each) for each in need]

        def short(rooms: Callable[[_Scope], tuple[int | None, ...]]) -> list[tuple[str, int]]:
            return [
                (scope, number)
                for scope, books in scopes
                for number, room in enumerate(rooms(books))
                if room is not None and room < wanted[number]
            ]

        return short(_Scope.unspent) or short(_Scope.left)

    def share(self, key: str) -> Ceiling:
        """What a conversation with a reservation may have used in all, for each that is bounded."""
        account = self._accounts[key]
        assert account.reserved is not None, f"{key} holds no reservation"
        total = account.paid.plus(account.reserved)
        bounded = [any(self._scopes[scope].ceiling[n] is not None for scope in account.scopes) for n in range(3)]
        return Ceiling(*(most if bound else None for most, bound in zip(total, bounded, strict=True)))

    def paid(self, key: str) -> Amount:
        """What a conversation has used in all."""
        account = self._accounts.get(key)
        return NOTHING if account is None else account.paid

    def under_way(self, key: str, phase: str | None, paid: Amount, coming: Amount) -> None:
        """A conversation is under way, and it is known what it has used in all.

        What is left of its reservation stays reserved. For what it has none of, since no ceiling held when it began,
        it has one from here on.

        Args:
            coming: what it may still use before it stops.
        """
        account = self._accounts.setdefault(key, _Account(self._of(phase)))
        new, held = paid.minus(account.paid), account.reserved or NOTHING
        rest = held.minus(new)
        reserved = Amount(*(left if had else next for left, had, next in zip(rest, held, coming, strict=True)))
        for scope in account.scopes:
            books = self._scopes[scope]
            books.spent = books.spent.plus(new)
            books.reserved = books.reserved.minus(held).plus(reserved)
            books.out += account.reserved is None
        account.paid, account.reserved = account.paid.plus(new), reserved

    def settle(self, key: str, phase: str | None, used: Amount) -> None:
        """A conversation has stopped: `used` is what it has cost since it began. Its reservation is free again."""
        account = self._accounts.setdefault(key, _Account(self._of(phase)))
        new = used.minus(account.paid)
        for scope in account.scopes:
            books = self._scopes[scope]
            books.spent = books.spent.plus(new)
            if account.reserved is not None:
                books.reserved = books.reserved.minus(account.reserved)
                books.out -= 1
        account.paid, account.reserved = account.paid.plus(new), None

    def forget(self, key: str) -> None:
        """A conversation was settled and begins anew from nothing; what it cost stays spent."""
        self._accounts.pop(key, None)

    def _granted(self, scopes: Iterable[str], least: Amount, most: Amount, parts: int) -> Amount:
        lefts = [self._scopes[scope].left() for scope in scopes]
        granted: list[int] = []
        for n in range(3):
            rooms = [room for left in lefts if (room := left[n]) is not None]
            granted.append(max(least[n], min(most[n], min(rooms) // parts)) if rooms else 0)
        return Amount(*granted)

    def _of(self, phase: str | None) -> tuple[str, ...]:
        if not phase:
            return (RUN,)
        self._scope(phase)
        return (RUN, phase)

    def _scope(self, scope: str) -> _Scope:
        return self._scopes.setdefault(scope, _Scope())
