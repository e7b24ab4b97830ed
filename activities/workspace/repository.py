"""The user's repository, as far as it concerns us: objects and references. Its checkout is never written to."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .git import LOCK_PATIENCE_MS, GitFailed, GitOutcome, git, in_one_line

_LOCK = re.compile(r"'([^']*\.lock)': File exists")
_OURS = re.compile(r"/refs/(heads/)?tenuto/")
_RETRIES_MAX = 8


class RefMoved(Exception):
    """A reference was not where it was said to be: somebody else was faster."""


@dataclass(frozen=True, slots=True)
class Move:
    """One reference to its new commit."""

    ref: str
    new: str
    old: str | None
    """Where it has to be before; `None` where it must not exist yet."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Where objects and references of one repository lie. A linked worktree has those of its main one."""

    common: Path
    """The git directory that all its worktrees share."""
    objects: Path
    git_dir: Path
    """Of the worktree that was asked for."""
    top: Path | None
    """Root of that worktree; `None` for a bare repository."""
    prefix: str
    """Of the asked-for folder in it, `""` or ending in `/`."""
    object_format: str = "sha1"

    @property
    def env(self) -> dict[str, str]:
        """Names the repository to a git command, wherever that is run."""
        return {"GIT_DIR": str(self.common)}

    async def git(
        self, *arguments: str, input: bytes | None = None, check: bool = True, timeout_s: float = 60
    ) -> GitOutcome:
        """A command on objects and references of this repository."""
        return await git(
            *arguments, cwd=self.common, input=input, check=check, env=self.env, timeout_s=timeout_s, durable=True
        )

    async def commit(self, name: str) -> str | None:
        """The full id of the commit a name stands for; `None` where there is none."""
        found = await self.git("rev-parse", "-q", "--verify", "--end-of-options", f"{name}^{{commit}}", check=False)
        return found.stdout.strip() if found.exit_code == 0 else None

    async def commit_here(self, name: str) -> str | None:
        """The same as this worktree understands the name: `HEAD` is a worktree's own."""
        env = {"GIT_DIR": str(self.git_dir)}
        asked = ("rev-parse", "-q", "--verify", "--end-of-options", f"{name}^{{commit}}")
        found = await git(*asked, cwd=self.git_dir, env=env, check=False)
        return found.stdout.strip() if found.exit_code == 0 else None

    async def refs(self, *patterns: str) -> dict[str, str]:
        """References by full name, with the object each points at."""
        listed = await self.git("for-each-ref", "--format=%(objectname) %(refname)", *patterns)
        pairs = (line.split(" ", 1) for line in listed.stdout.splitlines())
        return {name: commit for commit, name in pairs}

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`."""
        found = await self.git("merge-base", "--is-ancestor", older, newer, check=False)
        if found.exit_code not in (0, 1):
            raise GitFailed(f"git merge-base in {self.common} failed: {in_one_line(found)}")
        return found.exit_code == 0

    async def checked_out(self) -> set[str]:
        """Full names of the branches that some worktree has checked out: moving one would change what is there."""

        def read() -> set[str]:
            heads = [self.common / "HEAD", *(self.common / "worktrees").glob("*/HEAD")]
            texts = []
            for head in heads:
                with contextlib.suppress(OSError):
                    texts.append(head.read_text("utf-8", "surrogateescape").strip())
            return {text.removeprefix("ref:").strip() for text in texts if text.startswith("ref:")}

        return await asyncio.to_thread(read)

    async def why_branch_stays(self, head: str, now: str | None, ours: str | None, new: str) -> str | None:
        """Why a branch is not to be moved: a person is at it, or in its way. `None` if it may be.

        Args:
            now: where it is.
            ours: where we left it last.
            new: where it would go.
        """
        name = head.removeprefix("refs/heads/")
        if now == new:
            return None
        if now is not None and head in await self.checked_out():
            return f"the branch {name} is checked out and stays at {now}"
        if now is not None and now != ours:
            return f"the branch {name} was moved by somebody else and stays at {now}"
        parts = head.split("/")
        above = ["/".join(parts[:count]) for count in range(3, len(parts))]
        blocking = [ref for ref in await self.refs(*above) if ref in above]
        return f"the branch {blocking[0]} is where a folder for {name} would have to be" if blocking else None

    async def move(self, moves: Iterable[Move], reason: str) -> None:
        """Move references, all or none.

        A lock that a killed git left on a reference of ours is removed once it is older than any update takes.

        Raises:
            RefMoved: one was not at its `old`.
            GitFailed: it cannot be done.
        """
        zero = "0" * (64 if self.object_format == "sha256" else 40)
        lines = [f"update {move.ref}\0{move.new}\0{move.old or zero}\0" for move in moves]
        if not lines:
            return
        text = "".join(lines).encode("utf-8", "surrogateescape")
        for _ in range(_RETRIES_MAX):
            done = await self.git("update-ref", "-m", f"tenuto: {reason}", "--stdin", "-z", input=text, check=False)
            if done.exit_code == 0:
                return
            lock = _LOCK.search(done.stderr)
            if lock is None:
                break
            await asyncio.to_thread(self._remove_stale, Path(lock[1]))
        if re.search(r"but expected|reference already exists|unable to resolve reference", done.stderr):
            raise RefMoved(in_one_line(done))
        raise GitFailed(f"cannot write references in {self.common}: {in_one_line(done)}")

    async def forget(self, refs: Iterable[str]) -> None:
        """Delete references of ours. Absent ones are fine."""
        text = "".join(f"delete {ref}\0\0" for ref in refs).encode()
        if text:
            await self.git("update-ref", "--stdin", "-z", input=text)

    def _remove_stale(self, lock: Path) -> None:
        if not _OURS.search(str(lock)):
            return
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime > LOCK_PATIENCE_MS / 1000:
                lock.unlink()


async def repository_of(folder: Path) -> Repository:
    """The repository whose worktree `folder` is in.

    Raises:
        GitFailed: it is in none, or git cannot read it. The message says what git says.
    """
    found = await git(
        "rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir", "--absolute-git-dir",
        "--git-path", "objects", "--show-object-format", cwd=folder,
    )  # fmt: skip
    prefix = await git("rev-parse", "--show-prefix", cwd=folder)
    top, common, git_dir, objects, object_format = found.stdout.splitlines()
    return Repository(
        Path(common), Path(objects), Path(git_dir), Path(top), prefix.stdout.removesuffix("\n"), object_format
    )
