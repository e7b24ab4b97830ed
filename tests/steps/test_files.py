"""`read`, `write`, `glob`, `grep`: the workspace's files, confined and under the policy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from tenuto.workflows.step_contracts import GlobFilesInput, GrepFilesInput, ReadFileInput, WriteFileInput

from .conftest import Stage


async def test_a_file_is_read_as_the_text_it_is(stage: Stage) -> None:
    (stage.root / "a.txt").write_bytes("\ufeffeins\r\nzwö\n".encode())
    assert await stage.run(ReadFileInput, path="a.txt") == "\ufeffeins\r\nzwö\n"
    assert await stage.run(ReadFileInput, path=f"{stage.root}/a.txt") == "\ufeffeins\r\nzwö\n"


async def test_a_file_of_many_megabytes_comes_back_whole(stage: Stage) -> None:
    (stage.root / "big").write_text("é" * 11_900_000)
    with pytest.raises(ApplicationError) as raised:
        await stage.run(ReadFileInput, path="big")
    assert (raised.value.type, raised.value.details[0]) == ("large_value", 23_800_000)
    assert len(await stage.run(ReadFileInput, path="big", alone=True)) == 11_900_000


async def test_a_file_that_cannot_be_text_in_a_script_is_one_clear_error(stage: Stage) -> None:
    (stage.root / "latin").write_bytes(b"na\xefve")
    (stage.root / "nul").write_bytes(b"a\0b")
    (stage.root / "huge").write_bytes(b"x" * 24_000_001)
    (stage.root / "lines").write_bytes(b"\n" * 12_000_001)
    (stage.root / "folder").mkdir()
    for path, kind in (
        ("latin", "not_text"),
        ("nul", "not_text"),
        ("huge", "too_large"),
        ("lines", "too_large"),
        ("folder", "is_directory"),
        ("gone", "not_found"),
        ("latin/x", "not_found"),
    ):
        assert f"read('{path}')" in await stage.fails(ReadFileInput, kind, path=path, alone=True)


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../secret", "link", "out/secret", "a/b/../../../secret"]
)
async def test_no_path_leads_out_of_the_workspace(stage: Stage, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("s")
    (stage.root / "link").symlink_to(tmp_path / "secret")
    (stage.root / "out").symlink_to(tmp_path)
    assert "workspace" in await stage.fails(ReadFileInput, "outside_workspace", path=path)
    assert "workspace" in await stage.fails(WriteFileInput, "outside_workspace", path=path, text="x")
    assert (tmp_path / "secret").read_text() == "s"


async def test_a_file_is_written_whole_with_its_folders_and_recorded_with_its_hash(stage: Stage) -> None:
    assert await stage.run(WriteFileInput, path="a/b/c.txt", text="né\n") is None
    assert (stage.root / "a/b/c.txt").read_text() == "né\n"
    record = await stage.kept("record")
    assert (record["path"], record["sha256"]) == ("a/b/c.txt", hashlib.sha256("né\n".encode()).hexdigest())


async def test_a_write_that_was_recorded_is_not_made_again_over_what_others_wrote_since(stage: Stage) -> None:
    await stage.run(WriteFileInput, path="a.txt", text="ours")
    (stage.root / "a.txt").write_text("an agent's, later")
    await stage.run(WriteFileInput, path="a.txt", text="ours", attempt=2)
    assert (stage.root / "a.txt").read_text() == "an agent's, later"


async def test_a_write_into_the_hooks_of_git_is_refused(stage: Stage) -> None:
    (stage.root / ".git/hooks").mkdir(parents=True)
    await stage.fails(WriteFileInput, "outside_workspace", path=".git/hooks/pre-commit", text="x")
    assert list((stage.root / ".git/hooks").iterdir()) == []


async def test_rules_on_paths_hold_for_steps_and_hide_files_from_searches(stage: Stage) -> None:
    await stage.prepare(deny=("Read(secret/**)", "Edit(locked.txt)"))
    (stage.root / "secret").mkdir()
    (stage.root / "secret/key.txt").write_text("needle")
    (stage.root / "open.txt").write_text("needle")
    assert "secret" in await stage.fails(ReadFileInput, "refused", path="secret/key.txt")
    await stage.fails(WriteFileInput, "refused", path="locked.txt", text="x", step="s2")
    assert await stage.run(GlobFilesInput, pattern="**/*.txt") == ["open.txt"]
    assert [line.path for line in await stage.run(GrepFilesInput, pattern="needle")] == ["open.txt"]


async def test_glob_gives_files_sorted_without_what_git_ignores(stage: Stage) -> None:
    for path in ("b.py", "a.py", "src/z.py", "src/deep/y.py", "src/x.js", "node_modules/n.py", ".git/config"):
        (stage.root / path).parent.mkdir(parents=True, exist_ok=True)
        (stage.root / path).write_text("x")
    assert (await stage.run(GlobFilesInput, pattern="*.py")) == ["a.py", "b.py"]
    found = await stage.run(GlobFilesInput, pattern="**/*.py")
    assert found == sorted(found)
    assert {"a.py", "b.py", "src/z.py", "src/deep/y.py"} <= set(found)
    assert ".git/config" not in await stage.run(GlobFilesInput, pattern="**")
    assert await stage.run(GlobFilesInput, pattern="nothing/**") == []


async def test_grep_gives_path_line_and_text_in_order(stage: Stage) -> None:
    (stage.root / "b.txt").write_text("one\nTODO: é two\nthree TODO\n")
    (stage.root / "a.txt").write_text("x\r\nTODO: zero\r\n")
    (stage.root / "c.md").write_text("TODO in prose\n")
    (stage.root / "bin.txt").write_bytes(b"TODO\0\1")
    (stage.root / "sub").mkdir()
    (stage.root / "sub/d.txt").write_text("a : b:3: TODO\n")
    found = [
        (line.path, line.line, line.text) for line in await stage.run(GrepFilesInput, pattern="TODO", glob="*.txt")
    ]
    assert found == [
        ("a.txt", 2, "TODO: zero"),
        ("b.txt", 2, "TODO: é two"),
        ("b.txt", 3, "three TODO"),
        ("sub/d.txt", 1, "a : b:3: TODO"),
    ]
    assert len(await stage.run(GrepFilesInput, pattern="todo")) == 0
    assert len(await stage.run(GrepFilesInput, pattern="(?i)todo", glob="sub/*")) == 1
    assert [line.path for line in await stage.run(GrepFilesInput, pattern="TODO", glob="*.{md,rst}")] == ["c.md"]


async def test_a_pattern_that_is_none_is_an_error_with_the_reason(stage: Stage) -> None:
    assert "grep('(')" in await stage.fails(GrepFilesInput, "bad_pattern", pattern="(")
    await stage.fails(GlobFilesInput, "outside_workspace", pattern="../**")


async def test_a_pattern_that_backtracks_for_ever_elsewhere_ends_at_once(stage: Stage) -> None:
    (stage.root / "a.txt").write_text("a" * 5000 + "!\n")
    assert await stage.run(GrepFilesInput, pattern="(a+)+$") == []


async def test_a_search_that_finds_too_much_says_so(stage: Stage) -> None:
    (stage.root / "a.txt").write_text("x\n" * 100_001)
    assert "100,000 lines" in await stage.fails(GrepFilesInput, "too_large", pattern="x")


async def test_a_search_that_finds_much_comes_alone(stage: Stage) -> None:
    (stage.root / "a.txt").write_text("x" * 100 + "\n")
    for number in range(10):
        (stage.root / f"{number}.txt").write_text(("x" * 100 + "\n") * 1000)
    await stage.fails(GrepFilesInput, "large_value", pattern="x")
    assert len(await stage.run(GrepFilesInput, pattern="x", alone=True)) == 10_001
