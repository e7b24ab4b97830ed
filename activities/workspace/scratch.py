"""A git directory of ours for a moment, over the objects of the user's repository."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from .git import IDENTITY_EMAIL, IDENTITY_NAME, GitOutcome, git
from .repository import Repository

_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Scratch:
    """It sees the user's objects and writes its own elsewhere; no setting of the user's repository is in force."""

    folder: Path
    repository: Repository

    @property
    def git_dir(self) -> Path:
        """Bare, without references."""
        return self.folder / "git"

    async def git(
        self,
        *arguments: str,
        input: bytes | None = None,
        check: bool = True,
        output: Path | None = None,
        tree: Path | None = None,
        online: bool = False,
    ) -> GitOutcome:
        """A command there; with files in `tree`, or with a remote (`online`)."""
        env = {"GIT_DIR": str(self.git_dir)} | ({} if tree is None else {"GIT_WORK_TREE": str(tree)})
        return await git(
            *arguments, cwd=tree or self.folder, input=input, check=check, env=env,
            timeout_s=_TIMEOUT_S, output=output, online=online,
        )  # fmt: skip


@asynccontextmanager
async def scratch_over(repository: Repository) -> AsyncIterator[Scratch]:
    """Make one; it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="tenuto-git-") as name:
        scratch = Scratch(Path(name), repository)
        kind = f"--object-format={repository.object_format}"
        await git("init", "-q", "--bare", "--template=", kind, str(scratch.git_dir), cwd=scratch.folder)
        info = scratch.git_dir / "objects" / "info"
        (info / "alternates").write_text(f"{repository.objects}\n", errors="surrogateescape")
        (scratch.git_dir / "info").mkdir(exist_ok=True)
        shallow = repository.common / "shallow"
        if shallow.exists():
            (scratch.git_dir / "shallow").write_bytes(shallow.read_bytes())
        yield scratch


@dataclass(frozen=True, slots=True)
class Joint:
    """A commit that contains other commits, as it is written: the same for the same ones."""

    id: str
    data: bytes

    @staticmethod
    def of(about: str, parents: list[str], message: str, object_format: str) -> Joint:
        """Join `parents`.

        Args:
            about: tree and date, as `git log --format='%T %ct'` tells them of the commit whose tree it takes.
        """
        tree, date = about.split()
        who = f"{IDENTITY_NAME} <{IDENTITY_EMAIL}> {date} +0000"
        lines = [f"tree {tree}", *(f"parent {commit}" for commit in parents), f"author {who}", f"committer {who}"]
        data = "\n".join([*lines, "", message, ""]).encode()
        digest = hashlib.new(object_format, b"commit %d\0" % len(data) + data)
        return Joint(digest.hexdigest(), data)
