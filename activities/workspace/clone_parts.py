"""What a clone consists of, on disk and as data.

    TENUTO_HOME/clones/<run>/<agent>/        the clone: all of it is the agent's, its `.git` included
    TENUTO_HOME/clones/<run>/.own/<agent>/   ours: what we know of it, and a git directory for each of its parts

A part is the repository itself or one of its submodules. Our own git directory of a part has our configuration and our
index, made by the checkout, and the agent's objects as alternates: whatever the agent wrote into its `.git/config` or
its index, our commands on its files neither obey nor believe it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from . import ref_names
from .git import GitOutcome, git
from .repository import Repository

CHECKOUT_TIMEOUT_S = 900.0
"""For one command that touches every file of a repository."""
_RECORD = "clone.json"
_PATHS = frozenset({"common", "objects", "git_dir", "top", "tree", "own", "workspace"})
"""Fields of the record that are paths."""


class WorktreeImpossible(Exception):
    """No checkout of its own can be made for this agent (kind `worktree`). The message says why and how to mend it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One repository of a clone: where its files are, where its commits go."""

    path: str
    """Within the clone, `""` for the repository itself."""
    tree: Path
    own: Path
    """Our git directory for it."""
    repository: Repository
    base: str
    seen: str
    """A commit that contains all that the clone could see of the user's repository when it was made."""

    @property
    def git_dir(self) -> Path:
        """The agent's own, whatever it made of it."""
        return self.tree / ".git"

    def has_git_dir(self) -> bool:
        """Whether the agent's git directory is still one, and in its place: links are not followed out of it."""
        folders = (self.git_dir, self.git_dir / "objects")
        return all(folder.is_dir() and not folder.is_symlink() for folder in folders)

    async def git(
        self,
        *arguments: str,
        input: bytes | None = None,
        check: bool = True,
        index: Path | None = None,
        tree: Path | None = None,
        source: Path | None = None,
        output: Path | None = None,
    ) -> GitOutcome:
        """A command of ours on the files and objects of this part. It never reads the agent's git configuration."""
        env = {
            "GIT_DIR": str(self.own),
            "GIT_WORK_TREE": str(tree or self.tree),
            "GIT_INDEX_FILE": str(index or self.own / "index"),
        }
        return await git(
            *arguments, cwd=tree or self.tree, input=input, check=check, env=env,
            timeout_s=CHECKOUT_TIMEOUT_S, source=source, output=output,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clone:
    """One agent's own clone."""

    run_id: str
    agent: str
    workspace: Path
    """The folder it was made for."""
    top: Path
    """Root of the clone: all of it, `.git` included, is the agent's to write."""
    own: Path
    prefix: str
    """Of the workspace in its repository, `""` or ending in `/`."""
    base: str
    """The commit it began at."""
    parts: tuple[Part, ...]
    """The repository itself first, then its submodules, inner ones after outer ones."""
    fresh: bool = False
    """Made by this very call, and at the base."""
    remote: str | None = None
    """Where results are pushed besides, if the workspace's repository is not on this host."""

    @property
    def root(self) -> Path:
        """The folder of the clone that corresponds to the workspace."""
        return self.top / self.prefix

    @property
    def branch(self) -> str:
        """Short name of the branch that takes the result, and that the clone begins on."""
        return ref_names.branch(self.run_id, self.agent)

    @property
    def main(self) -> Part:
        """The repository itself."""
        return self.parts[0]

    @property
    def shown(self) -> tuple[Path, ...]:
        """Folders outside of the clone that git in it reads: a sandbox has to show them, read-only."""
        return tuple(dict.fromkeys(part.repository.objects for part in self.parts))

    def moved(self, top: Path, own: Path) -> Clone:
        """The same clone in another place."""
        parts = tuple(
            replace(part, tree=top / part.path, own=own / part.own.relative_to(self.own)) for part in self.parts
        )
        return replace(self, top=top, own=own, parts=parts)

    def write(self) -> None:
        """Note down what this clone is; `read` gives it back."""
        record = asdict(replace(self, fresh=False))
        path = self.own / _RECORD
        path.with_suffix(".new").write_text(json.dumps(record, default=str), "utf-8", "surrogateescape")
        path.with_suffix(".new").replace(path)

    @staticmethod
    def read(own: Path) -> Clone | None:
        """The clone that was noted down here; `None` if none was."""
        try:
            record = json.loads((own / _RECORD).read_text("utf-8", "surrogateescape"))
        except FileNotFoundError:
            return None
        parts = []
        for part in record["parts"]:
            repository = Repository(**_with_paths(part["repository"]))
            parts.append(Part(**_with_paths(part) | {"repository": repository}))
        return Clone(**_with_paths(record) | {"parts": tuple(parts)})


def _with_paths(record: dict[str, Any]) -> dict[str, Any]:
    return {name: Path(value) if name in _PATHS and value is not None else value for name, value in record.items()}
