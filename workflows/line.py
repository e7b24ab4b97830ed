"""Those who wait, in the order in which they are served. Pure; thousands may wait, and each step looks at few."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Container, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Group = TypeVar("Group", bound=Hashable)


class Line(Generic[Item, Group]):
    """Items in groups, each served by its turn; of equal turns the one that came first. No item is in it twice."""

    def __init__(self) -> None:
        self._groups: dict[Group, list[tuple[tuple[int, ...], int, Item]]] = {}
        self._places: dict[Item, tuple[Group, tuple[int, ...], int]] = {}
        self._came = 0

    def __contains__(self, item: Item) -> bool:
        return item in self._places

    def add(self, item: Item, group: Group, turn: tuple[int, ...]) -> None:
        """It waits from now on; the lower its turn, the sooner it is served."""
        self._came += 1
        self._put(item, group, turn, self._came)

    def remove(self, item: Item) -> None:
        """It waits no longer."""
        group, turn, came = self._places.pop(item)
        entries = self._groups[group]
        # A pair sorts before the triple that begins with it: items are never compared.
        del entries[bisect_left(entries, (turn, came))]
        if not entries:
            del self._groups[group]

    def first(self, besides: Container[Group]) -> Item | None:
        """Whose turn it is, those of some groups left out."""
        heads = [entries[0] for group, entries in self._groups.items() if group not in besides]
        return min(heads, key=lambda entry: entry[:2])[2] if heads else None

    def clear(self) -> list[Item]:
        """Nobody waits any more. Those who did, in the order in which they came."""
        items = sorted(self._places, key=lambda item: self._places[item][2])
        self._groups.clear()
        self._places.clear()
        return items

    def regroup(self, group_of: Callable[[Item], Group]) -> None:
        """Other groups; everybody keeps turn and order."""
        places = list(self._places.items())
        self._groups.clear()
        for item, (_, turn, came) in places:
            self._put(item, group_of(item), turn, came)

    def _put(self, item: Item, group: Group, turn: tuple[int, ...], came: int) -> None:
        insort(self._groups.setdefault(group, []), (turn, came, item))
        self._places[item] = (group, turn, came)
