"""Objects of a repository read one after another, and which of them lie in one object folder itself."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from .clone_parts import Part
from .git import GitFailed, git

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit and what it follows."""

    id: str
    parents: tuple[str, ...]


async def local_commits(part: Part, objects: Path) -> list[Commit]:
    """All commits in one object folder of a clone: those that were made, or fetched, there.

    References, reflogs, stashes and their absence are of no account: an object is there or it is not.
    """
    ids = await asyncio.to_thread(lambda: set(_loose(objects)))
    for index in await asyncio.to_thread(lambda: sorted((objects / "pack").glob("*.idx"))):
        kind = f"--object-format={part.repository.object_format}"
        listed = await git("show-index", kind, cwd=part.own, source=index)
        ids.update(line.split()[1] for line in listed.stdout.splitlines())
    if not ids:
        return []
    asked = "\n".join(sorted(ids)).encode()
    told = await part.git("cat-file", "--batch-check=%(objectname) %(objecttype)", "--buffer", input=asked)
    commits = [line.split()[0] for line in told.stdout.splitlines() if line.endswith(" commit")]
    return [Commit(commit, tuple(_parents(data))) async for commit, data in _contents(part, commits)]


async def sha256_of(part: Part, blobs: list[str]) -> dict[str, str]:
    """The sha256 of the content of each blob, whatever its size.

    Raises:
        GitFailed: one of them is missing.
    """
    hashes: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir=part.own) as folder:
        out = Path(folder) / "blobs"
        asked = "\n".join(dict.fromkeys(blobs)).encode()
        await part.git("cat-file", "--batch", "--buffer", input=asked, output=out)
        await asyncio.to_thread(_hash_all, out, hashes)
    return hashes


def _loose(objects: Path) -> Iterator[str]:
    if not objects.is_dir():
        return
    for folder in objects.iterdir():
        if len(folder.name) == 2 and folder.is_dir():
            yield from (folder.name + path.name for path in folder.iterdir() if len(path.name) in (38, 62))


def _parents(data: bytes) -> Iterator[str]:
    for line in data.split(b"\n\n", 1)[0].split(b"\n"):
        if line.startswith(b"parent "):
            yield line[7:].decode()


async def _contents(part: Part, ids: list[str]) -> AsyncIterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory(dir=part.own) as folder:
        out = Path(folder) / "objects"
        await part.git("cat-file", "--batch", "--buffer", input="\n".join(ids).encode(), output=out)
        with out.open("rb") as file:
            while head := file.readline():
                name, _, size = head.decode().split()
                yield name, file.read(int(size))
                file.read(1)


def _hash_all(out: Path, hashes: dict[str, str]) -> None:
    with out.open("rb") as file:
        while head := file.readline():
            fields = head.decode().split()
            if len(fields) != 3:
                raise GitFailed(f"object {fields[0]} is missing")
            digest, left = hashlib.sha256(), int(fields[2])
            while left:
                chunk = file.read(min(left, _CHUNK))
                left -= len(chunk)
                digest.update(chunk)
            file.read(1)
            hashes[fields[0]] = digest.hexdigest()
