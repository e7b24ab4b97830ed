"""The language of people in a script: `Intl`, the order of words, and the runs that began before there was any."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tenuto.workflows.script import javascript
from tenuto.workflows.script.protocol import Finished, Outcome, StepContext, Waiting

NOW = StepContext(now=0.0)
META = "export const meta = { name: 'n', description: 'd' };\n"
WORDS = "['b', 'A', 'a'].sort((x, y) => x.localeCompare(y)).join('')"


@pytest.fixture(autouse=True)
def _interpreters() -> Iterator[None]:
    yield
    javascript.close_pool()


def value_of(body: str, *, args: Any = None, locale: bool = True) -> Any:
    script = javascript.load(META + body)
    session = javascript.open_session(script, args=args, has_args=args is not None, seed="s", locale=locale)
    step = session.start(NOW)
    assert isinstance(step, Finished), step
    return step.value


def test_a_run_of_an_earlier_version_goes_on_in_the_order_that_it_began_with() -> None:
    body = f"return [typeof Intl, {WORDS}, (1234.5).toLocaleString()];"
    assert value_of(body, locale=False) == ["undefined", "Aab", "1234.5"]
    assert value_of(body) == ["object", "aAb", "1,234.5"]


@pytest.mark.parametrize("locale", [True, False])
def test_a_session_on_another_machine_has_the_order_of_the_first(locale: bool) -> None:
    script = javascript.load(META + f"const before = {WORDS}; await agent('x'); return [before, {WORDS}];")
    session = javascript.open_session(script, args=None, has_args=False, seed="s", locale=locale)
    assert isinstance(session.start(NOW), Waiting)
    moved = javascript.restore_session(script, seed="s", state=session.state())
    step = moved.resume({1: Outcome(value="y")}, StepContext(now=1.0))
    assert isinstance(step, Finished)
    assert step.value == (["aAb", "aAb"] if locale else ["Aab", "Aab"])


def test_a_script_that_mentions_no_locale_pays_for_none() -> None:
    assert value_of("return eval('typeof ' + 'I' + 'ntl');") == "undefined"
    assert value_of("return typeof globalThis['I' + 'ntl'];") == "object"


def test_words_by_the_thousand_are_sorted_within_one_step() -> None:
    words = [f"src/{random.Random(n).random()}/Größe-{n % 700}.ts" for n in range(8000)]
    value = value_of("return args.toSorted((x, y) => x.localeCompare(y)).length;", args=words)
    assert value == 8000


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("(0).toLocaleString()", "0"),
        ("(-0.5).toLocaleString('en-US', {maximumFractionDigits: 0})", "-1"),
        ("(1e-7).toLocaleString()", "0"),
        ("(1.005).toLocaleString('en-US', {minimumFractionDigits: 2, maximumFractionDigits: 2})", "1.01"),
        ("(123456).toLocaleString('en', {maximumSignificantDigits: 2})", "120,000"),
        ("(9.999).toLocaleString('en', {maximumSignificantDigits: 3})", "10"),
        ("(999999).toLocaleString('en', {notation: 'compact'})", "1M"),
        ("(1234567).toLocaleString('en', {notation: 'compact', compactDisplay: 'long'})", "1.2 million"),
        ("(1234567).toLocaleString('en-IN')", "12,34,567"),
        ("(1234.5).toLocaleString('de-DE', {style: 'currency', currency: 'EUR'})", "1.234,50\u00a0€"),
        ("(5).toLocaleString('en', {minimumIntegerDigits: 2, signDisplay: 'always'})", "+05"),
        ("(NaN).toLocaleString() + (-Infinity).toLocaleString()", "NaN-∞"),
        ("new Date(NaN).toLocaleDateString()", "Invalid Date"),
        ("new Date(0).toLocaleTimeString('en-US', {hour: '2-digit', minute: '2-digit'})", "12:00 AM"),
        ("new Date(0).toLocaleDateString('en-GB')", "01/01/1970"),
        ("new Date(0).toLocaleString('en-US', {hour12: false})", "1/1/1970, 00:00:00"),
    ],
)
def test_numbers_and_dates_are_written_as_icu_writes_them(expression: str, shown: str) -> None:
    assert value_of(f"return {expression};") == shown


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("(1).toLocaleString('not a locale')", "RangeError"),
        ("(1).toLocaleString('en', {style: 'currency'})", "TypeError"),
        ("(1).toLocaleString('en', {maximumFractionDigits: -1})", "RangeError"),
        ("new Intl.DateTimeFormat('en').format(NaN)", "RangeError"),
        ("'a'.localeCompare('b', 'en', {sensitivity: 'none'})", "RangeError"),
    ],
)
def test_what_icu_refuses_is_refused_by_the_same_error(expression: str, name: str) -> None:
    assert value_of(f"try {{ {expression}; return 'none' }} catch (error) {{ return error.name }}") == name
