"""Wire contracts of what a run is told while it lives: Signals of its Workers, Updates of a person."""

from __future__ import annotations

from temporalio import activity

from .wire import Wire, only_an_interface


class HeldInput(Wire):
    """Signal `held`, from a Worker to the run: the API takes no request for now."""

    kind: str
    """One of `failure_kinds.HOLDS`."""
    message: str
    until: str | None = None
    """When it is over, ISO 8601, where that is known."""


class AcceptedInput(Wire):
    """Signal `accepted`, from a Worker to the run: the API takes requests again."""


class SetLimitsInput(Wire):
    """Update `set_limits`: what is not given stays."""

    concurrency: int | None = None
    agents: int | None = None
    usd: float | None = None
    tokens: int | None = None
    output_tokens: int | None = None
    phases_usd: dict[str, float] | None = None
    """Phase -> its ceiling; other phases keep theirs."""


class AgentInput(Wire):
    """Updates `skip_agent` and `restart_agent`: which one."""

    agent: str


@activity.defn(name="open_gates")
async def open_gates() -> None:
    """A person ended a hold: the Worker asks the API again, whatever reset it was told."""
    raise only_an_interface("open_gates")
