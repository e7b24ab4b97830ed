"""A branch of the user's repository on its way to the remote, from a git directory in which no agent has had a say."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..workspace.git import GitFailed, GitOutcome, git
from ..workspace.repository import Repository, repository_of

PUSH_TIMEOUT_S = 900.0
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?(?P<host>\[[^\]]*\]|[^/:]*)(?::\d+)?/+(?P<path>.*)")
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>\[[^\]]*\]|[^/:]+):(?P<path>.*)")


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a branch goes."""

    url: str
    host: str | None
    """`None` for a folder of this host."""
    path: str
    """Of the repository there, without `.git`: `owner/name`."""

    @classmethod
    def of(cls, url: str) -> Remote:
        """Take the URL of a remote apart, in any spelling that git takes."""
        found = _URL.fullmatch(url)
        if found is None and "://" not in url and not url.startswith(("/", ".")):
            found = _SCP.fullmatch(url)
        if found is None or not found["host"] or url.lower().startswith("file:"):
            return cls(url, None, url)
        path = found["path"].strip("/").removesuffix(".git")
        return cls(url, found["host"].lower().strip("[]"), path)


async def origin_of(workspace: Path) -> str | None:
    """URL that the repository pushes to: of `origin`, or of its only remote. `None` outside of git, or without one."""
    try:
        listed = await git("config", "--get-regexp", "-z", r"^remote\..*\.(push)?url$", cwd=workspace, check=False)
    except GitFailed:
        return None  # no git on this host
    urls: dict[str, dict[str, str]] = {}
    for entry in filter(None, listed.stdout.split("\0")):
        key, _, url = entry.partition("\n")
        name, _, kind = key.removeprefix("remote.").rpartition(".")
        urls.setdefault(name, {}).setdefault(kind.lower(), url)
    found = urls.get("origin") or (next(iter(urls.values())) if len(urls) == 1 else None)
    if not found:
        return None
    url = found.get("pushurl") or found.get("url") or ""
    relative = url and "://" not in url and not url.startswith("/") and _SCP.fullmatch(url) is None
    return str((workspace / url).resolve()) if relative or url.startswith((".", "..")) else url or None


@dataclass(frozen=True, slots=True)
class Outbound:
    """One branch, and a git directory of ours with the remote as its `origin`."""

    folder: Path
    repository: Repository
    remote: Remote

    async def push(self, branch: str, commit: str) -> None:
        """Make the remote's branch that commit, unless that would lose commits there.

        Raises:
            GitFailed: the remote cannot be reached, or does not take it.
        """
        env = {"GIT_DIR": str(self.folder / ".git"), "GIT_OBJECT_DIRECTORY": str(self.repository.objects)}
        refspec = f"{commit}:refs/heads/{branch}"
        pushed: GitOutcome = await git(
            *("push", "-q", "--end-of-options", self.remote.url, refspec),
            cwd=self.folder,
            env=env,
            timeout_s=PUSH_TIMEOUT_S,
            online=True,
            check=False,
        )
        if pushed.exit_code != 0:
            said = "; ".join(line.strip() for line in pushed.stderr.splitlines() if line.strip())
            raise GitFailed(said[:1000] or f"git push ended with exit code {pushed.exit_code}")


@asynccontextmanager
async def outbound(workspace: Path, remote: Remote) -> AsyncIterator[Outbound]:
    """A git directory of ours for as long as the block runs.

    Raises:
        GitFailed: the workspace is in no repository.
    """
    repository = await repository_of(workspace)
    with tempfile.TemporaryDirectory(prefix="tenuto-push-") as name:
        folder = Path(name)
        kind = f"--object-format={repository.object_format}"
        await git("init", "-q", "--template=", kind, str(folder), cwd=folder)
        await git("config", "remote.origin.url", remote.url, cwd=folder)
        yield Outbound(folder, repository, remote)
