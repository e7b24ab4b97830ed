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


@pytest.mark.parametrize(("failing", "code", "runs"), [(0, 0, 2), (1, 1, 2), (4, 1, 1)])
def test_a_few_failures_are_run_once_more_and_named(tmp_path: Path, failing: int, code: int, runs: int) -> None:
    (tmp_path / "test_some.py").write_text(TESTS.format(failing=failing))
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "tests", "test_some.py"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == code, done.stdout
    assert done.stdout.count("test session starts") == runs
    assert ("passed alone" in done.stdout) == (code == 0)
    assert done.stdout.count("::test_changes_its_mind") >= 1
