"""What the items of `context` become: files, patterns and texts, always the same bytes."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tenuto.activities.context_items import BYTES_MAX, FILES_MAX, resolve_context
from tenuto.activities.errors import AgentFailed
from tenuto.activities.workspace.files import FileInfo, Files, OutsideWorkspace


@dataclass(frozen=True)
class Folder:
    """`Files` over a folder, without its walls against races: only what this module asks of it."""

    root: Path

    def relative(self, path: str) -> str:
        target = (self.root / path).resolve()
        if not target.is_relative_to(self.root):
            raise OutsideWorkspace(path)
        return target.relative_to(self.root).as_posix()

    def open(self, path: str) -> int:
        raise NotImplementedError

    def read(self, path: str, bytes_max: int) -> bytes:
        data = (self.root / self.relative(path)).read_bytes()
        if len(data) > bytes_max:
            raise ValueError(f"{path} has {len(data)} bytes")
        return data

    def write(self, path: str, data: bytes) -> None:
        raise NotImplementedError

    def info(self, path: str) -> FileInfo:
        target = self.root / self.relative(path)
        if target.is_dir():
            raise IsADirectoryError(path)
        status = target.stat()
        return FileInfo(self.relative(path), status.st_size, status.st_mtime_ns, status.st_mode)

    def walk(self, pattern: str, under: str = ".") -> Iterator[FileInfo]:
        for path in sorted(self.root.rglob("*"), reverse=True):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and fnmatch.fnmatch(name, pattern):
                yield self.info(name)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.md").write_text("Bee\n")
    (tmp_path / "docs" / "a.md").write_text("Ay")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff")
    return Folder(tmp_path)


def test_a_path_is_the_files_content_under_its_name(files: Files) -> None:
    expected = ["# File: docs/b.md\n\nBee\n"]
    assert resolve_context(["docs/b.md"], files) == expected
    assert resolve_context([str(files.root / "docs" / "b.md")], files) == expected
    assert resolve_context(["docs/../docs/b.md"], files) == expected


def test_a_pattern_is_its_files_in_path_order(files: Files) -> None:
    found = resolve_context(["docs/*.md"], files)
    assert [text.splitlines()[0] for text in found] == ["# File: docs/a.md", "# File: docs/b.md"]
    assert found == resolve_context(["docs/*.md"], files)


@pytest.mark.parametrize(
    "text",
    ["Just a fact.", "docs", "no/such/file.md", "../secret", "/etc/passwd", "Is it 2 * 3?", "two\nlines", "x" * 5000],
)
def test_everything_else_is_text_itself(files: Files, text: str) -> None:
    assert resolve_context([text], files) == [text]
    assert resolve_context([text], None) == [text]


def test_order_is_that_of_the_items_and_blank_ones_are_left_out(files: Files) -> None:
    found = resolve_context(["first", "", "docs/a.md", " \n", "last"], files)
    assert found == ["first", "# File: docs/a.md\n\nAy", "last"]


def test_a_file_that_is_no_text_is_said_so(files: Files) -> None:
    with pytest.raises(AgentFailed, match=r"'logo.png', which is not UTF-8 text") as raised:
        resolve_context(["logo.png"], files)
    assert raised.value.kind == "unusable_context"


def test_a_file_that_the_rules_deny_is_not_read(files: Files) -> None:
    with pytest.raises(AgentFailed, match="rules do not let an agent read"):
        resolve_context(["docs/*.md"], files, may_read=lambda path: path != "docs/b.md")


def test_a_file_that_cannot_be_read_fails_for_good(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_files: Files, path: str, _bytes_max: int) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(Folder, "read", refuse)
    with pytest.raises(AgentFailed, match=r"'docs/a\.md', which cannot be read: .*Permission denied"):
        resolve_context(["docs/a.md"], files)


def test_too_much_is_refused_before_it_is_paid(files: Files, tmp_path: Path) -> None:
    with pytest.raises(AgentFailed, match="over 4 MB"):
        resolve_context(["x" * BYTES_MAX, "y"], files)
    (tmp_path / "big.txt").write_text("b" * (BYTES_MAX + 1))
    with pytest.raises(AgentFailed, match=r"big\.txt"):
        resolve_context(["big.txt"], files)
    for number in range(FILES_MAX + 1):
        (tmp_path / f"n{number}.txt").write_text("n")
    with pytest.raises(AgentFailed, match="over 200 files"):
        resolve_context(["n*.txt"], files)


def test_what_is_no_text_at_all_is_refused() -> None:
    with pytest.raises(AgentFailed, match="not int"):
        resolve_context([3], None)  # type: ignore[list-item]
