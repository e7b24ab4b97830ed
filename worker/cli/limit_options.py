"""Options about ceilings, from words to values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from ..config import UsageError


class OnLimit(StrEnum):
    """What happens at a ceiling of money or tokens."""

    ask = "ask"
    fail = "fail"


PhaseUsdOption = Annotated[
    list[str] | None, typer.Option(metavar="PHASE=X", help="Ceiling of a phase in dollars; may be repeated.")
]
LimitTimeoutOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="How long to wait at a ceiling: 90s, 30m, 8h, 2d; then fail.")
]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def phase_ceilings(words: Sequence[str]) -> dict[str, float]:
    """`PHASE=X` each, as phase -> dollars. Raises `UsageError`."""
    return dict(map(_phase_ceiling, words))


def seconds(text: str | None) -> float | None:
    """A time such as `90s`, `30m`, `8h` or `2d`; a number alone is seconds. Raises `UsageError`."""
    if text is None:
        return None
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "s")
    amount = _number(number)
    if amount is None or amount <= 0:
        raise UsageError(f"--limit-timeout is {text!r}; expected a time such as 90s, 30m, 8h or 2d")
    return amount * UNITS[unit]


def _phase_ceiling(word: str) -> tuple[str, float]:
    phase, _, dollars = word.rpartition("=")
    amount = _number(dollars)
    if not phase or amount is None or amount < 0:
        raise UsageError(f"--phase-usd is {word!r}; expected PHASE=X with dollars, such as 'Review=2.5'")
    return phase, amount


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
