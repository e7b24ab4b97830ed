"""Read: what a model sees of a file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import zlib
from typing import Any

import pytest

from .conftest import Desk


def png(width: int = 2, height: int = 3) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\0" * width for _ in range(min(height, 10)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\x00\x11\x08\x00\x05\x00\x07\x03" + b"\0" * 30
GIF = b"GIF89a\x02\x00\x03\x00\x80\x00\x00\0\0\0;"
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\x01\x80\x00\x00" + b"\0" * 8
PDF = b"%PDF-1.4\n1 0 obj<</Type/Pages/Count 1>>\n2 0 obj<</Type /Page>>\n\0\ntrailer<<>>\n%%EOF\n"


async def test_lines_are_numbered_as_cat_does(desk: Desk) -> None:
    desk.plant("a.txt", "one\n\n  three\t!\n")
    result = await desk.use("Read", file_path="a.txt")
    assert result.content == "     1\tone\n     2\t\n     3\t  three\t!"
    (mark,) = result.read
    assert (mark.path, mark.sha256) == ("a.txt", hashlib.sha256(b"one\n\n  three\t!\n").hexdigest())
    assert result.wrote == []


async def test_a_path_may_be_absolute(desk: Desk) -> None:
    desk.plant("deep/a.txt", "x")
    result = await desk.use("Read", file_path=str(desk.root / "deep" / "a.txt"))
    assert result.read[0].path == "deep/a.txt"


@pytest.mark.parametrize(
    ("given", "numbers", "notice"),
    [
        ({}, [1, 2, 3, 4, 5], ""),
        ({"offset": 0}, [1, 2, 3, 4, 5], ""),
        ({"offset": 4}, [4, 5], ""),
        ({"limit": 2}, [1, 2], "(Lines 1-2 of 5. Go on with offset=3.)"),
        ({"offset": 2, "limit": 3}, [2, 3, 4], "(Lines 2-4 of 5. Go on with offset=5.)"),
        ({"offset": 5, "limit": 9}, [5], ""),
    ],
)
async def test_a_part_is_shown(desk: Desk, given: dict[str, Any], numbers: list[int], notice: str) -> None:
    path = desk.plant("a", "".join(f"line {number}\n" for number in range(1, 6)))
    result = await desk.use("Read", file_path="a", **given)
    expected = [f"     {number}\tline {number}" for number in numbers] + ([notice] if notice else [])
    assert str(result.content).split("\n") == expected
    assert result.read[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest(), "of the whole file"


async def test_an_offset_past_the_end_says_how_long_the_file_is(desk: Desk) -> None:
    desk.plant("a", "1\n2\n3")
    assert "has 3 lines; there is no line 4" in await desk.refusal("Read", file_path="a", offset=4)


async def test_an_empty_file_is_said_to_be_empty(desk: Desk) -> None:
    desk.plant("a", "")
    assert await desk.text("Read", file_path="a") == "(a exists and is empty.)"


async def test_a_long_file_is_bounded_by_lines_and_by_characters(desk: Desk) -> None:
    desk.plant("lines", "x\n" * 5000)
    text = await desk.text("Read", file_path="lines")
    assert text.endswith("(Lines 1-2000 of 5000. Go on with offset=2001.)")
    desk.plant("wide", ("y" * 1000 + "\n") * 500)
    text = await desk.text("Read", file_path="wide")
    assert len(text) < 51_000
    assert "of 500. Go on with offset=50.)" in text


async def test_a_long_line_is_cut(desk: Desk) -> None:
    desk.plant("a", "x" * 3_000_000 + "\nshort\n" + "é" * 2000 + "\n" + "é" * 2001)
    lines = (await desk.text("Read", file_path="a")).split("\n")
    assert lines[0] == "     1\t" + "x" * 2000 + "… (line cut)"
    assert lines[1:3] == ["     2\tshort", "     3\t" + "é" * 2000]
    assert lines[3].endswith("é… (line cut)")


@pytest.mark.parametrize(
    "data",
    [
        "a\r\nhéllo ∀\r\n".encode(),
        b"\xef\xbb\xbfa\nh\xc3\xa9llo \xe2\x88\x80\n",
        "a\nhéllo ∀".encode("utf-16"),
        b"\xfe\xff" + "a\nhéllo ∀\n".encode("utf-16-be"),
    ],
)
async def test_encodings_and_line_ends_are_read(desk: Desk, data: bytes) -> None:
    desk.plant("a", data)
    assert (await desk.text("Read", file_path="a")).split("\n")[:2] == ["     1\ta", "     2\th\u00e9llo \u2200"]


async def test_bytes_that_are_no_text_are_shown_as_such(desk: Desk) -> None:
    desk.plant("latin", b"caf\xe9\n")
    assert await desk.text("Read", file_path="latin") == "     1\tcaf\ufffd"


@pytest.mark.parametrize(
    ("data", "kind"), [(png(), "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp")]
)
async def test_images_are_shown(desk: Desk, data: bytes, kind: str) -> None:
    desk.plant("picture", data)
    result = await desk.use("Read", file_path="picture")
    source = {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}
    assert result.content == [{"type": "image", "source": source}]
    assert result.read[0].sha256 == hashlib.sha256(data).hexdigest()


async def test_a_short_pdf_is_a_document(desk: Desk) -> None:
    desk.plant("a.pdf", PDF)
    content = (await desk.use("Read", file_path="a.pdf")).content
    assert isinstance(content, list)
    (block,) = content
    assert block["type"] == "document" and block["source"]["media_type"] == "application/pdf"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x7fELF\0\0\0", "is a binary file of 7 bytes"),
        (png(9000, 10), "9000x10 pixels; at most 8000"),
        (png()[:20], "damaged"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "damaged"),
        (png() + b"\0" * 4_000_000, "is a binary file of"),
        (PDF.replace(b"<<>>", b"<</Encrypt 1>>"), "encrypted"),
        (PDF.replace(b"%%EOF", b""), "damaged"),
        (PDF + b"/Type /Page " * 30 + b"%%EOF", "31 pages"),
    ],
)
async def test_what_the_api_would_refuse_is_refused_here(desk: Desk, data: bytes, words: str) -> None:
    """A block that the API refuses would make every later request of the conversation fail."""
    desk.plant("thing", data)
    assert words in await desk.refusal("Read", file_path="thing")


async def test_a_notebook_is_shown_as_text(desk: Desk) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "source": "print(1)",
            "outputs": [
                {"output_type": "stream", "text": ["1\n"]},
                {"output_type": "execute_result", "data": {"text/plain": "x" * 9000, "image/png": "…"}},
                {"output_type": "error", "ename": "ValueError", "evalue": "no"},
            ],
        },
        {
            "cell_type": "code",
            "source": "",
            "outputs": [{"output_type": "display_data", "data": {"image/png": "AAAA"}}],
        },
    ]
    desk.plant("a.ipynb", json.dumps({"cells": cells, "nbformat": 4}))
    text = await desk.text("Read", file_path="a.ipynb")
    assert "[1] markdown\n# Title\ntext" in text
    assert "[2] code\nprint(1)\noutput:\n1\n" in text
    assert "(image/png)" in text and "AAAA" not in text
    assert len(text) < 6000


@pytest.mark.parametrize("content", ["not json", "[]", '{"cells": 3}', '{"cells": [{}]}'])
async def test_a_broken_notebook_is_shown_as_it_is(desk: Desk, content: str) -> None:
    desk.plant("a.ipynb", content)
    assert await desk.text("Read", file_path="a.ipynb") == f"     1\t{content}"


async def test_what_cannot_be_read_is_one_plain_sentence(desk: Desk) -> None:
    desk.plant("folder/settings.py", "")
    os.mkfifo(desk.root / "pipe")
    (desk.root / "out").symlink_to("/etc/passwd")
    for path, words in {
        "folder/seting.py": "does not exist. Did you mean folder/settings.py?",
        "nowhere/x": "does not exist. Paths are relative to the workspace",
        "folder": "is a directory, not a file. List it with Glob.",
        "folder/settings.py/x": "a part of the path is a file",
        "pipe": "is a named pipe",
        "/etc/passwd": "Refused: /etc/passwd is outside of the workspace",
        "../x": "Refused: ../x is outside",
        "out": "Refused: out: a link on the way leads out",
        "a\0b": "NUL",
        "\ud800": "surrogate",
        "x" * 300: "File name too long",
        "x" * 9000: "File name too long",
        "/proc/self/fd/0": "outside",
    }.items():
        message = await desk.refusal("Read", file_path=path)
        assert words in message
        assert len(message) < 500
        message.encode()
