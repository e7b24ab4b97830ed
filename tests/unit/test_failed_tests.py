"""The tests that a check names as failed are found in what the common runners print."""

from __future__ import annotations

import pytest

from tenuto.workflows.failed_tests import NAMES_MAX, failed_tests


@pytest.mark.parametrize(
    ("output", "names"),
    [
        (
            "FAILED tests/test_a.py::test_one - assert 1 == 2\nERROR tests/test_b.py::test_two\n",
            ["tests/test_a.py::test_one", "tests/test_b.py::test_two"],
        ),
        ("FAILED tests/test_a.py::test_one[a - b] - x - y\n", ["tests/test_a.py::test_one[a"]),
        ("FAIL: test_sum (tests.test_tally.Sums)\n-----\n", ["test_sum (tests.test_tally.Sums)"]),
        ("--- FAIL: TestSum (0.00s)\n    --- FAIL: TestSum/empty (0.00s)\n", ["TestSum", "TestSum/empty"]),
        ("test words::counts ... FAILED\ntest words::sums ... ok\n", ["words::counts"]),
        ("  ● sums \u203a adds two numbers\n\n    expect(received)\n", ["sums \u203a adds two numbers"]),
        (" FAIL  src/a.test.ts > sums > adds\n", ["src/a.test.ts > sums > adds"]),
        ("ok 1 - fine\nnot ok 2 - adds\n", ["adds"]),
        ("everything is broken\n1 failed\n", []),
        ("", []),
    ],
)
def test_names_are_those_of_the_runner(output: str, names: list[str]) -> None:
    assert failed_tests(output) == names


def test_a_test_that_is_named_twice_is_told_once_and_there_is_an_end() -> None:
    assert failed_tests("--- FAIL: TestA\n" * 3) == ["TestA"]
    assert len(failed_tests("".join(f"--- FAIL: Test{n}\n" for n in range(999)))) == NAMES_MAX
