"""Glob: files by name."""

from __future__ import annotations

import heapq

from ..workspace.files import Files
from .blocking import in_thread
from .definition import define, text
from .tool import AfterLoss, Note, Place, ToolCall, ToolResult

FILES_MAX = 200
RESULT_CHARS = 30_000


class Glob:
    """Implements `Tool`."""

    name = "Glob"
    after_loss: AfterLoss = "again"
    definition = define(
        name,
        "Finds files of the workspace by name, newest first. Patterns: `**` any folders, `*` and `?` within a name, "
        "`[...]`, `{a,b}`; for example `src/**/*.ts`. `*.py` finds files of the top folder only, `**/*.py` all. Files "
        "that git ignores are left out unless the pattern starts in their folder. "
        f"At most {FILES_MAX} files are shown. To search what is in files use Grep.",
        ("pattern",),
        pattern=text(minLength=1),
        path=text("Folder to look in; default: the workspace."),
    )

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        """Look for files.

        Raises:
            ToolError: no such folder, or no pattern.
        """
        pattern, under = str(call.input["pattern"]), str(call.input.get("path") or ".")
        return await in_thread(lambda: _glob(place.files, pattern, under), under)


def _glob(files: Files, pattern: str, under: str) -> ToolResult:
    total = 0
    newest: list[tuple[int, str]] = []
    for info in files.walk(pattern, under):
        total += 1
        entry = (info.mtime_ns, info.path)
        if len(newest) < FILES_MAX:
            heapq.heappush(newest, entry)
        else:
            heapq.heappushpop(newest, entry)
    if not total:
        return ToolResult(f"No files match {pattern}.")
    lines: list[str] = []
    chars = 0
    for _, path in sorted(newest, reverse=True):
        chars += len(path) + 1
        if lines and chars > RESULT_CHARS:
            break
        lines.append(path)
    if len(lines) < total:
        lines.append(f"({len(lines)} of {total} files, the newest. Narrow the pattern for the others.)")
    return ToolResult("\n".join(lines))
