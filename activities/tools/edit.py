"""Edit: one passage of a file replaced by another, once, also when the call is made again after a crash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..workspace.files import Files
from .blocking import in_thread
from .definition import define, flag, text
from .file_locks import only_writer
from .text import is_binary, wide_encoding
from .tool import AfterLoss, FileMark, Note, Place, ToolCall, ToolError, ToolResult

FILE_BYTES_MAX = 16 * 1024 * 1024
PLACES_SHOWN_MAX = 10
SNIPPET_LINES = 3
"""Around a change, shown to the model."""
SNIPPET_CHARS = 4000
LINE_CHARS = 300


@dataclass(frozen=True, slots=True)
class _Change:
    """A file before and after. Digests are sha256; `before` is `None` for a file that is made."""

    path: str
    before: str | None
    after: str
    data: bytes
    said: str


class Edit:
    """Implements `Tool`. Before it acts it notes both digests, by which a repeated call knows what has been done."""

    name = "Edit"
    after_loss: AfterLoss = "again"
    definition = define(
        name,
        "Replaces old_string by new_string in a file of the workspace. old_string has to be in the file exactly as "
        "given, white space included and without the line numbers that Read puts in front, and only once: take in more "
        "lines around it where it is not, or set replace_all. An empty old_string creates a new file.",
        ("file_path", "old_string", "new_string"),
        file_path=text("Absolute, or relative to the workspace."),
        old_string=text(),
        new_string=text("Differs from old_string."),
        replace_all=flag("Every occurrence; default false."),
    )

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        """Make the change.

        Raises:
            ToolError: it does not fit the file, or the file changed meanwhile.
        """
        given, files = call.input, place.files
        path = str(given["file_path"])
        async with only_writer(place, path):
            noted = call.lost or {}
            if "after" in noted:
                found = await in_thread(lambda: _digest(files, path), path)
                if found == noted["after"]:
                    inside = files.relative(path)
                    return ToolResult(f"Edited {inside}.", wrote=[FileMark(inside, found)])
                if found != noted.get("before"):
                    raise ToolError(
                        f"{path} was changed by somebody else while this edit was interrupted, so it is unknown "
                        "whether the edit took effect. Read the file again, and edit it if that is still needed."
                    )
            old, new, every = given["old_string"], given["new_string"], bool(given.get("replace_all"))
            change = await in_thread(lambda: _plan(files, path, old, new, every), path)
            await note({"path": change.path, "before": change.before, "after": change.after})
            return await in_thread(lambda: _apply(files, change), path)


def _plan(files: Files, path: str, old: str, new: str, every: bool) -> _Change:
    if old == new:
        raise ToolError("old_string and new_string are the same: there is nothing to change.")
    inside = files.relative(path)
    try:
        data = files.read(inside, FILE_BYTES_MAX)
    except FileNotFoundError:
        if old:
            raise
        fresh = _encoded(new, "new_string")
        return _Change(inside, None, _sha256(fresh), fresh, f"Created {inside}.")
    if is_binary(data):
        raise ToolError(f"{inside} is a binary file; it cannot be edited as text.")
    if not old and data:
        raise ToolError(f"{inside} exists and is not empty; an empty old_string only creates a file.")
    changed, count, first = _replaced(inside, data, old, new, every)
    said = f"Edited {inside}" + (f" in {count} places" if count > 1 else "") + "."
    return _Change(inside, _sha256(data), _sha256(changed), changed, said + _snippet(changed, first, new))


def _replaced(inside: str, data: bytes, old: str, new: str, every: bool) -> tuple[bytes, int, int]:
    """The new content, how often the passage was there, and where it was first.

    Done on bytes, so that what is not touched keeps its bytes, whatever its encoding; UTF-16 alone is decoded.
    """
    wide = wide_encoding(data)
    if wide is not None:
        text = data.decode(wide, errors="surrogatepass")
        changed, count, first = _replaced(inside, text.encode(errors="surrogatepass"), old, new, every)
        return changed.decode(errors="surrogatepass").encode(wide, errors="surrogatepass"), count, first
    want, put = _encoded(old, "old_string"), _encoded(new, "new_string")
    if want not in data and b"\r\n" in data and b"\r\n" not in want:
        # Read shows no carriage returns, so the model cannot give them.
        want, put = want.replace(b"\n", b"\r\n"), put.replace(b"\n", b"\r\n")
    if not want:
        return put, 1, 0
    count = data.count(want)
    if not count:
        raise ToolError(_not_found(inside, data, old))
    if count > 1 and not every:
        numbers = ", ".join(str(number) for number in _lines(data, want))
        more = f" and {count - PLACES_SHOWN_MAX} more" if count > PLACES_SHOWN_MAX else ""
        raise ToolError(
            f"old_string occurs {count} times in {inside} (lines {numbers}{more}). Take in more lines around it so "
            "that it is found once, or set replace_all."
        )
    size = len(data) + count * (len(put) - len(want))
    if size > FILE_BYTES_MAX:
        raise ToolError(f"{inside} would have {size:,} bytes; at most {FILE_BYTES_MAX:,} can be edited. Use Bash.")
    return data.replace(want, put), count, data.find(want)


def _lines(data: bytes, want: bytes) -> list[int]:
    """The lines of the first few places where a passage begins."""
    found: list[int] = []
    at = data.find(want)
    while at >= 0 and len(found) < PLACES_SHOWN_MAX:
        found.append(data.count(b"\n", 0, at) + 1)
        at = data.find(want, at + len(want))
    return found


def _not_found(inside: str, data: bytes, old: str) -> str:
    text = data.decode(errors="replace").replace("\r\n", "\n")
    hint = " Read the file again: it may have changed."
    squeezed = " ".join(old.split())
    if squeezed:
        lines = [" ".join(line.split()) for line in text.split("\n")]
        first = " ".join(old.strip().split("\n")[0].split())
        near = [index for index, line in enumerate(lines, 1) if first and first in line]
        if squeezed in " ".join(text.split()):
            where = f" (line {near[0]})" if near else ""
            hint = f" It is there with other white space{where}: take it over exactly, indentation and line ends too."
        elif near:
            hint = f" Its first line is at line {near[0]}, but what follows differs: read that part again."
        elif old.lstrip()[:1].isdigit() and "\t" in old:
            hint = " Leave out the line numbers that Read puts in front of each line."
    return f"old_string was not found in {inside}.{hint}"


def _snippet(data: bytes, at: int, new: str) -> str:
    """The lines around the first change, numbered as Read does."""
    if wide_encoding(data) is not None:
        return ""
    before = data.count(b"\n", 0, at)
    first, last = max(0, before - SNIPPET_LINES), before + new.count("\n") + SNIPPET_LINES + 1
    lines = data.decode(errors="replace").split("\n")[first:last]
    shown = "\n".join(
        f"{number:6d}\t{line[:LINE_CHARS].rstrip(chr(13))}" for number, line in enumerate(lines, first + 1)
    )
    if len(shown) > SNIPPET_CHARS:
        shown = shown[:SNIPPET_CHARS] + "…"
    return f" Now it reads:\n{shown}" if data else " It is empty now."


def _apply(files: Files, change: _Change) -> ToolResult:
    # Noting takes time: what was planned holds only for the file it was planned on.
    if _digest(files, change.path) != change.before:
        raise ToolError(f"{change.path} was changed by somebody else just now. Read it again, then edit it.")
    files.write(change.path, change.data)
    return ToolResult(change.said, wrote=[FileMark(change.path, change.after)])


def _digest(files: Files, path: str) -> str | None:
    try:
        return _sha256(files.read(path, FILE_BYTES_MAX))
    except FileNotFoundError:
        return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _encoded(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ToolError(f"{name} is not Unicode text: half of a surrogate pair at {error.start}.") from error
