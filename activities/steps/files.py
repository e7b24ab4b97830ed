"""`read`, `write`, `glob` and `grep`: the workspace's files, confined and under the run's rules."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Protocol, TypeVar

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.step_contracts import (
    GLOB_FILES_MAX,
    GREP_LINES_MAX,
    LARGE_BYTES,
    VALUE_BYTES_MAX,
    FoundLine,
    GlobFilesInput,
    GrepFilesInput,
    ReadFileInput,
    WriteFileInput,
)

from ..left_behind import sha256_of
from ..store import Store
from ..tools.tool import ToolError
from ..workspace.files import FileInfo, Files, OutsideWorkspace
from .earlier import earlier_step, still_written
from .journal import StepJournal
from .station import LargeValue, Station, StepFailed

T = TypeVar("T")


class Search(Protocol):
    """Looks for a regular expression in files, without holding up the Worker whatever the pattern is."""

    def __call__(
        self, pattern: str, files: Files, found: Iterator[FileInfo]
    ) -> AsyncGenerator[tuple[str, int, str], None]:
        """Path, line number (from 1) and text of each line, in the order of files. Raises `ToolError`."""


async def read(input: ReadFileInput, station: Station) -> str:
    """The text of a file. Raises `StepFailed`."""
    name = f"read({input.path!r})"
    _require_inside(station, input.path, name)
    station.require("Read", {"file_path": input.path})
    with in_words(name):
        if not input.alone:
            info = await to_its_end(lambda: station.place.files.info(input.path))
            if LARGE_BYTES < info.size <= VALUE_BYTES_MAX:
                raise LargeValue(info.size)
        data = await to_its_end(lambda: station.place.files.read(input.path, VALUE_BYTES_MAX))
    # What a script is given is JSON text, and line breaks and quotes are two characters there.
    size = len(data) + sum(data.count(mark) for mark in (b"\n", b"\r", b"\t", b'"', b"\\"))
    if size > VALUE_BYTES_MAX:
        raise StepFailed("too_large", f"{name}: it has {size:,} bytes as JSON; at most {VALUE_BYTES_MAX:,} can be read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise StepFailed("not_text", f"{name}: this is a binary file, or its text is not UTF-8")
    return text


async def write(input: WriteFileInput, station: Station) -> str:
    """Replace or create a file, whole or not at all; gives its sha256. Raises `StepFailed`."""
    name = f"write({input.path!r})"
    _require_inside(station, input.path, name)
    station.require("Write", {"file_path": input.path, "content": input.text})
    data = input.text.encode("utf-8", "replace")
    with in_words(name):
        await to_its_end(lambda: station.place.files.write(input.path, data))
    return hashlib.sha256(data).hexdigest()


async def write_once(input: WriteFileInput, station: Station, journal: StepJournal, store: Store) -> None:
    """Write, unless an earlier run did and what was made of it since is there. Raises `StepFailed`."""
    earlier = await earlier_step(store, input)
    if earlier is not None:
        record = earlier.record
        if await to_its_end(lambda: still_written(station.place.files, input.path, record)):
            await journal.end(None, path=input.path, sha256=record.get("sha256"), was=record.get("was"))
            return
    was = await to_its_end(lambda: sha256_of(station.place.files, input.path))
    await journal.end(None, path=input.path, was=was, sha256=await write(input, station))


async def glob(input: GlobFilesInput, station: Station) -> list[str]:
    """Paths that match, sorted. Raises `StepFailed`."""
    name = f"glob({input.pattern!r})"
    _require_inside(station, input.pattern, name)
    station.require("Glob", {"pattern": input.pattern})
    with in_words(name):
        found = await to_its_end(lambda: _listed(station, input.pattern, name))
    return sorted(info.path for info in found)


async def grep(input: GrepFilesInput, station: Station, search: Search) -> list[FoundLine]:
    """Lines that match, by path and line. Raises `StepFailed`."""
    name = f"grep({input.pattern!r})"
    given = {"pattern": input.pattern} | ({"glob": input.glob} if input.glob else {})
    _require_inside(station, input.glob or ".", name)
    station.require("Grep", given)
    # As in .gitignore: without a slash it is a name, wherever it stands.
    pattern = "**" if not input.glob else input.glob if "/" in input.glob else f"**/{input.glob}"
    lines: list[FoundLine] = []
    with in_words(name):
        found = await to_its_end(lambda: _listed(station, pattern, name))
        try:
            async with aclosing(search(input.pattern, station.place.files, iter(found))) as matches:
                async for path, number, text in matches:
                    if len(lines) == GREP_LINES_MAX:
                        raise StepFailed("too_large", f"{name} finds over {GREP_LINES_MAX:,} lines: narrow it")
                    lines.append(FoundLine(path=path, line=number, text=text))
        except ToolError as error:
            raise StepFailed("bad_pattern", f"{name}: {error}") from error
    return lines


def _require_inside(station: Station, path: str, name: str) -> None:
    """A path that leads out is told as that, before any rule is asked."""
    with in_words(name):
        station.place.files.relative(path)


def _listed(station: Station, pattern: str, name: str) -> list[FileInfo]:
    place = station.place
    found: list[FileInfo] = []
    for info in place.files.walk(pattern):
        if station.rules.hides(info.path, workspace=str(place.root)):
            continue
        if len(found) == GLOB_FILES_MAX:
            raise StepFailed("too_large", f"{name} finds over {GLOB_FILES_MAX:,} files: narrow it")
        found.append(info)
    found.sort(key=lambda each: each.path)
    return found


async def to_its_end(work: Callable[[], T]) -> T:
    """Blocking work in a thread. A cancelled call waits for it: a write never ends behind the caller's back."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at: the cancellation is what counts now
        raise


@contextmanager
def in_words(name: str) -> Iterator[None]:
    """Turn the errors of `Files` into `StepFailed`; `name` is the call as its author knows it."""
    if len(name) > 200:
        name = name[:200] + "…"
    try:
        yield
    except OutsideWorkspace as error:
        raise StepFailed(kinds.OUTSIDE_WORKSPACE, f"{name}: {error}; steps work inside the workspace only") from error
    except FileNotFoundError as error:
        raise StepFailed("not_found", f"{name}: there is no such file in the workspace") from error
    except IsADirectoryError as error:
        raise StepFailed("is_directory", f"{name}: this is a directory; list it with glob()") from error
    except NotADirectoryError as error:
        raise StepFailed("not_found", f"{name}: a part of the path is a file, not a directory") from error
    except PermissionError as error:
        raise StepFailed("permission", f"{name}: permission denied by the file system") from error
    except OSError as error:
        raise StepFailed("file", f"{name}: {error.strerror or error}") from error
    except ValueError as error:
        # `Files` says so of a file that is too large and of a pattern that is none.
        kind = "too_large" if "bytes" in str(error) else "bad_pattern"
        raise StepFailed(kind, f"{name}: {error}") from error
