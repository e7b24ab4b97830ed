"""Grep: lines, files or counts of what matches a regular expression."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from ..workspace.files import FileInfo, Files
from ..workspace.glob_patterns import compile_glob
from .blocking import in_thread
from .definition import define, flag, text, whole
from .ripgrep import PATTERN_CHARS_MAX, Line, program, search, turn
from .tool import AfterLoss, Note, Place, ToolCall, ToolError, ToolResult

DEADLINE_S = 30.0
RESULT_CHARS = 30_000
ENTRIES = 250
"""Lines or files shown where no limit is asked for."""
LINE_CHARS = 600
CONTEXT_MAX = 1000
FILE_BYTES_MAX = 100 * 1024 * 1024

_CONTEXT = {"-A": "--after-context", "-B": "--before-context", "-C": "--context"}


class Grep:
    """Implements `Tool`. One instance serves a Worker."""

    name = "Grep"
    after_loss: AfterLoss = "again"
    definition = define(
        name,
        "Searches the files of the workspace with ripgrep. pattern is a regular expression (escape literal braces: "
        "`interface\\{\\}`). glob (`*.js`, `src/**/*.{ts,tsx}`, `!*.min.js`) and type (`py`, `rust`) choose the files; "
        "those that git ignores and binary ones are left out. output_mode: files_with_matches (default, newest "
        "first), content, or count. Use this and not `grep` or `rg` in Bash.",
        ("pattern",),
        pattern=text(minLength=1, maxLength=PATTERN_CHARS_MAX),
        path=text("File or folder to search; default: the workspace."),
        glob=text(),
        type=text("As `rg --type` takes it."),
        output_mode=text(enum=["content", "files_with_matches", "count"]),
        head_limit=whole(f"Entries shown; default {ENTRIES}."),
        offset=whole("Entries skipped first."),
        multiline=flag("Let a match span lines, and `.` match their ends."),
        **{
            "-i": flag("Ignore case."),
            "-n": flag("Line numbers, with content; default true."),
            "-A": whole("Lines after each match, with content."),
            "-B": whole("Lines before each match."),
            "-C": whole("Lines before and after each match."),
        },
    )

    def __init__(self) -> None:
        self._types: dict[str, list[str]] | None = None

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        """Search.

        Raises:
            ToolError: no such place, no regular expression, no glob, no type.
        """
        given, files = call.input, place.files
        pattern, under = str(given["pattern"]), str(given.get("path") or ".")
        globs = await self._type_globs(given["type"]) if given.get("type") else []
        found = await in_thread(lambda: _candidates(files, under, given.get("glob"), globs), under)
        mode = given.get("output_mode") or "files_with_matches"
        result = _Result(mode, int(given.get("offset") or 0), _limit(given.get("head_limit")))
        async with turn():
            try:
                async with (
                    asyncio.timeout(DEADLINE_S),
                    aclosing(search(_options(given, mode), pattern, files, result.without_large(found))) as lines,
                ):
                    await result.take(lines)
            except TimeoutError:
                result.notices.append(f"Stopped after {DEADLINE_S:.0f} s; narrow path, glob or pattern for the rest.")
        return ToolResult(result.text())

    async def _type_globs(self, name: str) -> list[str]:
        if self._types is None:
            process = await asyncio.create_subprocess_exec(
                program(),
                "--no-config",
                "--type-list",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
            listed = (await process.communicate())[0].decode()
            entries = (line.partition(": ") for line in listed.splitlines())
            self._types = {kind: globs.split(", ") for kind, _, globs in entries}
        if name not in self._types:
            raise ToolError(f"There is no file type {name!r}; use glob, or one of: {', '.join(self._types)}.")
        return self._types[name]


@dataclass(slots=True)
class _Result:
    """What is shown of what was found: bounded, and it says what is missing."""

    mode: str
    skip: int
    limit: int
    entries: list[str] = field(default_factory=list)
    by_time: list[tuple[int, str]] = field(default_factory=list)
    counted: int = 0
    seen: int = 0
    chars: int = 0
    large: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def without_large(self, found: Iterator[FileInfo]) -> Iterator[FileInfo]:
        """Leave out files that are too large to be searched, and say so."""
        for info in found:
            if info.size <= FILE_BYTES_MAX:
                yield info
            else:
                self.large.append(info.path)

    async def take(self, lines: AsyncIterator[Line]) -> None:
        """Read on until there is enough."""
        async for line in lines:
            if self.mode == "files_with_matches":
                if line.file is not None:
                    self.by_time.append((-line.file.mtime_ns, line.file.path))
            elif self.mode == "count" and line.file is not None:
                self.counted += int(line.text)
                self._add(f"{line.file.path}:{int(line.text)}")
            elif self.mode == "content" and not self._add(_shown(line)):
                return

    def _add(self, text: str) -> bool:
        """Show an entry; false when there is no more room, and it was not the last."""
        self.seen += 1
        if self.seen <= self.skip:
            return True
        if len(self.entries) >= self.limit or (self.entries and self.chars + len(text) > RESULT_CHARS):
            return False
        self.entries.append(text)
        self.chars += len(text) + 1
        return True

    def text(self) -> str:
        """For the model."""
        for _, path in sorted(self.by_time):
            self._add(path)
        while self.entries and self.entries[-1] == "--":
            self.entries.pop()
        if self.large:
            of = f"{len(self.large)} files, the first of them" if len(self.large) > 1 else ""
            self.notices.append(f"Too large, not searched: {of} {self.large[0]}".replace("  ", " "))
        what = {"content": "lines", "count": "files with matches", "files_with_matches": "files"}[self.mode]
        if not self.seen:
            return "\n".join(["No matches found.", *self.notices])
        shown = len(self.entries)
        if not shown:
            self.notices.insert(0, f"There are only {self.seen} {what}; offset skips them all.")
        elif self.skip + shown < self.seen and self.entries:
            rest = "there are more" if self.mode == "content" else f"{self.seen} in all"
            last = self.skip + shown
            self.notices.insert(0, f"{what.capitalize()} {self.skip + 1}-{last}; {rest}. Go on with offset={last}.")
        if self.mode == "count":
            self.entries.append(f"{self.counted} matching lines in {self.seen} files.")
        return "\n".join([*self.entries, *(f"({notice})" for notice in self.notices)])


def _shown(line: Line) -> str:
    if line.file is None:
        return line.text.decode(errors="replace")
    text = line.text.decode(errors="replace").rstrip("\r").replace("\0", "\ufffd")
    number = re.match(r"\d+([:-])", text)
    separator = number[1] if number else ":"
    return f"{line.file.path}{separator}{text[:LINE_CHARS]}"


def _limit(given: int | None) -> int:
    # Zero is "all", as Claude Code has it: what fits into a result.
    return ENTRIES if given is None else int(given) or RESULT_CHARS


def _options(given: dict[str, Any], mode: str) -> list[str]:
    options = ["--max-columns=500"]
    if given.get("-i"):
        options.append("--ignore-case")
    if given.get("multiline"):
        options += ["--multiline", "--multiline-dotall"]
    if mode == "files_with_matches":
        return [*options, "--files-with-matches"]
    if mode == "count":
        return [*options, "--count"]
    options.append("--line-number" if given.get("-n", True) else "--no-line-number")
    # A whole number may come as 1.0, and may be beyond what ripgrep takes.
    asked = {long: min(int(given[short]), CONTEXT_MAX) for short, long in _CONTEXT.items() if given.get(short)}
    return options + [f"{long}={lines}" for long, lines in asked.items()]


def _candidates(files: Files, under: str, glob: str | None, type_globs: list[str]) -> Iterator[FileInfo]:
    """Files to search: those under a folder, or the one that is named."""
    try:
        return iter([files.info(under)])
    except IsADirectoryError:
        pass
    wanted, unwanted = _globs(glob or "")
    base = files.relative(under)
    prefix = "" if base == "." else base + "/"
    refused = [pattern for text in unwanted for pattern in compile_glob(text)]
    types = [pattern for text in type_globs for pattern in compile_glob(f"**/{text}")]

    def fits(info: FileInfo) -> bool:
        path = info.path.removeprefix(prefix)
        if any(pattern.matches(path) for pattern in refused):
            return False
        return not types or any(pattern.matches(path) for pattern in types)

    pattern = "**" if not wanted else wanted[0] if len(wanted) == 1 else "{" + ",".join(wanted) + "}"
    return filter(fits, files.walk(pattern, under))


def _globs(text: str) -> tuple[list[str], list[str]]:
    """Patterns to take and to leave: parted by white space or by commas outside of braces; `!` leaves."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for pattern in re.findall(r"(?:\{[^{}]*\}|[^\s,{])+", text):
        plain = pattern.removeprefix("!")
        # As in .gitignore: without a slash it is a name, wherever it stands.
        anchored = plain.lstrip("/") if "/" in plain else f"**/{plain}"
        (unwanted if pattern.startswith("!") else wanted).append(anchored)
    return wanted, unwanted
