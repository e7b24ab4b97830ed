"""Those who wait: the same order as by sorting all of them each time, without looking at all of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.workflows.line import Line


@dataclass(eq=False)
class Who:
    group: str
    turn: tuple[int, ...]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("remove"), st.just(""), st.integers(0, 20)),
        st.tuples(st.just("regroup"), st.sampled_from("abc"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(STEPS, st.sets(st.sampled_from("abc")))
def test_the_first_is_whom_sorting_would_find(steps: list[tuple[str, str, int]], besides: set[str]) -> None:
    line: Line[Who, str] = Line()
    waiting: list[Who] = []
    for what, group, number in steps:
        if what == "add":
            waiting.append(Who(group, (number % 2, number)))
            line.add(waiting[-1], group, waiting[-1].turn)
        elif what == "regroup":
            for who in waiting:
                who.group = group
            line.regroup(lambda who: who.group)
        elif waiting:
            line.remove(waiting.pop(number % len(waiting)))
        served = [who for who in sorted(waiting, key=lambda who: who.turn) if who.group not in besides]
        assert line.first(besides) is (served[0] if served else None)
        assert all(who in line for who in waiting)
    assert line.clear() == waiting
    assert line.first(()) is None


def test_ten_thousand_are_served_in_no_time() -> None:
    line: Line[Who, str] = Line()
    began = time.process_time()
    for number in range(10_000):
        who = Who("a", (1, number))
        line.add(who, who.group, who.turn)
        assert line.first(()) is not None
    for _ in range(10_000):
        first = line.first(())
        assert first is not None
        line.remove(first)
    assert time.process_time() - began < 2
