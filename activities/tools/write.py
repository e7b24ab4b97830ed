"""Write: a whole file."""

from __future__ import annotations

import hashlib

from .blocking import in_thread
from .definition import define, text
from .file_locks import only_writer
from .tool import AfterLoss, FileMark, Note, Place, ToolCall, ToolError, ToolResult


class Write:
    """Implements `Tool`. Writing the same bytes again changes nothing, so a lost call is simply made again."""

    name = "Write"
    after_loss: AfterLoss = "again"
    definition = define(
        name,
        "Writes a whole file of the workspace: creates it, with the folders it needs, or replaces what was there. To "
        "change a part of an existing file use Edit, which is shorter and keeps the rest; read a file before you "
        "replace it.",
        ("file_path", "content"),
        file_path=text("Absolute, or relative to the workspace."),
        content=text(),
    )

    async def run(self, call: ToolCall, place: Place, note: Note) -> ToolResult:
        """Write it.

        Raises:
            ToolError: it cannot be written there, or the content is no Unicode text.
        """
        path, content = str(call.input["file_path"]), str(call.input["content"])
        try:
            data = content.encode()
        except UnicodeEncodeError as error:
            raise ToolError(f"The content is not Unicode text: half of a surrogate pair at {error.start}.") from error
        files = place.files

        def write() -> ToolResult:
            inside = files.relative(path)
            try:
                files.info(inside)
                done = "Replaced"
            except FileNotFoundError:
                done = "Created"
            files.write(inside, data)
            count = content.count("\n") + (not content.endswith("\n") and bool(content))
            mark = FileMark(inside, hashlib.sha256(data).hexdigest())
            return ToolResult(f"{done} {inside} ({count} line{'' if count == 1 else 's'}).", wrote=[mark])

        async with only_writer(place, path):
            return await in_thread(write, path)
