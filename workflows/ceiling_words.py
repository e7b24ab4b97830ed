"""What is said where a ceiling is reached. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .budget import NANO, RUN, Amount
from .contracts import RunLimits

Lacking = Sequence[tuple[str, int]]
"""Scope, and index in `Amount`: every ceiling that is to be raised so that a call can go on."""
_TOKENS = {1: "tokens", 2: "output tokens"}


def reached(
    limits: RunLimits, lacking: Lacking, spent: Callable[[str], Amount], least: Amount, lost_usd: float = 0.0
) -> str:
    """What is spent, of what, and what there is no room for.

    Args:
        spent: by scope.
        least: what the next request of whoever waits may cost at its smallest.
        lost_usd: what the run has counted for answers that broke off.
    """
    said: list[str] = []
    for scope, number in lacking:
        whose = "this run" if scope == RUN else f"the phase {scope!r}"
        lost = f", ${lost_usd:.4f} of it for answers that broke off and may be billed" if lost_usd else ""
        told = f"({_of(limits, scope, number, spent(scope), lost)}{_next(number, least)})"
        said.append(f"that of {whose} {told}" if said else f"the budget of {whose} is spent {told}")
    return ", and so is ".join(said)


def ways_on(lacking: Lacking, run_id: str) -> str:
    """What a person can do about it."""
    flags = " ".join(_flag(scope, number) for scope, number in lacking)
    what = "it" if len(lacking) == 1 else "both" if len(lacking) == 2 else "them"
    return f"Raise {what} (tenuto set {run_id} {flags}), or end the run (tenuto stop {run_id})"


def _of(limits: RunLimits, scope: str, number: int, spent: Amount, lost: str) -> str:
    if number:
        most = (None, limits.tokens, limits.output_tokens)[number]
        return f"{spent[number]:,} of {most or 0:,} {_TOKENS[number]}"
    usd = (limits.usd if scope == RUN else (limits.phases_usd or {})[scope]) or 0.0
    return f"${spent.nano_usd / NANO:.4f} of ${usd:g}{lost if scope == RUN else ''}"


def _next(number: int, least: Amount) -> str:
    return f"; the next request may cost ${least.nano_usd / NANO:.4f}" if least.nano_usd and not number else ""


def _flag(scope: str, number: int) -> str:
    if scope != RUN:
        return f"--phase-usd '{scope}=X'"
    return ("--max-usd X", "--max-tokens N", "--max-output-tokens N")[number]
