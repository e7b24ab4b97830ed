"""Commits into the user's repository: objects first, then references, then a look whether all is there.

Objects go over as a pack that no `gc` may touch (`.keep`), for a `gc --prune=now` that began before the references were
written would take them away again. The mark goes when the references are there and no `gc` is running.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .git import GitFailed, GitOutcome, git, in_one_line
from .repository import Repository

_TIMEOUT_S = 900.0
_LABEL = "tenuto"


class Source(Protocol):
    """A git directory of ours that sees the commits to be sent, the user's objects included."""

    async def git(
        self, *arguments: str, input: bytes | None = None, check: bool = True, output: Path | None = None
    ) -> GitOutcome:
        """Run a git command there."""


async def send(
    source: Source, target: Repository, commits: Sequence[str], known: Sequence[str], run_id: str
) -> list[Path]:
    """Write the objects of `commits` into the user's repository, but for those that `known` commits contain.

    Returns:
        What `settle` takes once the commits are referenced.

    Raises:
        GitFailed: an object is missing from the source, or the repository cannot be written to.
    """
    asked = "".join(f"{commit}\n" for commit in commits) + "".join(f"^{commit}\n" for commit in known)
    return await _send(source, target, asked, run_id, "--revs")


async def send_object(source: Source, target: Repository, name: str, run_id: str) -> list[Path]:
    """The same for one object alone, all that it refers to being there."""
    return await _send(source, target, f"{name}\n", run_id)


async def _send(source: Source, target: Repository, asked: str, run_id: str, *options: str) -> list[Path]:
    with tempfile.TemporaryDirectory(prefix="tenuto-pack-") as folder:
        pack = Path(folder) / "pack"
        options = (*options, "--stdout", "-q", "--delta-base-offset")
        await source.git("pack-objects", *options, input=asked.encode(), output=pack)
        if await asyncio.to_thread(_objects_in, pack) == 0:
            return []
        command = ("index-pack", "--stdin", f"--keep={_LABEL} {run_id}")
        sent = await git(*command, cwd=target.common, env=target.env, source=pack, timeout_s=_TIMEOUT_S, durable=True)
    name = sent.stdout.split()[-1]
    return [target.objects / "pack" / f"pack-{name}.keep"]


async def settle(target: Repository, sent: Sequence[Path]) -> None:
    """Let the user's next `gc` have what was sent: it is referenced now. While a `gc` runs, it stays as it is."""

    def unmark() -> None:
        if not (target.common / "gc.pid").exists():
            for keep in sent:
                keep.unlink(missing_ok=True)

    await asyncio.to_thread(unmark)


async def settle_run(target: Repository, run_id: str) -> None:
    """The same for all that crashes left marked of a run."""

    def find() -> list[Path]:
        found = []
        for keep in (target.objects / "pack").glob("*.keep"):
            with contextlib.suppress(OSError):
                if keep.read_text(errors="replace").strip() == f"{_LABEL} {run_id}":
                    found.append(keep)
        return found

    await settle(target, await asyncio.to_thread(find))


async def sound(source: Source, commits: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of `commits` that the source has with all that belongs to them."""
    found = []
    for commit in commits:
        text = f"{commit}\n" + "".join(f"^{other}\n" for other in known)
        walked = await source.git("rev-list", "--objects", "--quiet", "--stdin", input=text.encode(), check=False)
        if walked.exit_code == 0:
            found.append(commit)
    return found


async def verify(target: Repository, commits: Sequence[str], known: Sequence[str]) -> None:
    """Make sure that the user's repository has these commits with all that belongs to them.

    Raises:
        GitFailed: something is missing.
    """
    text = "".join(f"{commit}\n" for commit in commits) + "".join(f"^{commit}\n" for commit in known)
    command = ("rev-list", "--objects", "--quiet", "--stdin")
    found = await target.git(*command, input=text.encode(), check=False, timeout_s=_TIMEOUT_S)
    if found.exit_code != 0:
        raise GitFailed(f"objects did not stay in {target.common}: {in_one_line(found)}")


def _objects_in(pack: Path) -> int:
    with pack.open("rb") as file:
        return int.from_bytes(file.read(12)[8:], "big")
