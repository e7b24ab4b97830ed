"""Notices that a hook did not take, as the `notify` Activity writes them down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic_core import from_json

if TYPE_CHECKING:
    from tenuto.activities.store import Store

OLD = timedelta(days=7)
"""Older ones are given up, and nobody needs to hear of them any more."""
READ_MAX = 200


@dataclass(frozen=True, slots=True)
class Untold:
    """One notice that did not get through until now."""

    run_id: str
    event: str
    message: str
    error: str
    at: str
    attempts: int

    @property
    def words(self) -> str:
        """The notice on one line, for a person."""
        return (
            f"the notify hook was not told of '{self.event}' ({self.message}) in {self.attempts} attempts, "
            f"last at {self.at}: {self.error}"
        )


async def untold_notices(store: Store, run_id: str | None = None) -> list[Untold]:
    """Those of one run, or of all in the last week; oldest first. Raises what the store raises."""
    from tenuto.activities.notices import FAILED

    found: list[Untold] = []
    since = (datetime.now(UTC) - OLD).isoformat(timespec="seconds")
    keys = [key for key in await store.keys(FAILED) if run_id is None or f"/{run_id}.notice-" in key]
    for key in keys[-READ_MAX:]:
        try:
            notice = Untold(**from_json(await store.get(key)))
        except FileNotFoundError:
            continue  # it got through meanwhile
        if notice.at >= since or run_id is not None:
            found.append(notice)
    return sorted(found, key=lambda notice: notice.at)
