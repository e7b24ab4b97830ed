"""Activities that have nothing to tell on the way show life all the same."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment

from tenuto.activities import heartbeat
from tenuto.activities.heartbeat import alive
from tenuto.activities.journal import JournalActivities
from tenuto.activities.merging import MergeActivities
from tenuto.activities.reports import ReportActivities


@activity.defn(name="slow")
@alive
async def slow(times: int) -> str:
    """Works until it has shown life so many times."""
    while len(SHOWN) < times:
        await asyncio.sleep(0.001)
    return "done"


SHOWN: list[object] = []


async def test_it_beats_while_it_works_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "FIRST_HEARTBEAT_S", 0.001)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 0.001)
    SHOWN.clear()
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: SHOWN.append(details)
    async with asyncio.timeout(30):
        assert await environment.run(slow, 3) == "done"
    assert len(SHOWN) >= 3
    await asyncio.sleep(0)  # its task takes the cancellation
    assert asyncio.all_tasks() == {asyncio.current_task()}, "something beats on"


async def test_what_fails_fails_as_it_did() -> None:
    @alive
    async def failing() -> None:
        raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        await ActivityEnvironment().run(failing)


def test_the_signature_stays_what_the_worker_reads() -> None:
    for work in (
        ReportActivities.write_report,
        MergeActivities.integrate_commit,
        JournalActivities.open_journal,
        JournalActivities.recall_agents,
        JournalActivities.hash_files,
    ):
        assert list(inspect.signature(work).parameters) == ["self", "input"]
