"""Wire contracts: how what is under way learns that a ceiling is lower than it was told."""

from __future__ import annotations

from temporalio import activity

from .share_contracts import Cost
from .wire import Wire, only_an_interface


class UnderWay(Wire):
    """A conversation that a ceiling was lowered over."""

    agent: str
    model: str


class TellCeilingsInput(Wire):
    """Ceilings that were lowered, or set where there was none."""

    run_id: str
    lowered: dict[str, int]
    """Scope (a phase, or "" for the run) -> number of its last lowering, counted through the run."""
    under_way: list[UnderWay]


class Standing(Wire):
    """Where a conversation stood after it could not begin a request any more without knowing."""

    paid: Cost
    """What it has used in all, as far as it was answered."""
    coming: Cost | None = None
    """What the request may cost that it may have under way; `None` where nothing is known of it yet."""


class TellCeilingsResult(Wire):
    """Conversation -> where it stood."""

    standings: dict[str, Standing]


@activity.defn(name="tell_ceilings")
async def tell_ceilings(input: TellCeilingsInput) -> TellCeilingsResult:
    """Write down that ceilings are lower, wait until every Worker has to see it, and look what was spent by then."""
    raise only_an_interface("tell_ceilings")
