"""What a result changed, file by file."""

from __future__ import annotations

import posixpath

from ..tools.tool import FileMark
from .clone_parts import Clone
from .objects import sha256_of

_GITLINK = "160000"


async def changed_files(clone: Clone, commit: str) -> list[FileMark]:
    """Files that `commit` has otherwise than the clone's base, with the hashes of their content.

    Paths are relative to the workspace; a file outside of it has `../` in front. Submodules are left out.

    Raises:
        GitFailed: an object is missing.
    """
    part = clone.main
    listed = await part.git("diff-tree", "-r", "-z", "--no-renames", "--no-ext-diff", "--raw", clone.base, commit)
    fields = listed.stdout.split("\0")
    found: list[tuple[str, str | None]] = []
    for about, path in zip(fields[::2], fields[1::2], strict=False):
        _, mode, _, blob, status = about.split(" ")
        if mode != _GITLINK and not about.startswith(f":{_GITLINK}"):
            found.append((path, None if status == "D" else blob))
    hashes = await sha256_of(part, [blob for _, blob in found if blob is not None])
    start = clone.prefix.rstrip("/") or "."
    return [
        FileMark(posixpath.relpath(path, start), None if blob is None else hashes[blob]) for path, blob in sorted(found)
    ]
