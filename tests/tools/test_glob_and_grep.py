"""Glob and Grep: what is found, in which order, and how much of it is shown."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.tools import grep, ripgrep

from .conftest import Desk


def git_init(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def age(path: Path, seconds: int) -> None:
    os.utime(path, (1_700_000_000 - seconds, 1_700_000_000 - seconds))


@pytest.fixture
def code(desk: Desk) -> Desk:
    git_init(desk.root)
    texts: dict[str, str | bytes] = {
        ".gitignore": "*.log\n",
        "a.py": "import os\n\n\ndef one():\n    return os\n\n\ndef two():\n    return 2\n",
        "src/b.py": "def three():\n    pass\n",
        "src/c.ts": "function Three() {}\n",
        "src/deep/d.tsx": "three\n",
        "x.log": "def ignored():\n",
        "win.txt": "def crlf\r\nnext\r\n",
        "wide.txt": "def " + "x" * 5000 + "\n",
        "binary.dat": b"def\0\n",
        "utf16.txt": "def wide\n".encode("utf-16"),
        "latin.txt": b"caf\xe9 def\n",
        "-dash.txt": "def dash\n",
        "with space.txt": "def space\n",
    }
    for number, (name, text) in enumerate(texts.items()):
        age(desk.plant(name, text), number)
    return desk


async def test_glob_gives_the_newest_first(code: Desk) -> None:
    assert (await code.text("Glob", pattern="**/*.{py,ts,tsx}")).split("\n") == [
        "a.py",
        "src/b.py",
        "src/c.ts",
        "src/deep/d.tsx",
    ]
    age(code.root / "src/c.ts", -100)
    assert (await code.text("Glob", pattern="**/*.{py,ts}")).split("\n") == ["src/c.ts", "a.py", "src/b.py"]


async def test_glob_looks_under_a_folder(code: Desk) -> None:
    assert await code.text("Glob", pattern="*.py", path="src") == "src/b.py"
    assert await code.text("Glob", pattern="*.py", path=str(code.root / "src")) == "src/b.py"
    assert await code.text("Glob", pattern="*.rs") == "No files match *.rs."
    assert "does not exist" in await code.refusal("Glob", pattern="*", path="nowhere")
    assert "outside" in await code.refusal("Glob", pattern="*", path="..")
    assert "outside" in await code.refusal("Glob", pattern="/etc/*")
    assert "alternatives" in await code.refusal("Glob", pattern="{a,b}" * 30)


async def test_glob_says_what_it_leaves_out(desk: Desk) -> None:
    for number in range(250):
        age(desk.plant(f"f{number:03d}", ""), 250 - number)
    lines = (await desk.text("Glob", pattern="*")).split("\n")
    assert lines[0] == "f249" and lines[199] == "f050"
    assert lines[200] == "(200 of 250 files, the newest. Narrow the pattern for the others.)"
    long = "/".join(["d" * 200] * 4)
    for number in range(100):
        desk.plant(f"{long}/{number}", "")
    text = await desk.text("Glob", pattern="**/d*/*")
    assert len(text) < 31_000 and "of 100 files" in text


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"pattern": "three"}, ["src/b.py", "src/deep/d.tsx"]),
    ({"pattern": "three", "-i": True}, ["src/b.py", "src/c.ts", "src/deep/d.tsx"]),
    ({"pattern": "three", "-i": True, "glob": "*.ts"}, ["src/c.ts"]),
    ({"pattern": "three", "-i": True, "glob": "*.{ts,tsx}"}, ["src/c.ts", "src/deep/d.tsx"]),
    ({"pattern": "three", "-i": True, "glob": "*.ts *.py"}, ["src/b.py", "src/c.ts"]),
    ({"pattern": "three", "-i": True, "glob": "*.ts,*.py"}, ["src/b.py", "src/c.ts"]),
    ({"pattern": "three", "-i": True, "glob": "!*.py"}, ["src/c.ts", "src/deep/d.tsx"]),
    ({"pattern": "three", "-i": True, "glob": "src/*"}, ["src/b.py", "src/c.ts"]),
    ({"pattern": "three", "-i": True, "glob": "deep/*", "path": "src"}, ["src/deep/d.tsx"]),
    ({"pattern": "three", "-i": True, "type": "ts"}, ["src/c.ts", "src/deep/d.tsx"]),
    ({"pattern": "def", "type": "py"}, ["a.py", "src/b.py"]),
    ({"pattern": "def", "path": "src"}, ["src/b.py"]),
    ({"pattern": "def", "path": "a.py"}, ["a.py"]),
    ({"pattern": "def", "path": "x.log"}, ["x.log"]),
    ({"pattern": "def", "glob": "x.log"}, []),
    ({"pattern": "def wide"}, ["utf16.txt"]),
    ({"pattern": "caf. def"}, []),
    ({"pattern": "-dash|^def dash"}, ["-dash.txt"]),
    ({"pattern": r"one\(\):\n\s+return", "multiline": True}, ["a.py"]),
    ({"pattern": r"one.*two", "multiline": True}, ["a.py"]),
    ({"pattern": r"one.*two"}, []),
    ({"pattern": r"t(?=wo)"}, ["a.py"]),
    ({"pattern": "nothing at all"}, []),
]


@pytest.mark.parametrize(("given", "found"), CASES, ids=lambda value: str(value)[:60])
async def test_grep_finds_files(code: Desk, given: dict[str, Any], found: list[str]) -> None:
    text = await code.text("Grep", **given)
    assert text == ("\n".join(found) or "No matches found.")


async def test_grep_shows_lines(code: Desk) -> None:
    async def lines(**given: Any) -> list[str]:
        return (await code.text("Grep", output_mode="content", **given)).split("\n")

    assert await lines(pattern="^def", glob="*.py") == [
        "a.py:4:def one():",
        "a.py:8:def two():",
        "src/b.py:1:def three():",
    ]
    given: dict[str, Any] = {"pattern": "def one", "path": "a.py"}
    assert await lines(**given, **{"-n": False}) == ["a.py:def one():"]
    assert await lines(**given, **{"-A": 1}) == ["a.py:4:def one():", "a.py-5-    return os"]
    assert await lines(**given, **{"-B": 1, "-n": True}) == ["a.py-3-", "a.py:4:def one():"]
    assert await lines(**given, **{"-C": 1}) == ["a.py-3-", "a.py:4:def one():", "a.py-5-    return os"]
    assert await lines(**given, **{"-C": 1.0, "head_limit": 1.0}) == [
        "a.py-3-",
        "(Lines 1-1; there are more. Go on with offset=1.)",
    ]
    assert len(await lines(**given, **{"-C": 10**30})) == 9
    assert await lines(pattern="^def", path="a.py", **{"-A": 1}) == [
        "a.py:4:def one():",
        "a.py-5-    return os",
        "--",
        "a.py:8:def two():",
        "a.py-9-    return 2",
    ]
    assert await lines(pattern="crlf") == ["win.txt:1:def crlf"]
    assert await lines(pattern="wide") == ["utf16.txt:1:def wide"]
    spanning: dict[str, Any] = {"pattern": r"one\(\):\n.*?os", "multiline": True, "path": "a.py"}
    assert await lines(**spanning) == ["a.py:4:def one():", "a.py:5:    return os"]
    (wide,) = await lines(pattern="xxx")
    assert wide.startswith("wide.txt:1:def xxx") and len(wide) < 700
    assert await lines(pattern="space") == ["with space.txt:1:def space"]


async def test_grep_counts(code: Desk) -> None:
    assert (await code.text("Grep", pattern="^def", output_mode="count", glob="*.py")).split("\n") == [
        "a.py:2",
        "src/b.py:1",
        "3 matching lines in 2 files.",
    ]


async def test_grep_is_bounded_and_says_so(desk: Desk) -> None:
    desk.plant("many", "".join(f"match {number}\n" for number in range(10_000)))
    given: dict[str, Any] = {"pattern": "match", "output_mode": "content"}
    lines = (await desk.text("Grep", **given)).split("\n")
    assert len(lines) == 251 and lines[-1] == "(Lines 1-250; there are more. Go on with offset=250.)"
    lines = (await desk.text("Grep", **given, head_limit=2, offset=250)).split("\n")
    assert lines == [
        "many:251:match 250",
        "many:252:match 251",
        "(Lines 251-252; there are more. Go on with offset=252.)",
    ]
    text = await desk.text("Grep", **given, head_limit=0)
    assert 29_000 < len(text) < 30_200 and "there are more" in text
    assert "only 10000 lines" in await desk.text("Grep", **given, offset=20_000, head_limit=1)
    for number in range(300):
        desk.plant(f"files/{number}", "match")
    assert (await desk.text("Grep", pattern="match", path="files")).endswith(
        "(Files 1-250; 300 in all. Go on with offset=250.)"
    )
    assert (await desk.text("Grep", pattern="match 9999$", **{"output_mode": "content"})) == "many:10000:match 9999"


async def test_grep_searches_more_files_than_may_be_open(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ripgrep, "BATCH_MAX", 16)
    for number in range(100):
        desk.plant(f"f{number:02d}", f"number {number}\n")
    text = await desk.text("Grep", pattern="number", output_mode="content")
    assert text.split("\n") == [f"f{number:02d}:1:number {number}" for number in range(100)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": "a{99999}{99999}"}, "not a regular expression"),
        ({"pattern": "a\0b"}, "NUL"),
        ({"pattern": "\ud800"}, "surrogate"),
        ({"pattern": "a", "type": "nonsense"}, "There is no file type 'nonsense'"),
        ({"pattern": "a", "path": "nowhere"}, "does not exist"),
        ({"pattern": "a", "path": "../.."}, "outside"),
        ({"pattern": "a", "path": "out"}, "leads out"),
        ({"pattern": "a", "glob": "../*"}, "'..'"),
    ],
)
async def test_grep_refuses_in_plain_words(code: Desk, given: dict[str, Any], words: str) -> None:
    (code.root / "out").symlink_to("/etc")
    assert words in await code.refusal("Grep", **given)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*)*x", r"(a+)+\1$", r"(?=(a+)+b)"])
async def test_no_pattern_stops_the_worker(desk: Desk, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    monkeypatch.setattr(grep, "DEADLINE_S", 2.0)
    desk.plant("a", "a" * 5000 + "!\n")
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.01)

    began = time.perf_counter()
    beating = asyncio.create_task(beat())
    try:
        await asyncio.gather(desk.use("Grep", pattern=pattern), return_exceptions=True)
    finally:
        beating.cancel()
    assert time.perf_counter() - began < 15
    assert beats > 0


async def test_a_search_past_its_deadline_shows_what_there_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grep, "DEADLINE_S", 0.0)
    desk.plant("a", "x")
    assert "Stopped after 0 s" in await desk.text("Grep", pattern="x")


async def test_a_cancelled_search_leaves_no_process_and_no_descriptor(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = tmp_path / "pid"
    slow = tmp_path / "rg"
    slow.write_text(f"#!/bin/sh\necho $$ > {started}.new && mv {started}.new {started}\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setattr(ripgrep, "program", lambda: str(slow))
    desk.plant("a", "x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    task = asyncio.create_task(desk.use("Grep", pattern="x"))
    async with asyncio.timeout(20):
        while not started.exists():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    async with asyncio.timeout(20):
        while len(list(Path("/proc/self/fd").iterdir())) > before:
            await asyncio.sleep(0.01)


async def test_links_are_not_searched(code: Desk, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("def secret\n")
    (code.root / "out").symlink_to(tmp_path / "outside")
    (code.root / "out_file").symlink_to(tmp_path / "outside" / "secret")
    assert await code.text("Grep", pattern="def secret") == "No matches found."


async def test_steps_get_their_lines_whole(code: Desk) -> None:
    files = code.place.files
    found = [found async for found in ripgrep.found_lines("^def", files, files.walk("**/*.{py,txt}"))]
    assert [(path, number) for path, number, _ in found] == [
        ("-dash.txt", 1),
        ("a.py", 4),
        ("a.py", 8),
        ("src/b.py", 1),
        ("utf16.txt", 1),
        ("wide.txt", 1),
        ("win.txt", 1),
        ("with space.txt", 1),
    ]
    texts = {path: text for path, _, text in found}
    assert texts["wide.txt"] == "def " + "x" * 5000 and texts["win.txt"] == "def crlf"
