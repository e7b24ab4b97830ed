"""What a commit changed since another one, file by file, out of the user's repository."""

from __future__ import annotations

import asyncio
import posixpath
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .git import git
from .repository import Repository

DIFF_BYTES_MAX = 64_000_000
"""Of one diff that is read at all."""
_HIDDEN_MAX = 1_000
"""Files that one command can be told to leave out."""
_TIMEOUT_S = 300.0
_FLAGS = ("-r", "-M", "--no-ext-diff", "--no-textconv", "--no-color")
_BEGINNING = re.compile(r"^diff --git ", re.MULTILINE)
"""Only a header begins so: the lines of a file have another character in front."""


class NoDiff(Exception):
    """There is none to be had: `kind` and a message for whoever asked."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class FileDiff:
    """The diff of one file, with its header."""

    name: str
    text: str


async def base_of(repository: Repository, commit: str, start: str | None) -> str:
    """Since when a commit is a change: where it parted from `start`, or its parent where `start` contains it; for a
    first commit the tree without files.

    Raises:
        GitFailed: git cannot tell.
    """
    if start is not None:
        found = await repository.git("merge-base", start, commit, check=False)
        base = found.stdout.strip()
        if found.exit_code == 0 and base != commit:
            return base
    parent = await repository.commit(f"{commit}^")
    if parent is not None:
        return parent
    return (await repository.git("hash-object", "-t", "tree", "--stdin", input=b"")).stdout.strip()


async def file_diffs(
    repository: Repository, base: str, commit: str, paths: Sequence[str], hidden: Callable[[str], bool]
) -> tuple[list[FileDiff], list[str]]:
    """The diffs of all files that differ, in git's order, and the files that are not to be seen.

    Args:
        paths: patterns relative to the workspace (`**` for any depth; a folder stands for all in it); none for all.
        hidden: whether a file, named relative to the workspace, is not to be seen.

    Raises:
        NoDiff: `bad_arguments`, a pattern that leads out of the workspace; `too_large`.
        GitFailed: git cannot tell.
    """
    specs = [_spec(repository, path) for path in paths]
    listed = await repository.git("diff-tree", "-r", "--no-renames", "--name-only", "-z", base, commit, "--", *specs)
    names = [name for name in listed.stdout.split("\0") if name]
    unseen = [name for name in names if hidden(posixpath.relpath(name, repository.prefix or "."))]
    if len(unseen) > _HIDDEN_MAX:
        raise NoDiff("too_large", f"{len(unseen):,} changed files are hidden by the run's rules; name `paths`")
    if len(unseen) == len(names):
        return [], unseen
    specs = [*(specs or [":(top)"]), *(f":(top,literal,exclude){name}" for name in unseen)]
    return _sections(await _patch(repository, base, commit, specs)), unseen


async def _patch(repository: Repository, base: str, commit: str, specs: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory(prefix="tenuto-diff-") as folder:
        output = Path(folder) / "diff"
        await git(
            "diff-tree", "-p", *_FLAGS, base, commit, "--", *specs,
            cwd=repository.common, env=repository.env, timeout_s=_TIMEOUT_S, output=output,
        )  # fmt: skip

        def read() -> str:
            size = output.stat().st_size
            if size > DIFF_BYTES_MAX:
                raise NoDiff(
                    "too_large", f"the diff has {size:,} bytes, {DIFF_BYTES_MAX:,} is the most: name `paths` in it"
                )
            return output.read_bytes().decode("utf-8", "replace")

        return await asyncio.to_thread(read)


def _sections(patch: str) -> list[FileDiff]:
    starts = [found.start() for found in _BEGINNING.finditer(patch)]
    texts = [patch[start:end] for start, end in zip(starts, [*starts[1:], len(patch)], strict=True)]
    return [FileDiff(_name(text), text) for text in texts]


def _name(section: str) -> str:
    header = section.partition("\n")[0].removeprefix("diff --git ")
    half = header[len(header) // 2 + 1 :]  # the same name twice, but for a renamed file
    name = half if header[: len(header) // 2].strip('"')[2:] == half.strip('"')[2:] else header.rpartition(" ")[2]
    return name.strip('"').removeprefix("b/")


def _spec(repository: Repository, path: str) -> str:
    inside = posixpath.normpath(path.strip() or ".")
    if inside.startswith(("../", "/")) or inside == ".." or "\0" in inside:
        raise NoDiff("bad_arguments", f"paths of review(): {path!r} leads out of the workspace")
    whole = posixpath.normpath(posixpath.join(repository.prefix, inside))
    return ":(top)" if whole == "." else f":(top,glob){whole}"
