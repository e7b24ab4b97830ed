"""Clones of their own for agents with `isolation: "worktree"`: stash, reset, clean and index are the agent's alone.

A clone shares the objects of the user's repository and nothing else. It is there whole or not at all: it is made under
another name and renamed, and it is removed the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from tenuto.workflows.setup_contracts import MeetingPoint, WorkspaceOptions

from ..sandbox.command import Command, CommandOutcome, CommandRunner
from . import ref_names, untracked
from .checkout import Place, Plan, build, find_base, write_alternates
from .clone_parts import Clone, WorktreeImpossible
from .git import GitFailed
from .remote import mirror_of
from .snapshot import tree_of_files

OWN = ".own"
NEW, GONE, _LOCK_WAIT_S, _SETUP_S = ".new-", ".gone-", 0.05, 3600.0


class SetupFailed(Exception):
    """The `setup` command failed in a fresh clone. The message has the end of its output."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whose clone, of what."""

    run_id: str
    agent: str
    workspace: Path
    base: str


class Clones:
    """All clones under one `TENUTO_HOME`."""

    def __init__(self, home: Path) -> None:
        self.folder = home.absolute() / "clones"
        # A checkout is work for disk and processor: more at once than there are of those makes each one slower.
        self._making = asyncio.Semaphore(max(2, os.cpu_count() or 2))

    def place(self, run_id: str, agent: str) -> tuple[Path, Path]:
        """Where a clone is, and where what we know of it is."""
        run = self.folder / ref_names.part(run_id)
        return run / ref_names.part(agent), run / OWN / ref_names.part(agent)

    async def open(
        self,
        run_id: str,
        agent: str,
        workspace: Path,
        base: str,
        options: WorkspaceOptions,
        *,
        remote: MeetingPoint | None = None,
    ) -> Clone:
        """The clone of an agent: a new one at `base`, or the one it has, with all that it did there so far.

        An agent whose clone is gone because its work was kept gets one that begins at what was kept.

        Args:
            remote: where the repository can be had if `workspace` is not on this host.

        Raises:
            WorktreeImpossible: none can be made.
        """
        top, own = self.place(run_id, agent)
        try:
            async with locked(own), self._making:
                found = await asyncio.to_thread(Clone.read, own)
                if found is not None and top.is_dir():
                    await _mend(found)
                    return found
                return await self._make(_Wanted(run_id, agent, workspace, base), options, remote)
        except (GitFailed, OSError, untracked.UntrackedRefused) as error:
            raise WorktreeImpossible(f"no clone of {workspace} can be made for {agent}: {error}") from error

    async def find(self, run_id: str, agent: str) -> Clone | None:
        """What is known of an agent's clone, be it still there or not; `None` if there never was one here."""
        return await asyncio.to_thread(Clone.read, self.place(run_id, agent)[1])

    async def known(self, run_id: str) -> list[Clone]:
        """All clones of a run that there are or were."""
        own = self.place(run_id, "a")[1].parent

        def read() -> list[Clone]:
            found = [Clone.read(record.parent) for record in sorted(own.glob("*/clone.json"))]
            return [clone for clone in found if clone is not None]

        return await asyncio.to_thread(read)

    async def _make(self, wanted: _Wanted, options: WorkspaceOptions, remote: MeetingPoint | None) -> Clone:
        run_id, agent, workspace = wanted.run_id, wanted.agent, wanted.workspace
        top, own = self.place(run_id, agent)
        if remote is None or await asyncio.to_thread(workspace.exists):
            url, (repository, commit) = None, await find_base(workspace, wanted.base)
        else:
            run = self.folder / ref_names.part(run_id)
            url, (repository, commit) = remote.url, await mirror_of(run, remote, run_id, agent, wanted.base)
        kept = await repository.commit(ref_names.of_agent(run_id, agent, "result"))
        copied = await asyncio.to_thread(untracked.find, workspace, options.untracked)
        plan = Plan(run_id, ref_names.branch(run_id, agent), untracked.as_excludes(repository.prefix, copied))
        scratch = top.parent / f"{NEW}{top.name}-{secrets.token_hex(4)}"
        try:
            scratch.mkdir(parents=True)
            place = Place(scratch / "tree", scratch / "own")
            parts = tuple(await build(plan, repository, commit, kept or commit, place))
            clone = Clone(run_id, agent, workspace, place.tree, place.own, repository.prefix, commit, parts, remote=url)
            clone.root.mkdir(parents=True, exist_ok=True)
            await untracked.copy(workspace, clone.root, copied)
            for part in parts:
                await write_alternates(part, top / part.path)
            final = clone.moved(top, own)
            await asyncio.to_thread(_into_place, clone, final)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        return replace(final, fresh=kept is None)


async def set_up(clone: Clone, options: WorkspaceOptions, commands: CommandRunner) -> CommandOutcome | None:
    """Run the `setup` command in a clone, once; `None` if there is none or it has run.

    What it leaves behind is no work of the agent's: it alone makes no result.

    Raises:
        SetupFailed: it failed; the next attempt runs it again.
    """
    done = clone.own / "setup-done"
    if options.setup is None or done.exists():
        return None
    outcome = await commands.run(Command(options.setup, timeout_s=_SETUP_S))
    if outcome.exit_code != 0:
        said = (outcome.stderr.strip() or outcome.stdout.strip())[-1500:]
        raise SetupFailed(f"the setup command {options.setup!r} ended with {outcome.exit_code}: {said}")
    for part in clone.parts:
        (part.own / "baseline").write_text(await tree_of_files(part, part.base))
    done.touch()
    return outcome


@contextlib.asynccontextmanager
async def locked(own: Path) -> AsyncIterator[None]:
    """Nobody else on this host opens, keeps or removes the same clone meanwhile. A process that dies lets go."""
    own.parent.mkdir(parents=True, exist_ok=True)
    with (own.parent / f"{own.name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_WAIT_S)
        yield


def remove(clone: Clone) -> None:
    """Remove a clone; what is known of it stays, so that keeping it again can say what was kept.

    To be called only when its work is in the user's repository.
    """
    gone = clone.top.parent / f"{GONE}{clone.top.name}-{secrets.token_hex(4)}"
    with contextlib.suppress(FileNotFoundError):
        clone.top.rename(gone)
        remove_tree(gone)
    for part in clone.parts:
        shutil.rmtree(part.own, ignore_errors=True)


def _into_place(clone: Clone, final: Clone) -> None:
    final.own.parent.mkdir(parents=True, exist_ok=True)
    if final.own.exists():
        shutil.rmtree(final.own)  # of a clone that is gone, or never came to be
    clone.own.rename(final.own)
    final.write()
    clone.top.rename(final.top)


async def _mend(clone: Clone) -> None:
    """Remove locks that killed commands left: nothing works in this clone between two attempts of its agent."""
    for part in clone.parts:
        await write_alternates(part)

    def unlock() -> None:
        for part in clone.parts:
            refs = part.git_dir / "refs"
            if not part.has_git_dir() or refs.is_symlink():
                continue  # a link could lead to lock files that are none of git's
            for lock in [*part.git_dir.glob("*.lock"), *refs.rglob("*.lock")]:
                lock.unlink(missing_ok=True)

    await asyncio.to_thread(unlock)


def remove_tree(folder: Path) -> None:
    """Folders that an agent made read-only are removed as well."""

    def open_up(function: object, path: str, _error: object) -> None:
        parent = Path(path).parent
        parent.chmod(0o700)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path) if Path(path).is_dir() and not Path(path).is_symlink() else Path(path).unlink()

    shutil.rmtree(folder, onerror=open_up)
