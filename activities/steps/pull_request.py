"""`pullRequest`: a branch pushed, and its request found or opened once. The one step that acts outside the sandbox."""

from __future__ import annotations

import re
from pathlib import Path

from tenuto.workflows.step_contracts import OpenPullRequestInput, OpenPullRequestResult

from ..store import Store
from ..workspace.git import GitFailed
from .branch import Outbound, Remote, outbound
from .forge import Forge, ForgeFailed, is_known, programs_for, transient
from .journal import StepJournal
from .station import Station, StepAgain, StepFailed, refused

TITLE_CHARS_MAX = 1000
BODY_CHARS_MAX = 60_000
"""GitHub takes 65,536, and one argument of a program 128 KiB."""
_BRANCH = re.compile(r"(?!-)(?!.*(?:\.\.|@\{|//|\.lock(?:/|$)))[^\s~^:?*\[\\\x00-\x20\x7f]+(?<![./])")
KIND = "pull_request"


async def open_request(input: OpenPullRequestInput, station: Station, store: Store) -> OpenPullRequestResult:
    """Push the branch and open its request, unless it has one.

    Every attempt looks first, so an attempt that was lost at any point leaves one request and not two.

    Raises:
        StepFailed: `refused`, `bad_arguments`, `too_large`, `not_found`, `pull_request`.
        StepAgain: the remote or the forge cannot be reached for now.
    """
    _check(input)
    station.require("Bash", {"command": f"git push origin {input.branch}"})
    journal = StepJournal(store, input)
    before = await journal.before()
    if before.ended:
        return OpenPullRequestResult.model_validate(before.result)
    if station.setup.origin is None:
        return await _without(input, journal, "the repository has no remote, so the branch stays where it is")
    remote = Remote.of(station.setup.origin)
    _allow(station, remote)
    try:
        async with outbound(station.place.root, remote) as out:
            commit = await out.repository.commit(f"refs/heads/{input.branch}")
            if commit is None:
                raise StepFailed("not_found", f"{_named(input)}: the repository has no branch {input.branch!r}")
            station.place.say(f"pushing {input.branch}")
            await out.push(input.branch, commit)
            result = await _requested(input, out, station, journal, mine=before.started is not None)
    except (GitFailed, ForgeFailed) as error:
        if transient(str(error)):
            raise StepAgain(KIND, f"{_named(input)}: {error}") from error
        raise StepFailed(KIND, f"{_named(input)}: {error}") from error
    await journal.end(result.model_dump(mode="json"), branch=input.branch, commit=commit)
    return result


async def _requested(
    input: OpenPullRequestInput, out: Outbound, station: Station, journal: StepJournal, *, mine: bool
) -> OpenPullRequestResult:
    programs = programs_for(out.remote)
    reason = f"there is no command of its forge here (gh, glab); the branch is at {out.remote.url}"
    for program in programs:
        forge = Forge(program, out.remote, out.folder)
        station.place.say(f"looking for the request of {input.branch} with {program}")
        try:
            url = await forge.find(input.branch)
        except ForgeFailed as error:
            if is_known(out.remote) or transient(str(error)):
                raise
            reason = f"the branch is at {out.remote.url}, which is of no forge that is known here: {error}"
            continue
        if url is not None:
            # Found by an attempt after one that was about to create it: that one did.
            return OpenPullRequestResult(branch=input.branch, url=url, created=mine)
        await journal.start(branch=input.branch)
        station.place.say(f"opening the request of {input.branch} with {program}")
        return await _created(input, forge)
    return OpenPullRequestResult(branch=input.branch, reason=reason)


async def _created(input: OpenPullRequestInput, forge: Forge) -> OpenPullRequestResult:
    try:
        return OpenPullRequestResult(branch=input.branch, url=await forge.create(input), created=True)
    except ForgeFailed:
        # It may be there all the same: somebody was faster, or only the answer was lost.
        url = await forge.find(input.branch)
        if url is None:
            raise
        return OpenPullRequestResult(branch=input.branch, url=url, created=False)


async def _without(input: OpenPullRequestInput, journal: StepJournal, reason: str) -> OpenPullRequestResult:
    result = OpenPullRequestResult(branch=input.branch, reason=reason)
    await journal.end(result.model_dump(mode="json"), branch=input.branch)
    return result


def _allow(station: Station, remote: Remote) -> None:
    """A remote on another host needs a rule for that host; one in the workspace could be an agent's own making."""
    if remote.host is None:
        if Path(remote.url.removeprefix("file://")).resolve().is_relative_to(station.place.root):
            raise refused("pullRequest: the remote lies inside the workspace", "use a remote outside of it")
    elif not station.rules.allows_host(remote.host):
        raise refused(
            f"pullRequest: the host {remote.host} of the remote is not among those this run may reach",
            f"allow it with --allow 'Network({remote.host})'",
        )


def _check(input: OpenPullRequestInput) -> None:
    for what, name in (("branch", input.branch), ("base", input.base)):
        if name is not None and _BRANCH.fullmatch(name) is None:
            raise StepFailed(
                "bad_arguments", f"{_named(input)}: {what} is {name[:200]!r}, which is no name of a branch"
            )
    for what, text, most in (("title", input.title, TITLE_CHARS_MAX), ("body", input.body, BODY_CHARS_MAX)):
        if len(text) > most:
            raise StepFailed("too_large", f"{_named(input)}: {what} has {len(text):,} characters; at most {most:,}")
        if "\0" in text:
            raise StepFailed("bad_arguments", f"{_named(input)}: {what} has a NUL character")
    if not input.title.strip():
        raise StepFailed("bad_arguments", f"{_named(input)}: the title is empty")


def _named(input: OpenPullRequestInput) -> str:
    return f"pullRequest({input.branch[:80]!r})"
