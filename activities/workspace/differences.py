"""What differs between a commit and a working tree, or between two commits, file by file; only looked at.

Paths are relative to the folder that is asked about, and files outside of it are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .git import GitFailed, git

How = Literal["added", "modified", "removed"]
_PLAIN = ("--no-renames", "--no-ext-diff", "--no-textconv", "--relative")
_HOW: dict[str, How] = {"A": "added", "D": "removed"}
LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One file. `added` and `removed` count lines; `None` for a binary file, and one that git does not track."""

    path: str
    how: How
    added: int | None = None
    removed: int | None = None


async def differences(folder: Path, base: str, commit: str | None = None) -> list[Difference]:
    """What is otherwise than at `base`: in the working tree, files that git does not know included, or in `commit`.

    Raises:
        GitFailed: this is no repository, or it has no such commit.
    """
    words = (*await without_filters(folder), "diff", *_PLAIN, "-z")
    ends = (base,) if commit is None else (base, commit)
    listed = await git(*words, "--raw", *ends, "--", ".", cwd=folder, timeout_s=LONGEST_S)
    fields = listed.stdout.split("\0")
    how: dict[str, How] = {
        path: _HOW.get(about[-1:], "modified") for about, path in zip(fields[::2], fields[1::2], strict=False)
    }
    counted = await git(*words, "--numstat", *ends, "--", ".", cwd=folder, timeout_s=LONGEST_S)
    found = {}
    for line in counted.stdout.split("\0"):
        added, _, rest = line.partition("\t")
        removed, _, path = rest.partition("\t")
        if path in how:
            found[path] = Difference(path, how[path], _number(added), _number(removed))
    for path, what in how.items():
        found.setdefault(path, Difference(path, what))
    if commit is None:
        unknown = await git(
            *("ls-files", "--others", "--exclude-standard", "-z", "--", "."), cwd=folder, timeout_s=LONGEST_S
        )
        for path in unknown.stdout.split("\0"):
            if path:
                found.setdefault(path, Difference(path, "added"))
    return [found[path] for path in sorted(found)]


Blobs = dict[str, str | None]
"""Path -> the object id of its content; `None` where it is not there."""


async def blobs(folder: Path, base: str, commit: str, paths: Sequence[str] = ()) -> Blobs:
    """What files that `commit` changed since `base` have in it.

    Args:
        paths: patterns relative to the folder, as in `review({commit, paths})`; none for all.

    Raises:
        GitFailed: this is no repository, or it has no such commit.
    """
    words = (*await without_filters(folder), "diff", *_PLAIN, "-z", "--raw", "--no-abbrev", base, commit, "--")
    specs = [f":(glob){path}" for path in paths] or ["."]
    listed = await git(*words, *specs, cwd=folder, timeout_s=LONGEST_S)
    fields = listed.stdout.split("\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return {path: None if about[-1:] == "D" else about.split()[3] for about, path in pairs}


async def blobs_here(folder: Path, paths: Sequence[str]) -> Blobs:
    """What files have in the working tree, as git would store it; links are left out. Raises as `blobs`."""
    there = [path for path in paths if (folder / path).is_file() and not (folder / path).is_symlink()]
    asked = [path for path in there if "\n" not in path]
    gone: Blobs = {path: None for path in paths if not (folder / path).exists() and not (folder / path).is_symlink()}
    if not asked:
        return gone
    words = (*await without_filters(folder), "hash-object", "--stdin-paths")
    given = "".join(f"{path}\n" for path in asked).encode("utf-8", "surrogateescape")
    found = await git(*words, cwd=folder, input=given, timeout_s=LONGEST_S)
    return gone | dict(zip(asked, found.stdout.split(), strict=True))


async def patch(folder: Path, base: str, commit: str | None, into: Path) -> None:
    """Write the unified diff to a file. Raises as `differences`."""
    ends = (base,) if commit is None else (base, commit)
    words = (*await without_filters(folder), "diff", *_PLAIN, "--no-color", *ends, "--", ".")
    await git(*words, cwd=folder, output=into, timeout_s=LONGEST_S)


async def without_filters(folder: Path) -> list[str]:
    """Options that turn off the filters a repository configures: looking at files runs them, outside of the sandbox.

    Raises:
        GitFailed: they cannot be turned off, or there is no git.
    """
    found = await git("config", "--name-only", "-z", "--get-regexp", r"^filter\..*\.", cwd=folder, check=False)
    drivers = {name.rpartition(".")[0] for name in found.stdout.split("\0") if name}
    if any("=" in driver for driver in drivers):
        raise GitFailed("a filter in its configuration has a name with '='")
    off = ("clean=", "smudge=", "process=", "required=false")
    return [part for driver in sorted(drivers) for setting in off for part in ("-c", f"{driver}.{setting}")]


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None
