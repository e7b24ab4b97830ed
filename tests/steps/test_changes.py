"""What reviewers are shown of a commit: its diff since the run's base, and plain words where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenuto.workflows.change_contracts import (
    INLINE_CHARS_MAX,
    SHOWN_CHARS_MAX,
    ReadChangeInput,
    ReadChangeResult,
    material_mark,
)

from ..workspace.repositories import repository, sh
from .conftest import Stage


@pytest.fixture
def top(stage: Stage) -> Path:
    stage.root.rmdir()
    return repository(stage.root)


def committed(top: Path, files: dict[str, str], branch: str = "work") -> str:
    """The id of a commit on a branch of its own, made elsewhere than in the user's checkout."""
    elsewhere = top.parent / f"elsewhere-{branch}"
    sh(f"git worktree add -q -b {branch} {elsewhere} main", top)
    for path, text in files.items():
        (elsewhere / path).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / path).write_text(text)
    sh("git add -A -f && git commit -qm work", elsewhere)
    return sh("git rev-parse HEAD", elsewhere)


async def read(stage: Stage, commit: str, **given: Any) -> ReadChangeResult:
    result: ReadChangeResult = await stage.run(ReadChangeInput, commit=commit, **given)
    return result


async def test_a_commit_is_shown_as_what_it_changed_since_the_base_of_the_run(stage: Stage, top: Path) -> None:
    base = sh("git rev-parse main", top)
    commit = committed(top, {"src/b.txt": "b\nmore\n", "new.py": "print()\n"})
    result = await read(stage, commit)
    assert (result.commit, result.base, result.files, result.left_out) == (commit, base, 2, [])
    assert result.text is not None
    assert "+more" in result.text and "+print()" in result.text and "+++ b/new.py" in result.text
    assert result.shown == result.text


@pytest.mark.parametrize("paths", [["src"], ["src/*.txt"], ["**/b.txt"], ["./src/"]])
async def test_paths_limit_what_is_shown(stage: Stage, top: Path, paths: list[str]) -> None:
    commit = committed(top, {"src/b.txt": "b\nmore\n", "new.py": "print()\n"})
    result = await read(stage, commit, paths=paths)
    assert result.text is not None and result.files == 1
    assert "+more" in result.text and "new.py" not in result.text


async def test_paths_are_those_of_the_workspace_where_it_is_a_folder_of_the_repository(stage: Stage) -> None:
    stage.root.rmdir()
    top = repository(stage.root.parent / "outer", {"part/in.txt": "in\n"})
    stage.root = top / "part"
    commit = committed(top, {"part/in.txt": "changed\n", "src/b.txt": "out\n"})
    assert (await read(stage, commit)).files == 2
    inside = await read(stage, commit, paths=["in.txt"])
    assert (inside.files, "+changed" in inside.shown, "+out" in inside.shown) == (1, True, False)
    await stage.fails(ReadChangeInput, "bad_arguments", commit=commit, paths=["../src/b.txt"])


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", ".."])
async def test_a_path_that_leads_out_of_the_workspace_is_refused(stage: Stage, top: Path, path: str) -> None:
    assert path in await stage.fails(ReadChangeInput, "bad_arguments", commit="main", paths=[path])


async def test_a_commit_that_the_base_contains_is_shown_against_its_parent(stage: Stage, top: Path) -> None:
    sh("git reset -q --hard", top)
    (top / "a.txt").write_text("second\n")
    sh("git commit -qam second", top)
    result = await read(stage, "HEAD")
    assert "+second" in result.shown and result.base == sh("git rev-parse HEAD~1", top)
    first = await read(stage, "HEAD~1")
    assert "+++ b/src/b.txt" in first.shown and first.files == 3


async def test_an_unknown_commit_and_a_folder_without_a_repository_are_told_in_plain_words(stage: Stage) -> None:
    assert "in none" in await stage.fails(ReadChangeInput, "workspace", commit="HEAD")
    sh("git init -q && git config user.name U && git config user.email u@example.invalid", stage.root)
    sh("git commit -q --allow-empty -m first", stage.root)
    message = await stage.fails(ReadChangeInput, "not_found", commit="--output=/tmp/x")
    assert "there is no commit '--output=/tmp/x'" in message


async def test_a_large_diff_is_in_the_store_and_its_mark_in_the_prompt(stage: Stage, top: Path) -> None:
    commit = committed(top, {"long.txt": "line\n" * (INLINE_CHARS_MAX // 4)})
    result = await read(stage, commit)
    assert result.text is None and result.key is not None
    assert result.shown == material_mark(result.sha256)
    assert (await stage.store.get(result.key)).decode().count("+line") == INLINE_CHARS_MAX // 4
    assert await read(stage, commit) == result


async def test_what_does_not_fit_is_the_largest_files_and_they_are_named(stage: Stage, top: Path) -> None:
    commit = committed(top, {"small.py": "x = 1\n", "lock.json": "0123456789\n" * (SHOWN_CHARS_MAX // 10)})
    result = await read(stage, commit)
    assert "+x = 1" in result.shown
    (left_out,) = result.left_out
    assert left_out.startswith("lock.json: its diff has ")


async def test_files_that_the_rules_hide_are_named_and_not_shown(stage: Stage, top: Path) -> None:
    await stage.prepare(deny=("Read(./secret.env)",))
    commit = committed(top, {"secret.env": "TOKEN=1\n", "open.txt": "fine\n"})
    result = await read(stage, commit)
    assert "TOKEN" not in result.shown and "+fine" in result.shown
    assert result.left_out == ["secret.env: the run's rules deny reading it"]


async def test_nothing_of_the_users_repository_runs_or_changes(stage: Stage, top: Path) -> None:
    commit = committed(top, {"a.txt": "changed\n", ".gitattributes": "*.txt diff=evil\n"})
    marker = top.parent / "ran"
    sh(f"git config diff.evil.textconv 'touch {marker}; cat' && git config diff.external 'touch {marker}'", top)
    before = sh("git status --porcelain && git for-each-ref", top)
    assert "+changed" in (await read(stage, commit)).shown
    assert not marker.exists()
    assert sh("git status --porcelain && git for-each-ref", top) == before


async def test_odd_names_renames_and_bytes_that_are_no_text_are_shown_as_git_shows_them(
    stage: Stage, top: Path
) -> None:
    elsewhere = top.parent / "odd"
    sh(f"git worktree add -q -b odd {elsewhere} main", top)
    (elsewhere / "with space é.txt").write_text("diff --git a/x b/x\n")
    (elsewhere / "latin.txt").write_bytes(b"caf\xe9\n")
    (elsewhere / "image.png").write_bytes(bytes(range(256)))
    sh("git mv src/b.txt src/renamed.txt && git add -A && git commit -qm odd", elsewhere)
    result = await read(stage, "odd")
    assert "+diff --git a/x b/x" in result.shown and "+caf\ufffd" in result.shown
    assert "rename to src/renamed.txt" in result.shown and "Binary files" in result.shown
