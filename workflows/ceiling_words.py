"""What is said where a ceiling is reached. Pure."""

from __future__ import annotations

from .budget import NANO, RUN, Amount
from .contracts import RunLimits


def reached(limits: RunLimits, scope: str, spent: Amount, least: Amount, lost_usd: float = 0.0) -> str:
    """What is spent, of what, and what there is no room for.

    Args:
        scope: the run, or a phase.
        least: what the next request of whoever waits may cost at its smallest.
        lost_usd: what the run has counted for answers that broke off.
    """
    whose = "this run" if scope == RUN else f"the phase {scope!r}"
    usd = limits.usd if scope == RUN else (limits.phases_usd or {})[scope]
    if usd is not None and spent.nano_usd + max(1, least.nano_usd) > usd * NANO:
        said = f"${spent.nano_usd / NANO:.4f} of ${usd:g}"
        if lost_usd and scope == RUN:
            said += f", ${lost_usd:.4f} of it for answers that broke off and may be billed"
        if least.nano_usd:
            said += f"; the next request may cost ${least.nano_usd / NANO:.4f}"
        return f"the budget of {whose} is spent ({said})"
    most, used, what = limits.output_tokens, spent.output_tokens, "output tokens"
    if most is None or used + max(1, least.output_tokens) <= most:
        most, used, what = limits.tokens, spent.tokens, "tokens"
    return f"the budget of {whose} is spent ({used:,} of {most or 0:,} {what})"


def ways_on(limits: RunLimits, scope: str, run_id: str) -> str:
    """What a person can do about it."""
    flag = "--max-usd X"
    if scope != RUN:
        flag = f"--phase-usd '{scope}=X'"
    elif limits.usd is None:
        flag = "--max-output-tokens N" if limits.output_tokens is not None else "--max-tokens N"
    return f"Raise it (tenuto set {run_id} {flag}), or end the run (tenuto stop {run_id})"
