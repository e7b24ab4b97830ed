"""What a run changed: its workspace and its branches against the commit it began at, with who did it and who agreed.

Nothing is guessed. A file is somebody's where a tool recorded that he wrote it; whether it still has that content is
looked up; every other difference is named as one that a command, or a person, must have made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tenuto.activities.left_behind import sha256_of
from tenuto.activities.workspace import ref_names
from tenuto.activities.workspace.confined import ConfinedFiles
from tenuto.activities.workspace.differences import Difference, blobs, differences
from tenuto.activities.workspace.git import GitFailed, git

from .authors import Author, Authors
from .concerned import Concerned
from .run import KeptRun

WORKSPACE = "workspace"


async def changes(run: KeptRun) -> dict[str, Any]:
    """What a run changed, as one plain document: `places`, each with its `files`.

    Raises:
        What the store raises.
    """
    setup = await run.setup()
    workspace = Path(setup.workspace) if setup and setup.workspace else None
    base = setup.base if setup else None
    authors = await Authors.of(run)
    notes: list[str] = []
    places: list[dict[str, Any]] = []
    reviews: list[dict[str, Any]] = []
    if workspace is None:
        notes.append("this run had no workspace: there is nothing it could have changed")
    else:
        concerned = await Concerned.of(run, authors, workspace, notes)
        places = await _Look(run, concerned, workspace, base, notes).places()
        reviews = concerned.all()
    report = run.report
    return {
        "run_id": run.id,
        "status": report.status if report else "unknown",
        "workspace": str(workspace) if workspace else None,
        "base": base,
        "places": places,
        "ran_commands": authors.ran_commands,
        "reviews": reviews,
        "gates": [gate.model_dump(mode="json") for gate in report.gates] if report else [],
        "notes": notes,
    }


class _Look:
    """One look at one workspace."""

    def __init__(self, run: KeptRun, concerned: Concerned, workspace: Path, base: str | None, notes: list[str]) -> None:
        self._run = run
        self._concerned = concerned
        self._authors = concerned.authors
        self._workspace = workspace
        self._base = base
        self._notes = notes

    async def places(self) -> list[dict[str, Any]]:
        """The shared workspace first, then the run's branch, then those of its agents."""
        found = [await self._shared()]
        if self._base is not None:
            found += [place for place in await self._branches() if place is not None]
        return found

    # ------------------------------------------------------------------------------------ the shared workspace

    async def _shared(self) -> dict[str, Any]:
        seen: dict[str, Difference] = {}
        if self._base is None:
            self._notes.append(
                f"{self._workspace} was in no git repository with a commit when the run began: there is no base to "
                "compare with, so only what tools recorded is known"
            )
        else:
            try:
                seen = {each.path: each for each in await differences(self._workspace, self._base)}
            except GitFailed as error:
                self._notes.append(f"the workspace cannot be compared with its base: {error}")
        current = await asyncio.to_thread(_hashes, self._workspace, self._authors.wrote)
        if current is None:
            self._notes.append(f"there is no folder {self._workspace} on this host: what is there now is not known")
        files = []
        paths = sorted({*seen, *self._authors.wrote})
        contents = await self._concerned.here(paths)
        for path in paths:
            authors = self._authors.wrote.get(path, [])
            now = current.get(path) if current is not None else None
            file = self._file(path, seen.get(path), authors, now=now, looked=current is not None)
            files.append(file | self._concerned.with_file(path, contents))
        return {"place": WORKSPACE, "commit": None, "files": files}

    def _file(
        self, path: str, seen: Difference | None, authors: list[Author], *, now: str | None, looked: bool
    ) -> dict[str, Any]:
        return {
            "path": path,
            "how": seen.how if seen else _how(authors, now, self._base is not None and looked),
            "added": seen.added if seen else None,
            "removed": seen.removed if seen else None,
            "by": [author.named() for author in authors],
            "state": _state(authors, now, looked),
            "sha256": now,
        }

    # ----------------------------------------------------------------------------------------------- branches

    async def _branches(self) -> list[dict[str, Any] | None]:
        merged = ref_names.of_run(self._run.id, "merged")
        places: list[dict[str, Any] | None] = []
        try:
            found = await git("rev-parse", "--verify", "-q", f"{merged}^{{commit}}", cwd=self._workspace, check=False)
        except GitFailed as error:
            self._notes += [
                f"{each.agent} left {each.commit}, not looked at: {error}" for each in self._authors.branches
            ]
            return places
        if found.exit_code == 0:
            by = [{"id": each.agent, "label": each.label, "phase": each.phase} for each in self._authors.branches]
            places.append(await self._branch(ref_names.merged_branch(self._run.id), found.stdout.strip(), by))
        for each in self._authors.branches:
            name = each.branch or ref_names.branch(self._run.id, each.agent)
            by = [{"id": each.agent, "label": each.label, "phase": each.phase}]
            places.append(await self._branch(name, each.commit, by))
        return places

    async def _branch(self, name: str, commit: str, by: list[dict[str, Any]]) -> dict[str, Any] | None:
        try:
            listed = await differences(self._workspace, str(self._base), commit)
            contents = await blobs(self._workspace, str(self._base), commit)
        except GitFailed as error:
            self._notes.append(f"{name} ({commit[:12]}) cannot be compared with the base: {error}")
            return None
        files = [
            {
                "path": each.path,
                "how": each.how,
                "added": each.added,
                "removed": each.removed,
                "state": "committed",
                **self._concerned.with_file(each.path, contents),
            }
            for each in listed
        ]
        return {"place": name, "commit": commit, "by": by, "files": files}


def _hashes(workspace: Path, paths: Iterable[str]) -> dict[str, str | None] | None:
    try:
        files = ConfinedFiles(workspace)
    except OSError:
        return None
    return {path: sha256_of(files, path) for path in paths}


def _how(authors: list[Author], now: str | None, compared: bool) -> str:
    """Of a file that a tool wrote, and that git does not show as different."""
    if compared:
        # Ignored by git, or put back to what it was.
        return "as before, or ignored by git" if now is not None else "absent"
    return "removed" if authors[-1].sha256 is None else "written"


def _state(authors: list[Author], now: str | None, looked: bool) -> str:
    if not authors:
        return "no tool recorded this: a command did it, or a person"
    if not looked:
        return "not looked at"
    if authors[-1].sha256 == now:
        return "as it was left"
    if any(author.sha256 == now for author in authors):
        return "as an earlier author left it"
    return "changed since"
