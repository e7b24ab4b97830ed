"""Which runs of a test runner ended with 0 and told no result."""

from __future__ import annotations

import pytest

from tenuto.workflows.gate_contracts import LookAtGateFilesResult, TestCounts
from tenuto.workflows.gate_silence import silence
from tenuto.workflows.step_contracts import RunCommandResult

LOOK = LookAtGateFilesResult(tree="t", definition="d", files=1, before=TestCounts(tests=2), now=TestCounts(tests=3))

SILENT = {
    "nothing at all": ("python -m pytest -q", ""),
    "by its path": ("/usr/bin/python3.13 -m pytest -q -p no:cacheprovider", "\n"),
    "with a variable": ("PYTHONPATH=. timeout 60 uv run pytest -x", ""),
    "after another": ("cd sub && pytest -q 2>&1", ""),
    "a header only": ("pytest", "====== test session starts ======\ncollected 2 items\n"),
    "half way": ("pytest -qq", "....... [ 40%]\n"),
    "after the first test": ("pytest -q", "."),
    "unittest": ("python -m unittest", ""),
    "cargo": ("cargo test", "running 3 tests\n"),
    "jest": ("npx jest", "PASS\n"),
    "node": ("node --test", ""),
}
TOLD = {
    "a summary": ("python -m pytest -q", ".. [100%]\n2 passed in 0.01s\n"),
    "progress only": ("pytest -qq", "..                                           [100%]\n"),
    "counted progress": ("pytest -qq", "..                                           [2/2]\n"),
    "dots of all tests": ("pytest -qq", "...\n"),
    "dots of chosen tests": ("pytest -qq -k one", ".\n"),
    "none chosen": ("pytest -q -k no", "3 deselected in 0.01s\n"),
    "a pipe": ("pytest -q | tail -1", ""),
    "a file": ("pytest -q > log", ""),
    "a list of commands": ("pytest -q; true", ""),
    "a substitution": ("pytest $(cat which)", ""),
    "no terminal": ("pytest -q -p no:terminal", ""),
    "no tests wanted": ("pytest --version", "pytest 9\n"),
    "unittest": ("python -m unittest", "\n----\nRan 2 tests in 0.0s\n\nOK\n"),
    "cargo": ("cargo test", "running 1 test\ntest result: ok. 1 passed\n"),
    "jest": ("npx jest", "Test Suites: 1 passed, 1 total\nTests:       1 passed, 1 total\n"),
    "vitest": ("npx vitest run", " Test Files  1 passed (1)\n      Tests  1 passed (1)\n"),
    "node": ("node --test", "\u2139 tests 1\n\u2139 pass 1\n"),
    "another program": ("make test", ""),
    "a script": ("python check.py", ""),
    "no such quotes": ("pytest 'a", ""),
}


@pytest.mark.parametrize(("command", "output"), SILENT.values(), ids=SILENT.keys())
def test_a_runner_that_ended_with_0_and_told_no_result_is_no_pass(command: str, output: str) -> None:
    said = silence(command, RunCommandResult(exit_code=0, stdout=output), LOOK)
    assert said is not None
    assert "ended with 0 and reported no result: " in said


@pytest.mark.parametrize(("command", "output"), TOLD.values(), ids=TOLD.keys())
def test_a_result_or_the_chance_of_one_is_believed(command: str, output: str) -> None:
    assert silence(command, RunCommandResult(exit_code=0, stderr=output), LOOK) is None


def test_a_red_run_and_a_workspace_without_tests_are_what_they_are() -> None:
    assert silence("pytest", RunCommandResult(exit_code=1), LOOK) is None
    none = LookAtGateFilesResult(tree="t", definition="d", files=1)
    assert silence("pytest", RunCommandResult(exit_code=0), none) is None
