"""Whether what agents left in a workspace is still there: only then does their answer still hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .workspace.confined import ConfinedFiles
from .workspace.files import Files, OutsideWorkspace
from .workspace.git import GitFailed, git


@dataclass(frozen=True, slots=True)
class Writer:
    """A finished agent that wrote files of the shared workspace."""

    entry: str
    agent: str
    ended_at: str
    """ISO 8601 in UTC: they sort as they are."""
    wrote: Mapping[str, str | None]
    """Path -> sha256 as it left the file; `None` for one that it removed."""


def lost_files(writers: Iterable[Writer], workspace: Path) -> dict[str, str]:
    """Entry -> why its agent's files no longer count, for those where that is so. Blocking.

    A file counts while it has the content that the agent left, or the one that a later of these agents gave it.
    """
    ordered = sorted(writers, key=lambda writer: (writer.ended_at, writer.agent))
    if not ordered:
        return {}
    try:
        files = ConfinedFiles(workspace)
    except OSError:
        return {writer.entry: f"there is no folder {workspace} on this host" for writer in ordered}
    current = {path: sha256_of(files, path) for path in sorted({path for each in ordered for path in each.wrote})}
    held: set[str] = set()
    """Files whose content is the doing of this writer or a later one."""
    lost: dict[str, str] = {}
    for writer in reversed(ordered):
        held |= {path for path, sha256 in writer.wrote.items() if current[path] == sha256}
        changed = sorted(set(writer.wrote) - held)
        if changed:
            named = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            lost[writer.entry] = f"{named} no longer has the content that it left"
    return lost


async def lost_commits(commits: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """Entry -> why its agent's commit no longer counts, for those where that is so."""
    lost = {}
    for entry, commit in commits.items():
        try:
            found = await git("cat-file", "-e", f"{commit}^{{commit}}", cwd=workspace, check=False)
            if found.exit_code != 0:
                lost[entry] = f"its commit {commit[:12]} is not in the repository of {workspace}"
        except GitFailed as error:
            lost[entry] = f"its commit {commit[:12]} cannot be looked up: {error}"
    return lost


def sha256_of(files: Files, path: str) -> str | None:
    """Of a file's content, whatever its size; `None` where there is no such file."""
    try:
        descriptor = files.open(path)
    except (OSError, ValueError, OutsideWorkspace):
        return None
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
