"""Clones of runs that have ended: removed when their work is in the user's repository, and never before."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from . import ref_names
from .clone import GONE, NEW, OWN, Clones, remove_tree
from .clone_parts import Clone
from .git import GitFailed
from .keep import KeepFailed, keep
from .remote import MIRROR
from .transfer import settle_run


@dataclass(slots=True)
class Swept:
    """What `sweep` did."""

    removed: list[str] = field(default_factory=list)
    """Agents whose clones are gone, with their work in the user's repository."""
    left: dict[str, str] = field(default_factory=dict)
    """Folder of a clone that stays -> why."""


async def sweep(clones: Clones, run_id: str) -> Swept:
    """Keep and remove all clones of a run that has ended, then what the run left besides.

    A clone that cannot be kept stays, and is reported. To be called only when no agent of the run is at work.
    """
    swept = Swept()
    known = await clones.known(run_id)
    for clone in known:
        if not await asyncio.to_thread(clone.top.is_dir):
            continue
        try:
            await keep(clone)
            swept.removed.append(clone.agent)
        except KeepFailed as error:
            swept.left[str(clone.top)] = str(error)
    run = clones.folder / ref_names.part(run_id)
    for path in await asyncio.to_thread(lambda: sorted(run.glob(f"{GONE}*")) + sorted(run.glob(f"{NEW}*"))):
        await asyncio.to_thread(remove_tree, path)
    for path in await asyncio.to_thread(_unknown, run):
        swept.left[str(path)] = f"{path} is no clone that Tenuto made; remove it if it is not needed"
    if not swept.left and await asyncio.to_thread(run.is_dir):
        await _release(known, run_id)
        await asyncio.to_thread(remove_tree, run)
    return swept


async def _release(known: list[Clone], run_id: str) -> None:
    """Drop what protected the shared objects. A repository that is gone needs no releasing."""
    repositories = {part.repository.common: part.repository for clone in known for part in clone.parts}
    for repository in repositories.values():
        with contextlib.suppress(GitFailed):
            refs = await repository.refs(ref_names.of_run(run_id, "seen"), ref_names.of_run(run_id, "base"))
            await repository.forget(refs)
            await settle_run(repository, run_id)


def _unknown(run: Path) -> list[Path]:
    if not run.is_dir():
        return []
    return [path for path in sorted(run.iterdir()) if path.name not in (OWN, MIRROR, f"{MIRROR}.lock")]
