"""Where several hosts share the commits of a run: the remote of the user's repository."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tenuto.workflows.setup_contracts import MeetingPoint

from .git import GitFailed, git
from .remote import publish


async def meet(workspace: Path, run_id: str, base: str | None) -> tuple[MeetingPoint | None, list[str]]:
    """Publish the base of a run at the repository's remote (`origin`, else its only one).

    Returns:
        The meeting point, or `None` and why agents cannot go to other hosts.
    """
    if base is None:
        return None, []
    try:
        remotes = (await git("remote", cwd=workspace)).stdout.split()
        name = "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else None
        if name is None:
            return None, ["the repository has no remote `origin`: agents with a worktree stay on its host"]
        url = (await git("remote", "get-url", name, cwd=workspace)).stdout.strip()
        prefix = (await git("rev-parse", "--show-prefix", cwd=workspace)).stdout.strip()
        await publish(workspace, url, run_id, base)
    except GitFailed as error:
        return None, [
            f"the repository's remote does not take the run's base ({error}): worktree agents stay on its host"
        ]
    return MeetingPoint(url=_without_secret(url), prefix=prefix), []


def _without_secret(url: str) -> str:
    """A URL as it may be kept: each host reaches the remote with credentials of its own."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{place}"))
