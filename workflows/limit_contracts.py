"""Wire contracts: the ceilings of a run."""

from __future__ import annotations

from typing import Literal

from .wire import Wire


class RunLimits(Wire):
    """Ceilings of one run. `None` means no ceiling."""

    agents: int = 1000
    concurrency: int = 16
    output_tokens: int | None = None
    usd: float | None = None
    nesting: int = 4
    tokens: int | None = None
    """Of all classes."""
    phases_usd: dict[str, float] | None = None
    """Phase -> ceiling of its agents in dollars, beside that of the run."""
    on_limit: Literal["ask", "fail"] | None = None
    """At a ceiling of money or tokens wait for a person, or refuse the call. `None`, as in runs of earlier versions,
    refuses it too, and reserves nothing for what is in flight."""
    limit_timeout_s: float | None = None
    """How long a person is waited for."""
    trip: int | None = None
    """After so many failures of one kind in a row no further agent is launched; `None` or 0 is off."""


class Histories(Wire):
    """How a run outgrows one Event History: it goes on in a new one (Continue-As-New)."""

    events: int | None = None
    """Events of a history after which it does; `None` leaves it to the server's suggestion."""
