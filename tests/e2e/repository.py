"""A small package with a real test suite, as a git repository of its own; two of its tests fail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

TALLY = Path(__file__).parents[1] / "data" / "tally"
SUITE = "python3 -m unittest"


def git(folder: Path, *words: str) -> str:
    """Run git there, as the user of the repository."""
    named = ["-c", "user.name=User", "-c", "user.email=user@example.invalid"]
    return subprocess.run(
        ["git", *named, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def tally(folder: Path) -> Path:
    """A fresh copy, committed."""
    shutil.copytree(TALLY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Count and sum")
    return folder


def suite_passes(folder: Path) -> bool:
    """Whether the tests of the package pass, run outside of any sandbox."""
    done = subprocess.run(SUITE.split(), cwd=folder, capture_output=True, check=False)
    return done.returncode == 0
