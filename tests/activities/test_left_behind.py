"""An agent's answer holds while what it left in the workspace is there, or was changed by a later one of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tenuto.activities.left_behind import Writer, lost_commits, lost_files


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def writer(entry: str, at: int, **files: str | None) -> Writer:
    wrote = {path: None if text is None else sha(text) for path, text in files.items()}
    return Writer(entry, entry, f"2026-01-01T00:00:0{at}Z", wrote)


def test_what_is_as_it_was_left_holds(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    assert lost_files([writer("w", 1, a="one", gone=None)], tmp_path) == {}


def test_what_a_person_changed_or_removed_does_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("by hand")
    lost = lost_files([writer("w", 1, a="one"), writer("v", 2, b="two")], tmp_path)
    assert set(lost) == {"w", "v"}
    assert "a no longer has the content" in lost["w"]


def test_what_a_later_agent_changed_holds_for_both(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("two")
    writers = [writer("second", 2, a="two"), writer("first", 1, a="one")]
    assert lost_files(writers, tmp_path) == {}


def test_what_was_put_back_to_an_earlier_state_is_lost_for_the_later_one_only(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    writers = [writer("first", 1, a="one"), writer("second", 2, a="two")]
    assert set(lost_files(writers, tmp_path)) == {"second"}


async def test_a_commit_that_is_not_there_is_lost(tmp_path: Path) -> None:
    assert set(await lost_commits({"e": "0" * 40}, tmp_path)) == {"e"}
