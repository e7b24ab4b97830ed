"""Ceilings and what is reserved under them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.workflows.budget import NANO, RUN, Amount, Budget, Ceiling
from tenuto.workflows.ceiling_words import reached, ways_on
from tenuto.workflows.contracts import RunLimits
from tenuto.workflows.failure_kinds import SKIPPED
from tenuto.workflows.trip import Trip

SMALL = st.integers(0, 40)
AMOUNTS = st.builds(Amount, SMALL, SMALL, SMALL)
BOUNDS = st.none() | st.integers(0, 200)
CEILINGS = st.builds(Ceiling, BOUNDS, BOUNDS, BOUNDS)
Step = tuple[int, Amount, Amount, float, int]
STEPS = st.lists(st.tuples(st.integers(0, 5), AMOUNTS, AMOUNTS, st.floats(0, 1), st.integers(1, 9)), max_size=40)


@given(CEILINGS, CEILINGS, STEPS)
def test_what_is_spent_and_reserved_never_passes_a_ceiling(run: Ceiling, phase: Ceiling, steps: list[Step]) -> None:
    """Conversations of any number reserve, use a part of it, settle, and reserve again, in any order."""
    budget = Budget()
    out: dict[str, Amount] = {}
    budget.limit(RUN, run)
    budget.limit("one", phase)
    for step in steps:
        number, least, more, part, parts = step
        key, group = f"a{number}", [None, "one", "two"][number % 3]
        if key in out:
            spare = out.pop(key)
            used = Amount(*(int(each * part) for each in spare))
            budget.settle(key, group, budget.paid(key).plus(used))
        elif budget.reserve(key, group, least, least.plus(more), parts) is None:
            share, paid = budget.share(key), budget.paid(key)
            # What is not bounded is not reserved, and so may be used at will.
            out[key] = Amount(*(0 if most is None else most - had for most, had in zip(share, paid, strict=True)))
            assert all(most is None or most - had >= need for most, had, need in zip(share, paid, least, strict=True))
        for scope, ceiling in ((RUN, run), ("one", phase)):
            books = budget._scopes[scope]
            for most, spent, reserved in zip(ceiling, books.spent, books.reserved, strict=True):
                assert most is None or spent + reserved <= most
    for key in out:
        budget.settle(key, None, budget.paid(key))
    assert (budget.out(), budget.out("one")) == (0, 0)


def test_sixty_four_share_a_dollar_evenly() -> None:
    budget = Budget()
    budget.limit(RUN, Ceiling.of(1.0))
    for number in range(64):
        assert budget.reserve(f"a{number}", None, Amount(), Amount(2 * NANO), 64 - number) is None
    shares = {budget.share(f"a{number}").nano_usd for number in range(60)}
    assert shares == {NANO // 64}


def test_a_need_goes_before_an_even_part_and_what_was_not_used_comes_back() -> None:
    budget = Budget()
    budget.limit(RUN, Ceiling(100))
    assert budget.reserve("a1", None, Amount(60), Amount(80), 10) is None
    assert budget.share("a1").nano_usd == 60
    assert budget.reserve("a2", None, Amount(60), Amount(60), 1) == RUN
    budget.settle("a1", None, Amount(10))
    assert budget.spent() == Amount(10)
    assert budget.reserve("a2", None, Amount(60), Amount(60), 1) is None


def test_a_share_holds_from_the_beginning_of_a_conversation() -> None:
    budget = Budget()
    budget.limit(RUN, Ceiling(100))
    budget.reserve("a1", None, Amount(10), Amount(10), 1)
    budget.settle("a1", None, Amount(7))
    budget.reserve("a1", None, Amount(20), Amount(20), 1)
    assert budget.share("a1").nano_usd == 27
    budget.settle("a1", None, Amount(27))
    assert budget.spent() == Amount(27)
    budget.forget("a1")
    budget.settle("a1", None, Amount(5))
    assert budget.spent() == Amount(32)


def test_a_phase_at_its_ceiling_leaves_the_others_alone() -> None:
    budget = Budget()
    budget.limit("one", Ceiling(10))
    assert budget.bounds("one")
    assert not budget.bounds("two")
    budget.settle("a1", "one", Amount(10))
    assert budget.reserve("a2", "one", Amount(), Amount(5), 1) == "one"
    assert budget.reserve("a3", "two", Amount(), Amount(5), 1) is None


def test_dollars_are_never_counted_too_small() -> None:
    assert Amount.of(0.1 + 0.2, 0, 0).nano_usd == 300_000_000
    assert Amount.of(1e-10, 0, 0).nano_usd == 1
    assert Ceiling.of(0.3).nano_usd == 300_000_000


def test_five_failures_of_one_kind_in_a_row_trip_and_anything_between_begins_anew() -> None:
    trip = Trip(5)
    kinds = ["a"] * 4 + ["b"] + ["a"] * 4
    assert not any(trip.failed(kind) for kind in kinds)
    trip.done()
    assert not any(trip.failed("a") for _ in range(4))
    assert not trip.failed(SKIPPED)
    assert not trip.reason
    assert trip.failed("a")
    assert "5 agents in a row failed by a" in trip.reason
    assert not trip.failed("a")


def test_without_a_limit_nothing_trips() -> None:
    trip = Trip(0)
    assert not any(trip.failed("a") for _ in range(50))


@pytest.mark.parametrize(
    ("before", "now", "lower"),
    [
        (Ceiling(), Ceiling(5), True),
        (Ceiling(5), Ceiling(4), True),
        (Ceiling(5), Ceiling(5), False),
        (Ceiling(5), Ceiling(6), False),
        (Ceiling(5), Ceiling(6, 100), True),
        (Ceiling(5, 100), Ceiling(5), False),
        (Ceiling(), Ceiling(), False),
    ],
)
def test_a_ceiling_is_lower_where_it_leaves_less_of_anything(before: Ceiling, now: Ceiling, lower: bool) -> None:
    budget = Budget()
    budget.limit(RUN, before)
    assert budget.limit(RUN, now) is lower


def test_who_began_before_there_was_a_ceiling_counts_with_what_he_has_used_and_may_use() -> None:
    budget = Budget()
    budget.limit(RUN, Ceiling(100))
    budget.under_way("a1", None, Amount(40), Amount(50))
    assert (budget.spent(), budget.out()) == (Amount(40), 1)
    assert budget.reserve("a2", None, Amount(11), Amount(11), 1) == RUN
    assert budget.reserve("a2", None, Amount(10), Amount(10), 1) is None
    budget.settle("a1", None, Amount(45))
    assert (budget.spent(), budget.out()) == (Amount(45), 1)
    assert budget.reserve("a1", None, Amount(45), Amount(45), 1) is None


def test_who_has_a_reservation_keeps_what_is_left_of_it_and_no_more_than_that() -> None:
    budget = Budget()
    budget.limit(RUN, Ceiling(100))
    assert budget.reserve("a1", None, Amount(60), Amount(60), 1) is None
    budget.limit(RUN, Ceiling(70, 1000))
    budget.under_way("a1", None, Amount(20, 300), Amount(500, 400))
    assert (budget.spent(), budget.out()) == (Amount(20, 300), 1)
    assert budget.reserve("a2", None, Amount(11), Amount(11), 1) == RUN
    assert budget.reserve("a2", None, Amount(10, 300), Amount(10, 300), 1) is None
    budget.settle("a2", None, Amount())
    budget.settle("a1", None, Amount(20, 300))
    assert (budget.spent(), budget.out()) == (Amount(20, 300), 0)
    assert budget.reserve("a3", None, Amount(50, 700), Amount(50, 700), 1) is None


@given(CEILINGS, st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, st.booleans()), max_size=8))
def test_what_is_told_of_those_under_way_leaves_nothing_behind_once_they_have_stopped(
    ceiling: Ceiling, each: list[tuple[Amount, Amount, Amount, bool]]
) -> None:
    budget = Budget()
    budget.limit(RUN, ceiling)
    for number, (least, _, _, reserves) in enumerate(each):
        if reserves:
            budget.reserve(f"a{number}", "one", least, least, 1)
    for number, (_, paid, coming, _) in enumerate(each):
        budget.under_way(f"a{number}", "one", paid, coming)
        budget.under_way(f"a{number}", "one", paid, coming)
    assert budget.out() == budget.out("one") == len(each)
    total = Amount()
    for number, (_, paid, more, _) in enumerate(each):
        budget.settle(f"a{number}", "one", paid.plus(more))
        total = total.plus(paid).plus(more)
    for scope in (RUN, "one"):
        books = budget._scopes[scope]
        assert (books.spent, books.reserved, books.out) == (total, Amount(), 0)


def cents(usd: float) -> Amount:
    return Amount.of(usd, 0, 0)


@pytest.mark.parametrize(
    ("limits", "need", "said", "flags"),
    [
        # There is room for the least under the ceiling of the run, though not for what it could use: the phase binds.
        ({"usd": 0.09, "phases_usd": {"A": 0.05}}, 0.02, ["the phase 'A'"], ["--phase-usd 'A=X'"]),
        ({"usd": 0.05, "phases_usd": {"A": 0.09}}, 0.02, ["this run"], ["--max-usd X"]),
        ({"usd": 0.05, "phases_usd": {"A": 0.05}}, 0.02, ["this run", "the phase 'A'"], ["--max-usd X", "'A=X'"]),
        ({"phases_usd": {"A": 0.05}}, 0.02, ["the phase 'A'"], ["--phase-usd 'A=X'"]),
        ({"tokens": 1000, "phases_usd": {"A": 0.09}}, 0.02, ["1,000 of 1,000 tokens"], ["--max-tokens N"]),
        ({"output_tokens": 90, "usd": 9}, 0.02, ["100 of 90 output tokens"], ["--max-output-tokens N"]),
    ],
)
def test_the_ceilings_that_are_named_are_those_that_have_to_be_raised(
    limits: dict[str, Any], need: float, said: list[str], flags: list[str]
) -> None:
    caps, budget = RunLimits.model_validate(limits), Budget()
    budget.limit(RUN, Ceiling.of(caps.usd, caps.tokens, caps.output_tokens))
    for phase, usd in (caps.phases_usd or {}).items():
        budget.limit(phase, Ceiling.of(usd))
    budget.settle("a1", "A", Amount.of(0.04, 1000, 100))
    lacking = budget.lacking("A", cents(need))
    words = reached(caps, lacking, budget.spent, cents(need))
    assert all(each in words for each in said) and " of 0 " not in words
    assert ("the phase" in words, "run" in words) == (
        any("phase" in each for each in said),
        any("run" in each or "tokens" in each for each in said),
    )
    way = ways_on(lacking, "wf_1")
    assert all(flag in way for flag in flags) and way.count("--") == len(lacking)
    assert ("both" in way) == (len(lacking) == 2)


def test_what_others_hold_in_reserve_is_named_only_where_nothing_else_is_in_the_way() -> None:
    budget = Budget()
    budget.limit(RUN, Ceiling.of(1.0))
    budget.limit("A", Ceiling.of(0.5))
    assert budget.reserve("b", "B", cents(0.9), cents(0.9), 1) is None
    assert budget.lacking("A", cents(0.2)) == [(RUN, 0)]
    budget.settle("a", "A", cents(0.4))
    assert budget.lacking("A", cents(0.2)) == [("A", 0)]
