"""Commits of a clone into the user's repository: objects first, then references, then a look whether all is there."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .clone_parts import CHECKOUT_TIMEOUT_S, Part
from .git import GitFailed, git, in_one_line

UNPACKED_MAX = 100
"""Objects that go over one by one, as in a fetch; more of them stay together in one pack."""


async def send(part: Part, commits: Sequence[str]) -> None:
    """Write the objects of `commits` into the user's repository. Those it has already cost nothing.

    Raises:
        GitFailed: an object is missing from the clone, or the repository cannot be written to.
    """
    if not commits:
        return
    asked = "".join(f"{commit}\n" for commit in commits) + f"^{part.seen}\n"
    with tempfile.TemporaryDirectory(dir=part.own) as folder:
        pack = Path(folder) / "pack"
        await part.git(
            "pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset", input=asked.encode(), output=pack
        )
        count = await asyncio.to_thread(_objects_in, pack)
        if count == 0:
            return
        command = ("unpack-objects", "-q") if count < UNPACKED_MAX else ("index-pack", "--stdin")
        await git(
            *command, cwd=part.repository.common, env=part.repository.env, source=pack, timeout_s=CHECKOUT_TIMEOUT_S
        )


async def sound(part: Part, commits: Sequence[str]) -> list[str]:
    """Those of `commits` that the clone has with all that belongs to them."""
    found = []
    for commit in commits:
        text = f"{commit}\n^{part.seen}\n".encode()
        walked = await part.git("rev-list", "--objects", "--quiet", "--stdin", input=text, check=False)
        if walked.exit_code == 0:
            found.append(commit)
    return found


async def verify(part: Part, commits: Sequence[str]) -> None:
    """Make sure that the user's repository has these commits with all that belongs to them.

    A `gc` there that ran between objects and references may have taken them away again.

    Raises:
        GitFailed: something is missing.
    """
    text = "".join(f"{commit}\n" for commit in commits) + f"^{part.seen}\n"
    found = await part.repository.git(
        "rev-list", "--objects", "--quiet", "--stdin", input=text.encode(), check=False, timeout_s=CHECKOUT_TIMEOUT_S
    )
    if found.exit_code != 0:
        raise GitFailed(f"objects did not stay in {part.repository.common}: {in_one_line(found)}")


def _objects_in(pack: Path) -> int:
    with pack.open("rb") as file:
        return int.from_bytes(file.read(12)[8:], "big")
