"""Read: a file as numbered lines, or as an image or document that the model can look at."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, BinaryIO

from ..workspace.files import Files
from .blocking import in_thread, in_words
from .definition import define, text, whole
from .media import MEDIA_BYTES_MAX, media_block
from .notebook import notebook_text
from .text import SNIFFED_BYTES, decode, is_binary, wide_encoding
from .tool import AfterLoss, FileMark, Note, Place, ToolCall, ToolError, ToolResult

LINES = 2000
"""Shown where no limit is asked for."""
LINE_CHARS = 2000
RESULT_CHARS = 50_000
"""Of one result; the rest is to be asked for by `offset`."""
FILE_BYTES_MAX = 256 * 1024 * 1024
NOTEBOOK_BYTES_MAX = 16 * 1024 * 1024
_LINE_BYTES = 4 * LINE_CHARS + 4
"""Enough for the shown part of a line in any encoding that is read line by line."""


class Read:
    """Implements `Tool`."""

    name = "Read"
    after_loss: AfterLoss = "again"
    definition = define(
        name,
        "Reads a file of the workspace. Lines come numbered as by `cat -n` (number, tab, text; the number is not part "
        f"of the file), {LINES:,} from the start unless offset and limit say otherwise; long lines are cut. Shows "
        "images (PNG, JPEG, GIF, WebP) and short PDFs, and notebooks as text. Not for directories: use Glob. Read "
        "several files in one turn where you need them.",
        ("file_path",),
        file_path=text("Absolute, or relative to the workspace."),
        offset=whole("First line to show, from 1."),
        limit=whole("How many lines to show.", least=1),
    )

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        """Read it.

        Raises:
            ToolError: there is no such file, or nothing in it that can be shown.
        """
        path = str(call.input["file_path"])
        first = max(1, int(call.input.get("offset") or 1))
        limit = int(call.input.get("limit") or LINES)
        return await in_thread(lambda: _read(place.files, path, first, limit), path)


def _read(files: Files, path: str, first: int, limit: int) -> ToolResult:
    try:
        handle = files.open(path)
    except FileNotFoundError as error:
        with in_words(path):
            near = _near(files, path)
        if near:
            raise ToolError(f"{path} does not exist. Did you mean {near}?") from error
        raise
    with os.fdopen(handle, "rb") as file:
        size = os.fstat(handle).st_size
        if size > FILE_BYTES_MAX:
            raise ToolError(f"{path} has {size:,} bytes, too many to read. Search it with Grep.")
        head = file.read(SNIFFED_BYTES)
        file.seek(0)
        content, digest = _content(file, path, head, range(first, first + limit))
    return ToolResult(content, read=[FileMark(files.relative(path), digest)])


def _content(file: BinaryIO, path: str, head: bytes, span: range) -> tuple[str | list[dict[str, Any]], str]:
    """What to show of a file (`span` are its lines, from 1), and its sha256."""
    size = os.fstat(file.fileno()).st_size
    if is_binary(head) or head.startswith((b"%PDF-", b"\xff\xd8\xff")):
        if size <= MEDIA_BYTES_MAX:
            data = file.read()
            block = media_block(data, path)
            if block is not None:
                return [block], hashlib.sha256(data).hexdigest()
        raise ToolError(
            f"{path} is a binary file of {size:,} bytes, nothing that can be shown. Use Bash to examine it."
        )
    if path.endswith(".ipynb") and size <= NOTEBOOK_BYTES_MAX:
        data = file.read()
        cells = notebook_text(data, RESULT_CHARS)
        if cells is not None:
            return cells, hashlib.sha256(data).hexdigest()
        file.seek(0)
    if wide_encoding(head) is not None:
        # Line ends are two bytes here: rare enough to be decoded as a whole.
        if size > NOTEBOOK_BYTES_MAX:
            raise ToolError(f"{path} has {size:,} bytes of UTF-16, too many to read. Use Bash to convert it.")
        data = file.read()
        pieces = (line.encode(errors="replace") for line in decode(data).split("\n"))
        return _numbered(pieces, path, span).text(), hashlib.sha256(data).hexdigest()
    lines = _Lines(file)
    shown = _numbered(iter(lines), path, span)
    # The digest is whole only now that every line has gone by.
    return shown.text(), lines.digest()


class _Lines:
    """The lines of a file without their ends, each cut to what could be shown, and the sha256 of all of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        kept, beginning = b"", True
        while piece := self._file.readline(1 << 16):
            self._hash.update(piece)
            if beginning:
                kept = piece[:_LINE_BYTES] if len(piece) > _LINE_BYTES else piece
            beginning = piece.endswith(b"\n")
            if beginning:
                yield kept.removesuffix(b"\n")
        if not beginning:
            yield kept

    def digest(self) -> str:
        """After the last line."""
        return self._hash.hexdigest()


@dataclass(slots=True)
class _Shown:
    path: str
    lines: list[str]
    first: int
    last: int
    total: int

    def text(self) -> str:
        if self.total == 0:
            return f"({self.path} exists and is empty.)"
        if not self.lines:
            raise ToolError(f"{self.path} has {self.total} lines; there is no line {self.first}.")
        text = "\n".join(self.lines)
        if self.last < self.total:
            text += f"\n(Lines {self.first}-{self.last} of {self.total}. Go on with offset={self.last + 1}.)"
        return text


def _numbered(lines: Iterator[bytes], path: str, span: range) -> _Shown:
    shown: list[str] = []
    total = chars = 0
    full = False
    for total, line in enumerate(lines, 1):
        if full or total not in span:
            continue
        text = decode(line) if total == 1 else line.decode(errors="replace")
        text = text.removesuffix("\r")
        if len(text) > LINE_CHARS or len(line) >= _LINE_BYTES:
            text = text[:LINE_CHARS] + "… (line cut)"
        numbered = f"{total:6d}\t{text}"
        chars += len(numbered) + 1
        # The first line is always shown: else there would be no way past it.
        full = bool(shown) and chars > RESULT_CHARS
        if not full:
            shown.append(numbered)
    return _Shown(path, shown, span.start, span.start + len(shown) - 1, total)


def _near(files: Files, path: str) -> str | None:
    """A file whose name is nearly that of one that does not exist."""
    folder, name = posixpath.split(files.relative(path))
    try:
        there = [info.path for info in files.walk("*", folder or ".")]
    except OSError:
        return None
    names = {posixpath.basename(other): other for other in there}
    close = get_close_matches(name, list(names), n=1, cutoff=0.75)
    return names[close[0]] if close else None
