"""Where a project's settings are looked for: the workspace and the folders above it, up to the repository's root."""

from __future__ import annotations

from pathlib import Path


def up_to_repository(workspace: Path | None) -> list[Path]:
    """The workspace and the folders above it, nearest first, up to the repository's root; outside of a repository the
    workspace alone, without a workspace none."""
    if workspace is None:
        return []
    start = workspace.resolve()
    chain = [start, *start.parents]
    root = next((index for index, folder in enumerate(chain) if (folder / ".git").exists()), 0)
    return chain[: root + 1]
