"""What decides whether a change lands: a few failures are run once more, and nothing that fails alone passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
from pathlib import Path
import pytest

@pytest.fixture(scope="module", autouse=True)
def shared():
    yield
    assert not {left}, "something was left"

def test_changes_its_mind():
    seen = Path(__file__).with_name("seen")
    again = seen.exists()
    seen.touch()
    assert again

def test_passes():
    pass

@pytest.mark.parametrize("n", range({failing}))
def test_fails(n):
    assert False
"""
CASES = {
    "a few that pass alone": (0, False, [], 0, 2),
    "one that fails alone too": (1, False, [], 1, 2),
    "more than a few": (4, False, [], 1, 1),
    "what all of them left": (0, True, [], 1, 1),
    "a session cut short": (0, False, ["-x"], 1, 1),
    "with options": (0, False, ["-k", "mind or passes"], 0, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_a_few_failures_are_run_once_more_and_named(tmp_path: Path, case: str) -> None:
    failing, left, options, code, runs = CASES[case]
    (tmp_path / "test_some.py").write_text(TESTS.format(failing=failing, left=left))
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "tests", "test_some.py", *options]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == code, done.stdout
    assert done.stdout.count("test session starts") == runs
    assert ("passed alone" in done.stdout) == (code == 0)
    assert done.stdout.count("::test_changes_its_mind") >= 1
