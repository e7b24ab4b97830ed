"""Write and Edit: what becomes of a file, also when a call is made again after its attempt was lost."""

from __future__ import annotations

import asyncio
import hashlib
import stat
import threading
from typing import Any

import pytest

from tenuto.activities.tools.tool import ToolError

from .conftest import Desk


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_write_creates_and_replaces(desk: Desk) -> None:
    result = await desk.use("Write", file_path="a/b.txt", content="one\ntwo")
    assert result.content == "Created a/b.txt (2 lines)."
    assert [(mark.path, mark.sha256) for mark in result.wrote] == [("a/b.txt", sha256(b"one\ntwo"))]
    result = await desk.use("Write", file_path=str(desk.root / "a/b.txt"), content="é\n")
    assert result.content == "Replaced a/b.txt (1 line)."
    assert (desk.root / "a/b.txt").read_bytes() == "é\n".encode()
    assert await desk.text("Write", file_path="empty", content="") == "Created empty (0 lines)."


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../x", "outside"),
        ("/tmp/x", "outside"),
        (".git/hooks/pre-commit", "belongs to git"),
        ("folder", "is a directory"),
        ("file/x", "a part of the path is a file"),
        ("a\0", "NUL"),
        ("x" * 300, "too long"),
    ],
)
async def test_write_and_edit_refuse_in_plain_words(desk: Desk, path: str, words: str) -> None:
    desk.plant("file", "x")
    (desk.root / "folder").mkdir()
    assert words in await desk.refusal("Write", file_path=path, content="y")
    assert words in await desk.refusal("Edit", file_path=path, old_string="", new_string="y")


async def test_text_that_is_no_unicode_is_refused(desk: Desk) -> None:
    desk.plant("a", "x")
    assert "surrogate" in await desk.refusal("Write", file_path="a", content="\ud800")
    assert "surrogate" in await desk.refusal("Edit", file_path="a", old_string="x", new_string="\udfff")
    assert (desk.root / "a").read_bytes() == b"x"


EDITS: list[tuple[bytes, dict[str, Any], bytes]] = [
    (b"a b c", {"old_string": "b", "new_string": "x"}, b"a x c"),
    (b"a b c", {"old_string": " b", "new_string": ""}, b"a c"),
    (b"b b", {"old_string": "b", "new_string": "bb", "replace_all": True}, b"bb bb"),
    (b"aaa", {"old_string": "aa", "new_string": "b", "replace_all": True}, b"ba"),
    (b"one\ntwo\nthree\n", {"old_string": "two\nthree", "new_string": "2\n3"}, b"one\n2\n3\n"),
    (b"one\r\ntwo\r\n", {"old_string": "one\ntwo", "new_string": "1\n2\n3"}, b"1\r\n2\r\n3\r\n"),
    (b"one\r\ntwo\r\n", {"old_string": "one\r\n", "new_string": ""}, b"two\r\n"),
    (b"caf\xe9 x", {"old_string": "x", "new_string": "\u00e9"}, b"caf\xe9 \xc3\xa9"),
    (b"\xef\xbb\xbfa", {"old_string": "a", "new_string": "b"}, b"\xef\xbb\xbfb"),
    ("aé∀".encode("utf-16"), {"old_string": "é", "new_string": "ee"}, "aee∀".encode("utf-16")),
    (
        b"\xfe\xff" + "x y".encode("utf-16-be"),
        {"old_string": "y", "new_string": "z"},
        b"\xfe\xff" + "x z".encode("utf-16-be"),
    ),
    (b"", {"old_string": "", "new_string": "x"}, b"x"),
    (rb"\1 $& \g<0>", {"old_string": "$&", "new_string": r"\1"}, rb"\1 \1 \g<0>"),
]


@pytest.mark.parametrize(("before", "given", "after"), EDITS)
async def test_edit_replaces(desk: Desk, before: bytes, given: dict[str, Any], after: bytes) -> None:
    path = desk.plant("a.txt", before)
    path.chmod(0o750)
    result = await desk.use("Edit", file_path="a.txt", **given)
    assert path.read_bytes() == after
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert [(mark.path, mark.sha256) for mark in result.wrote] == [("a.txt", sha256(after))]
    assert desk.noted == [{"path": "a.txt", "before": sha256(before), "after": sha256(after)}]


async def test_edit_shows_what_the_file_reads_now(desk: Desk) -> None:
    desk.plant("a", "".join(f"line {number}\n" for number in range(1, 30)))
    text = await desk.text("Edit", file_path="a", old_string="line 10\nline 11\n", new_string="ten\n")
    assert "    10\tten" in text and "     7\tline 7" in text and "    13\tline 14" in text
    assert "line 6" not in text and "line 16" not in text


async def test_edit_creates_a_file(desk: Desk) -> None:
    result = await desk.use("Edit", file_path="new/a", old_string="", new_string="text")
    assert result.content == "Created new/a."
    assert (desk.root / "new/a").read_text() == "text"
    assert desk.noted == [{"path": "new/a", "before": None, "after": sha256(b"text")}]


@pytest.mark.parametrize(
    ("content", "old", "words"),
    [
        ("a\n", "x", "old_string was not found in a. Read the file again"),
        ("b b\nb", "b", "occurs 3 times in a (lines 1, 1, 2)"),
        ("b\n" * 30, "b", "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 20 more"),
        ("x\n    def f(self):\n        pass\n", "def f(self):\n    pass", "other white space (line 2)"),
        ("one\ntwo\n", "one\nthree", "Its first line is at line 1"),
        ("one\ntwo\n", "     1\tone", "Leave out the line numbers"),
        ("text", "", "an empty old_string only creates a file"),
        ("text", "new", "are the same"),
        (b"a\0b", "a", "is a binary file"),
    ],
)
async def test_an_edit_that_does_not_fit_says_why(desk: Desk, content: str | bytes, old: str, words: str) -> None:
    path = desk.plant("a", content)
    before = path.read_bytes()
    assert words in await desk.refusal("Edit", file_path="a", old_string=old, new_string="new")
    assert path.read_bytes() == before
    assert desk.noted == []


async def test_an_edit_cannot_fill_the_memory(desk: Desk) -> None:
    desk.plant("a", b"a" * 1_000_000)
    given = {"file_path": "a", "old_string": "a", "new_string": "b" * 100_000}
    assert "would have 100,000,000,000 bytes" in await desk.refusal("Edit", **given, replace_all=True)
    assert "occurs 1000000 times" in await desk.refusal("Edit", **given)


async def test_an_edit_of_a_missing_file_says_so(desk: Desk) -> None:
    assert "does not exist" in await desk.refusal("Edit", file_path="a", old_string="x", new_string="y")


# ------------------------------------------------------------------------------------------- lost and made again

GIVEN = {"file_path": "a", "old_string": "b", "new_string": "bb"}


async def test_an_edit_that_was_lost_after_it_acted_is_not_made_twice(desk: Desk) -> None:
    path = desk.plant("a", "abc")
    await desk.use("Edit", **GIVEN)
    (noted,) = desk.noted
    result = await desk.use("Edit", noted, **GIVEN)
    assert path.read_text() == "abbc"
    assert result.wrote[0].sha256 == sha256(b"abbc")
    assert len(desk.noted) == 1


async def test_an_edit_that_was_lost_before_it_acted_is_made(desk: Desk) -> None:
    path = desk.plant("a", "abc")
    await desk.use("Edit", **GIVEN)
    path.write_text("abc")
    await desk.use("Edit", desk.noted[0], **GIVEN)
    assert path.read_text() == "abbc"


async def test_an_edit_that_was_lost_while_others_wrote_is_given_back(desk: Desk) -> None:
    path = desk.plant("a", "abc")
    await desk.use("Edit", **GIVEN)
    path.write_text("abbcd")
    with pytest.raises(ToolError, match="unknown whether the edit took effect"):
        await desk.use("Edit", desk.noted[0], **GIVEN)
    path.unlink()
    with pytest.raises(ToolError, match="unknown whether"):
        await desk.use("Edit", desk.noted[0], **GIVEN)


async def test_an_edit_that_made_a_file_is_not_made_twice(desk: Desk) -> None:
    given = {"file_path": "a", "old_string": "", "new_string": "x"}
    await desk.use("Edit", **given)
    await desk.use("Edit", desk.noted[0], **given)
    (desk.root / "a").unlink()
    await desk.use("Edit", desk.noted[0], **given)
    assert (desk.root / "a").read_text() == "x"


async def test_an_edit_that_was_lost_before_it_noted_anything_is_made(desk: Desk) -> None:
    path = desk.plant("a", "abc")
    await desk.use("Edit", {}, **GIVEN)
    assert path.read_text() == "abbc"


async def test_a_file_that_changes_while_the_edit_is_noted_is_left_alone(desk: Desk) -> None:
    path = desk.plant("a", "abc")
    desk.on_note = lambda: path.write_text("somebody's work b")  # type: ignore[assignment]
    assert "changed by somebody else" in await desk.refusal("Edit", **GIVEN)
    assert path.read_text() == "somebody's work b"


async def test_edits_of_one_file_side_by_side_are_all_kept(desk: Desk) -> None:
    path = desk.plant("a", "".join(f"<{number}>\n" for number in range(50)))
    await asyncio.gather(
        *(desk.use("Edit", file_path="a", old_string=f"<{number}>", new_string=f"[{number}]") for number in range(50))
    )
    assert path.read_text() == "".join(f"[{number}]\n" for number in range(50))


async def test_a_cancelled_write_has_ended_when_the_call_returns(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()
    real = type(desk.place.files).write

    def slow(*given: Any) -> None:
        begun.set()
        assert go_on.wait(20)
        real(*given)
        done.set()

    monkeypatch.setattr(type(desk.place.files), "write", slow)
    task = asyncio.create_task(desk.use("Write", file_path="a", content="x"))
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()
    assert (desk.root / "a").read_text() == "x"
