"""SCRIPT_API §1-2 as a table: each case runs in every dialect in which it has a script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenuto.workflows.script import dialects
from tenuto.workflows.script.protocol import Dialect, ScriptLoadError

from .driver import Case, all_cases, check, simulate

TABLE = [pytest.param(case, dialect, id=f"{case.name}-{dialect}") for case in all_cases() for dialect in case.dialects]


@pytest.fixture(scope="module", autouse=True)
def _interpreters() -> Iterator[None]:
    yield
    dialects.close_interpreters()


@pytest.mark.parametrize(("case", "dialect"), TABLE)
def test_both_dialects_do_what_the_table_says(case: Case, dialect: Dialect) -> None:
    expect = case.expect(dialect)
    path = case.script(dialect)
    if "refused" in expect:
        with pytest.raises(ScriptLoadError) as caught:
            dialects.load(path.read_bytes(), path.name)
        wanted = expect["refused"]
        assert wanted.get("reason_contains", "") in caught.value.reason
        assert wanted.get("line", caught.value.line) == caught.value.line
        return
    script = dialects.load(path.read_bytes(), path.name)
    session = dialects.open_session(
        script, args=case.spec.get("args"), has_args="args" in case.spec, seed=case.spec.get("seed", "seed")
    )
    check(simulate(session, case.spec), expect)


def test_every_case_has_a_script_and_says_what_it_states() -> None:
    for case in all_cases():
        assert case.dialects, case.name
        assert case.spec["about"], case.name
