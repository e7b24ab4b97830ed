"""A text that matches a regular expression, by walking the parsed expression."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterable
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

REPEATS_MAX = 6
"""Most repetitions of an open-ended repeat beyond its minimum."""
_ALPHABET = string.ascii_lowercase + string.digits + string.ascii_uppercase + "-_ .,:/@#"
_CATEGORIES = {
    ops.CATEGORY_DIGIT: string.digits,
    ops.CATEGORY_WORD: string.ascii_lowercase + string.digits,
    ops.CATEGORY_SPACE: " ",
    ops.CATEGORY_NOT_DIGIT: string.ascii_lowercase,
    ops.CATEGORY_NOT_WORD: "-",
    ops.CATEGORY_NOT_SPACE: string.ascii_lowercase + string.digits,
}


def python_pattern(pattern: str) -> str | None:
    """A schema's expression, which is JavaScript's, for Python's `re`; `None` where Python has nothing like it."""
    readable = re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern)
    try:
        re.compile(readable)
    except re.error:
        return None
    return readable


def text_matching(pattern: str, rng: random.Random, least: int = 0, most: int | None = None) -> str:
    """A text that `re.search(pattern, …)` finds, of `least` to `most` characters where the expression allows it.

    An expression with lookarounds may give a text that does not match;
    whoever needs certainty validates it.
    """
    readable = python_pattern(pattern)
    if readable is None:
        return pattern
    tree = parser.parse(readable)
    text = ""
    for extra in range(REPEATS_MAX, REPEATS_MAX + least + 1):
        text = _Walk(rng, extra, least).text(tree)
        if len(text) >= least and (most is None or len(text) <= most):
            return text
    while len(text) < least and not pattern.endswith("$"):
        text += rng.choice(string.ascii_lowercase)
    if most is not None and len(text) > most:
        return _Walk(rng, 0, 0).text(tree)
    return text


class _Walk:
    def __init__(self, rng: random.Random, extra: int, least: int) -> None:
        self.rng, self.extra, self.least = rng, extra, least
        self.groups: dict[int, str] = {}

    def text(self, tree: Iterable[tuple[Any, Any]]) -> str:
        return "".join(self.node(op, value) for op, value in tree)

    def node(self, op: Any, value: Any) -> str:  # noqa: PLR0911 - one line for each kind of node
        if op is ops.LITERAL:
            return chr(value)
        if op is ops.NOT_LITERAL:
            return next(char for char in _ALPHABET if char != chr(value))
        if op is ops.ANY:
            return self.rng.choice(string.ascii_lowercase)
        if op is ops.IN:
            return self.rng.choice(_members(value))
        if op is ops.BRANCH:
            return self.text(self.rng.choice(value[1]))
        if op is ops.SUBPATTERN:
            text = self.text(value[3])
            self.groups[value[0]] = text
            return text
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            return self.repeat(*value)
        if op is ops.GROUPREF:
            return self.groups.get(value, "")
        if op is ops.ATOMIC_GROUP:
            return self.text(value)
        return ""

    def repeat(self, low: int, high: Any, tree: Iterable[tuple[Any, Any]]) -> str:
        highest = low + self.extra if high is ops.MAXREPEAT else min(int(high), low + self.extra)
        lowest = min(highest, max(low, 1 if self.extra else 0, self.least))
        return "".join(self.text(tree) for _ in range(self.rng.randint(lowest, highest)))


def _members(items: list[tuple[Any, Any]]) -> str:
    """The characters of a class, from a small alphabet where it is negated."""
    negated = items[0][0] is ops.NEGATE
    found = ""
    for op, value in items:
        if op is ops.LITERAL:
            found += chr(value)
        elif op is ops.RANGE:
            found += "".join(chr(code) for code in range(value[0], min(value[1], value[0] + 255) + 1))
        elif op is ops.CATEGORY:
            found += _CATEGORIES.get(value, "")
    if negated:
        found = "".join(char for char in _ALPHABET if char not in found)
    return found or "a"
