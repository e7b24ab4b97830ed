"""Votes come to the verdict that they are: never `confirmed` under the quorum, never anything from silence."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.workflows.review_contracts import Opinion, Vote
from tenuto.workflows.verdicts import Rounds, distinct, lenses_of, normal, verdict_of, vote_from

OPINIONS: tuple[Opinion, ...] = ("pass", "fail", "abstain")


def cast(*opinions: Opinion, objections: tuple[str, ...] = ("no",)) -> list[Vote]:
    return [
        Vote(round=1, agent=f"a{i}", lens="l", verdict=each, objections=list(objections) if each == "fail" else [])
        for i, each in enumerate(opinions)
    ]


votes = st.lists(st.sampled_from(OPINIONS), max_size=9)


@given(votes, st.integers(1, 9))
def test_the_verdict_is_what_the_rule_says(opinions: list[Opinion], quorum: int) -> None:
    passes, fails = opinions.count("pass"), opinions.count("fail")
    verdict = verdict_of(cast(*opinions), quorum)
    assert (verdict == "unverified") == (passes + fails < quorum)
    assert (verdict == "confirmed") == (passes >= quorum > fails)
    assert (verdict == "refuted") == (fails >= quorum > passes)


@given(votes, st.integers(1, 9), st.integers(0, 9))
def test_further_silence_changes_nothing(opinions: list[Opinion], quorum: int, silent: int) -> None:
    more: list[Opinion] = [*opinions, *(["abstain"] * silent)]  # type: ignore[list-item]
    assert verdict_of(cast(*more), quorum) == verdict_of(cast(*opinions), quorum)


def test_for_three_reviewers_no_dead_one_is_ever_a_vote() -> None:
    for quorum, opinions in itertools.product((1, 2, 3), itertools.product(OPINIONS, repeat=3)):
        if verdict_of(cast(*opinions), quorum) == "confirmed":
            assert opinions.count("pass") >= quorum


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["verdict", "objections", "evidence"]), inner),
    )
)
def test_whatever_an_agent_answers_it_is_a_vote_only_if_it_says_so(answer: Any) -> None:
    vote = vote_from(answer, round=1, agent="a1", lens="l")
    if vote.verdict != "abstain":
        assert vote.verdict == answer["verdict"]


def test_a_review_without_revision_has_one_round() -> None:
    rounds = Rounds(2, 3, revises=False)
    rounds.hold(cast("fail", "fail"))
    assert not rounds.goes_on


@pytest.mark.parametrize("opinions", [("abstain", "abstain"), ("pass", "abstain"), ("pass", "pass")])
def test_there_is_nothing_to_revise_where_nobody_objects(opinions: tuple[Opinion, ...]) -> None:
    rounds = Rounds(2, 3, revises=True)
    rounds.hold(cast(*opinions))
    assert not rounds.goes_on


def test_the_same_objections_in_other_words_of_the_same_letters_end_it_and_new_ones_do_not() -> None:
    rounds = Rounds(2, 5, revises=True)
    rounds.hold(cast("fail", "fail", objections=("It leaks!",)))
    assert rounds.goes_on
    rounds.hold(cast("fail", "pass", objections=("It leaks!", "it is slow")))
    assert rounds.goes_on
    rounds.hold(cast("pass", "fail", objections=("it  leaks",)))
    assert not rounds.goes_on  # it goes in circles: the first round's objections are back


@given(st.lists(votes, min_size=1, max_size=12), st.integers(1, 4), st.integers(1, 10))
def test_a_review_never_goes_past_its_rounds_and_stops_when_it_is_confirmed(
    held: list[list[Opinion]], quorum: int, most: int
) -> None:
    rounds = Rounds(quorum, most, revises=True)
    for number, opinions in enumerate(held):
        rounds.hold(cast(*opinions, objections=(f"objection {number}",)))
        if not rounds.goes_on:
            break
    assert rounds.number <= most
    result = rounds.result("work")
    assert result.rounds == rounds.number
    assert result.verdict == verdict_of(rounds.last, quorum)
    assert bool(result.positions) == (result.verdict == "disputed")
    if "fail" in held[rounds.number - 1]:
        assert result.objections


def test_both_sides_of_a_dispute_are_heard_even_if_they_gave_no_reason() -> None:
    rounds = Rounds(2, 1, revises=True)
    rounds.hold(cast("pass", "fail", objections=()))
    assert rounds.result(1).objections == ["failed without a reason given (l)", "passed without a reason given (l)"]


def test_texts_are_compared_by_their_letters() -> None:
    assert normal("It  LEAKS, twice!") == normal("it leaks twice")
    assert normal("!!!") != normal("???")
    assert distinct(["A b", "a  b.", "c"]) == ["A b", "c"]


def test_each_reviewer_has_a_lens() -> None:
    assert len(set(lenses_of([], 3))) == 3
    assert lenses_of(["a", "b"], 3) == ["a", "b", "a"]
