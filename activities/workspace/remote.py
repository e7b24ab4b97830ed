"""Several hosts: the repository's remote is where they meet.

The host of the workspace publishes the run's base and branch. Another host has a bare mirror of them, which to clones
there is what the user's repository is to clones here, and pushes results. All of it runs in git directories of ours,
with the user's credentials.
"""

from __future__ import annotations

import asyncio
import fcntl
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tenuto.workflows.setup_contracts import MeetingPoint

from . import ref_names
from .git import GitFailed, GitOutcome, git, in_one_line
from .repository import Move, Repository, repository_of
from .scratch import scratch_over
from .transfer import send, settle

MIRROR = ".mirror"
_TIMEOUT_S = 900.0
_LOCK_WAIT_S = 0.05


async def publish(workspace: Path, url: str, run_id: str, base: str | None = None) -> None:
    """Let other hosts have the base of a run and its branch. To be called when a run starts, with its `base`.

    Raises:
        GitFailed: the remote cannot be reached, or does not take it.
    """
    repository = await repository_of(workspace)
    ours = await repository.refs(ref_names.of_run(run_id, "base"), ref_names.of_run(run_id, "merged"))
    if base is not None:
        ours.setdefault(ref_names.of_run(run_id, "base"), base)
    branch = ref_names.head(ref_names.merged_branch(run_id))
    shown = await repository.refs(branch)
    async with scratch_over(repository) as scratch:
        specs = [f"+{commit}:{ref}" for ref, commit in ours.items()]
        await scratch.git("push", "-q", url, *specs, online=True)
        if branch in shown:  # for people; who has moved it there keeps it
            await scratch.git("push", "-q", url, f"{shown[branch]}:{branch}", check=False, online=True)


async def fetch_result(workspace: Path, url: str, run_id: str, agent: str, commit: str) -> None:
    """Bring what an agent on another host left into the user's repository, unless its `commit` was kept here.

    Raises:
        GitFailed: the remote cannot be reached.
    """
    repository = await repository_of(workspace)
    here = await repository.commit(ref_names.of_agent(run_id, agent, "result"))
    if here is not None and await repository.commit(commit) and await repository.is_ancestor(commit, here):
        return
    prefix = ref_names.of_agent(run_id, agent, "")
    head = ref_names.head(ref_names.branch(run_id, agent))
    result = ref_names.of_agent(run_id, agent, "result")
    async with scratch_over(repository) as scratch:
        command = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", url, f"+{prefix}*:{prefix}*")
        await scratch.git(*command, online=True)
        listed = await scratch.git("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        theirs = {line.split(" ", 1)[1]: line.split(" ", 1)[0] for line in listed.stdout.splitlines()}
        if not theirs:
            return
        sent = await send(scratch, repository, list(theirs.values()), await _known(repository), run_id)
    before = await repository.refs(prefix.rstrip("/"), head)
    moves = [Move(ref, value, before.get(ref)) for ref, value in theirs.items() if before.get(ref) != value]
    if result in theirs and theirs[result] != before.get(head):
        stays = await repository.why_branch_stays(head, before.get(head), before.get(result), theirs[result])
        moves += [] if stays else [Move(head, theirs[result], before.get(head))]
    await repository.move(moves, f"fetch the work of {agent}")
    await settle(repository, sent)


async def _known(repository: Repository) -> list[str]:
    """Commits that need not be sent: those that some reference of the repository reaches already."""
    return sorted(set((await repository.refs("refs/heads", "refs/remotes", "refs/tenuto")).values()))


async def push(mirror: Repository, url: str, run_id: str, agent: str) -> list[str]:
    """Leave an agent's result at the remote. Gives notes for a person.

    Raises:
        GitFailed: the remote cannot be reached, or does not take it.
    """
    prefix = ref_names.of_agent(run_id, agent, "")
    branch = ref_names.head(ref_names.branch(run_id, agent))
    refs = await mirror.refs(prefix.rstrip("/"), branch)
    ours = [f"+{ref}:{ref}" for ref in refs if ref != branch]
    if ours:
        await _online(mirror.common, mirror, "push", "-q", url, *ours)
    if branch in refs:
        pushed = await _online(mirror.common, mirror, "push", "-q", url, f"+{branch}:{branch}", check=False)
        if pushed.exit_code != 0:
            name = branch.removeprefix("refs/heads/")
            return [f"the branch {name} stays as it is at the remote: {in_one_line(pushed)}"]
    return []


async def fetch_run(mirror: Repository, url: str, run_id: str) -> None:
    """Bring the run's branch up to date in a mirror.

    Raises:
        GitFailed: the remote cannot be reached.
    """
    specs = [f"+{ref}:{ref}" for ref in (ref_names.of_run(run_id, "base"), ref_names.of_run(run_id, "merged"))]
    for spec in specs:  # one by one: the run's branch may not be there yet
        await _online(
            mirror.common, mirror, "fetch", "-q", "--no-tags", "--no-write-fetch-head", url, spec, check=False
        )


async def mirror_of(run: Path, remote: MeetingPoint, run_id: str, agent: str, base: str) -> tuple[Repository, str]:
    """The mirror of a run's repository on this host, with `base` in it.

    Args:
        run: the folder of the run's clones; the mirror lies in it.

    Raises:
        GitFailed, OSError: it cannot be made, or the remote does not have the base.
    """
    folder, url = run / MIRROR, remote.url
    mirror = Repository(folder, folder / "objects", folder, None, remote.prefix)
    own = ref_names.of_agent(run_id, agent, "")
    heads = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    async with _alone(run / ".mirror.lock"):
        if not folder.exists():
            new = run / f".new-mirror-{ref_names.part(agent)}"
            await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
            await git("init", "-q", "--bare", "--template=", str(new), cwd=run)
            new.rename(folder)
        if await mirror.commit(base) is None:
            await _online(folder, mirror, "fetch", "-q", "--no-write-fetch-head", url, *heads)
        await fetch_run(mirror, url, run_id)
        # What another host kept of this agent; never over what is here and not yet pushed.
        await _online(
            folder, mirror, "fetch", "-q", "--no-tags", "--no-write-fetch-head", url, f"{own}*:{own}*", check=False
        )
    commit = await mirror.commit(base)
    if commit is None:
        raise GitFailed(
            f"the remote {url} does not have the commit {base}; push it, or work on the workspace's own host"
        )
    return mirror, commit


async def _online(folder: Path, repository: Repository, *arguments: str, check: bool = True) -> GitOutcome:
    env = {"GIT_DIR": str(folder), "GIT_OBJECT_DIRECTORY": str(repository.objects)}
    return await git(*arguments, cwd=folder, env=env, check=check, timeout_s=_TIMEOUT_S, online=True)


@asynccontextmanager
async def _alone(lock: Path) -> AsyncIterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_WAIT_S)
        yield
