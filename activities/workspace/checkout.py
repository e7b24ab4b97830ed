"""Makes the parts of a clone: a git directory of ours, the files, a git directory for the agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .clone_parts import CHECKOUT_TIMEOUT_S, Part, WorktreeImpossible
from .git import IDENTITY_EMAIL, IDENTITY_NAME, GitFailed, git
from .repository import Repository, repository_of
from .seen import Seen, protect

_COPIED = (
    "core.autocrlf", "core.eol", "core.safecrlf", "core.filemode", "core.symlinks", "core.ignorecase",
    "core.precomposeunicode", "core.sparsecheckout", "core.sparsecheckoutcone",
)  # fmt: skip
"""Settings of the user's that decide what files look like, or which there are."""
_NESTING_MAX = 8
"""Submodules in submodules."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the parts of one clone have in common."""

    run_id: str
    branch: str
    excluded: tuple[str, ...]
    """Patterns of files that are copied into the clone and are no part of its result."""


@dataclass(frozen=True, slots=True)
class _Text:
    """What goes into both git directories of a part."""

    settings: str
    excluded: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part is built."""

    tree: Path
    own: Path
    path: str = ""
    """Of a submodule in `tree`."""
    depth: int = 0

    def within(self, inner: str) -> Place:
        """Of a submodule of this one."""
        return Place(self.tree, self.own, f"{self.path}/{inner}" if self.path else inner, self.depth + 1)


async def build(plan: Plan, repository: Repository, base: str, start: str, place: Place) -> list[Part]:
    """Make a clone at `start`, a commit of `repository`, with the submodules that the user has initialised.

    Returns:
        The parts; their paths are those of the place where they are built.

    Raises:
        GitFailed, OSError: it cannot be made.
    """
    seen = await protect(repository, plan.run_id, base)
    path, own = place.path, place.own / f"part-{quote(place.path, safe='')}"
    part = Part(path, place.tree / path, own, repository, base, seen.commit)
    excluded = await _excluded(repository) + ("" if path else "\n".join(plan.excluded))
    text = _Text(await _settings(repository), excluded)
    await _own_git_dir(part, text)
    await _check_out(part, start)
    await _agents_git_dir(part, plan.branch, start, text, seen)
    parts = [part]
    for inner, commit in await _submodules(part, start):
        theirs = (repository.top or repository.common) / inner
        if place.depth >= _NESTING_MAX or not (theirs / ".git").exists():
            continue
        source = await repository_of(theirs)
        if await source.commit(commit) is None:
            continue  # the user has not fetched it either
        parts += await build(plan, source, commit, commit, place.within(inner))
    return parts


async def write_alternates(part: Part, tree: Path | None = None, embedded: Sequence[Path] = ()) -> None:
    """Point both git directories at the objects they share. Also mends what an agent did to its own.

    Args:
        tree: where the files of this part are going to be, if not where they are now.
        embedded: object folders of other repositories among the files.
    """

    def write() -> None:
        theirs = str(part.repository.objects)
        ours = part.own / "objects" / "info" / "alternates"
        lines = [theirs, *map(str, embedded)]
        if part.has_git_dir():  # else nothing of it can be trusted to be in the clone
            lines.insert(1, str((tree or part.tree) / ".git" / "objects"))
            info = part.git_dir / "objects" / "info"
            if info.is_symlink():
                info.unlink()
            info.mkdir(exist_ok=True)
            (info / "alternates").unlink(missing_ok=True)
            (info / "alternates").write_text(f"{theirs}\n", errors="surrogateescape")
        ours.write_text("".join(f"{line}\n" for line in lines), errors="surrogateescape")

    await asyncio.to_thread(write)


async def _own_git_dir(part: Part, text: _Text) -> None:
    part.tree.mkdir(parents=True, exist_ok=True)
    part.own.mkdir(parents=True)
    await _init(part.own, part, "--bare")

    def fill() -> None:
        (part.own / "config").write_text(_config(part, text.settings, bare=True), errors="surrogateescape")
        _fill(part.own, part, text.excluded)

    await asyncio.to_thread(fill)
    await write_alternates(part)  # the user's objects only: there is no clone yet


async def _check_out(part: Part, commit: str) -> None:
    await part.git("update-ref", "--no-deref", "HEAD", commit)
    await part.git("-c", "checkout.workers=2", "read-tree", "-m", "-u", commit)


async def _agents_git_dir(part: Part, branch: str, commit: str, text: _Text, seen: Seen) -> None:
    await _init(part.git_dir, part, f"--initial-branch={branch}")

    def fill() -> None:
        git_dir = part.git_dir
        (git_dir / "config").write_text(_config(part, text.settings, bare=False), errors="surrogateescape")
        _fill(git_dir, part, text.excluded)
        (git_dir / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
        packed = "".join(f"{value} {name}\n" for name, value in sorted(seen.refs.items()))
        (git_dir / "packed-refs").write_text(packed, "utf-8", "surrogateescape")
        head = git_dir / "refs" / "heads" / branch
        head.parent.mkdir(parents=True, exist_ok=True)
        head.write_text(f"{commit}\n")
        shutil.copyfile(part.own / "index", git_dir / "index")

    await asyncio.to_thread(fill)
    await write_alternates(part)


async def _init(git_dir: Path, part: Part, *options: str) -> None:
    """`git init` of exactly this directory, without templates and so without hooks."""
    kind = f"--object-format={part.repository.object_format}"
    env = {"GIT_DIR": str(git_dir)}
    await git("init", "-q", "--template=", kind, *options, cwd=git_dir.parent, env=env, timeout_s=CHECKOUT_TIMEOUT_S)
    for folder in ("info", "objects/info", "refs/heads"):
        (git_dir / folder).mkdir(parents=True, exist_ok=True)


def _fill(git_dir: Path, part: Part, excluded: str) -> None:
    """What both git directories of a part have in common."""
    (git_dir / "info" / "exclude").write_text(excluded, "utf-8", "surrogateescape")
    for name, source in (("shallow", part.repository.common), ("info/sparse-checkout", part.repository.git_dir)):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(source / name, git_dir / name)


def _config(part: Part, settings: str, *, bare: bool) -> str:
    sha256 = part.repository.object_format == "sha256"
    lines = ["[core]", f"\trepositoryformatversion = {int(sha256)}"]
    # Ours is used with GIT_WORK_TREE, and is not to take the folder above it for its files.
    lines += ["\tbare = false", *([] if bare else ["\tlogallrefupdates = true"])]
    if sha256:
        lines += ["[extensions]", "\tobjectformat = sha256"]
    lines += ["[user]", f"\tname = {IDENTITY_NAME}", f"\temail = {IDENTITY_EMAIL}"]
    lines += ["[gc]", "\tauto = 0", "[maintenance]", "\tauto = false", "[commit]", "\tgpgsign = false"]
    return "\n".join(lines) + "\n" + settings


async def _settings(repository: Repository) -> str:
    """The user's settings that decide what files look like, as lines of a configuration file."""
    found = await git("config", "--list", "-z", "--includes", cwd=repository.top or repository.common)
    values = dict(await _of_the_user())
    for entry in found.stdout.split("\0"):
        key, _, value = entry.partition("\n")
        values[key] = value
    return "".join(f"[core]\n\t{key[5:]} = {_quoted(values[key])}\n" for key in _COPIED if key in values)


async def _of_the_user() -> dict[str, str]:
    """The user's own configuration, read as data."""
    home = Path.home()
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"
    values: dict[str, str] = {}
    for path in (xdg, home / ".gitconfig"):
        if path.is_file():
            listed = await git(
                "config", "--file", str(path), "--includes", "--list", "-z", cwd=path.parent, check=False
            )
            for entry in listed.stdout.split("\0"):
                key, _, value = entry.partition("\n")
                values[key] = value
    return values


async def _excluded(repository: Repository) -> str:
    """What the user keeps git from seeing outside of the tree: it is not to turn up in results."""
    named = (await _of_the_user()).get("core.excludesfile")

    def read() -> str:
        xdg = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "git" / "ignore"
        texts = []
        for path in (Path(named).expanduser() if named else xdg, repository.common / "info" / "exclude"):
            with contextlib.suppress(OSError):
                texts.append(path.read_text("utf-8", "surrogateescape"))
        return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)

    return await asyncio.to_thread(read)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


async def _submodules(part: Part, commit: str) -> list[tuple[str, str]]:
    """Paths and commits of the submodules of a commit."""
    if not (part.tree / ".gitmodules").is_file():
        return []
    listed = await part.git("ls-files", "-s", "-z")
    found = []
    for entry in listed.stdout.split("\0"):
        about, _, path = entry.partition("\t")
        if about.startswith("160000 "):
            found.append((path, about.split(" ")[1]))
    return found


async def find_base(workspace: Path, base: str) -> tuple[Repository, str]:
    """The repository of a workspace and the full id of a commit in it.

    Raises:
        WorktreeImpossible: there is no git, no repository, or no such commit.
    """
    try:
        repository = await repository_of(workspace)
    except GitFailed as error:
        raise WorktreeImpossible(
            f'{workspace} is not in a git repository that can be read, and isolation "worktree" needs one ({error}); '
            "run git init and commit once, or leave the isolation out"
        ) from error
    commit = await repository.commit_here(base) if base else None
    if commit is None:
        if await repository.commit_here("HEAD") is None:
            raise WorktreeImpossible(f"the repository of {workspace} has no commit yet; commit once and run again")
        raise WorktreeImpossible(f"the commit {base!r} is not in the repository of {workspace}")
    return repository, commit
