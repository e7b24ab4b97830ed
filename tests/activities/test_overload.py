"""An API that is overloaded or out of reach is tried for as long as configured, and then the agent fails clearly."""

from __future__ import annotations

import time

import pytest

from tenuto.activities.errors import Verdict
from tenuto.activities.overload import Overload
from tenuto.workflows import failure_kinds as kinds

BUSY = Verdict("retry", "overloaded_error", "Overloaded")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("tenuto.activities.overload.time.time", lambda: now[0])
    return now


def test_patience_is_counted_from_the_first_refusal_over_all_attempts(clock: list[float]) -> None:
    first = Overload(None, 0, patience_s=60)
    assert not first.meets(BUSY, 0)
    clock[0] += 59
    assert not Overload(first.since, 0, patience_s=60).meets(BUSY, 0)
    clock[0] += 2
    assert Overload(first.since, 0, patience_s=60).meets(BUSY, 0)


def test_an_answer_begins_it_anew(clock: list[float]) -> None:
    one = Overload(1000.0, 3, patience_s=60)
    clock[0] += 61
    assert not one.meets(BUSY, 4)
    assert one.since == clock[0]


@pytest.mark.parametrize("kind", [kinds.RATE_LIMIT, kinds.QUOTA, kinds.STORE])
def test_what_is_waited_for_otherwise_tries_no_patience(clock: list[float], kind: str) -> None:
    one = Overload(time.time() - 1e6, 0, patience_s=60)
    assert not one.meets(Verdict("retry", kind, "not now"), 0)


def test_the_end_says_how_long_it_was_tried_and_what_sets_that() -> None:
    assert "for 24 h (TENUTO_OVERLOAD_HOURS" in Overload(None, 0, patience_s=24 * 3600).words
