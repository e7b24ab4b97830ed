"""Which reviews and gates concern a file that a run changed, and whether a review saw the file as it is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenuto.activities.workspace.differences import Blobs, blobs, blobs_here
from tenuto.activities.workspace.git import GitFailed
from tenuto.workflows.review_views import ReviewView

from .authors import Authors, paths_in
from .run import KeptRun


@dataclass(slots=True)
class Concerned:
    """The reviews and gates of one run, by the files that they are about."""

    authors: Authors
    workspace: Path
    reviews: list[ReviewView]
    gates: list[tuple[str, set[str]]]
    _commits: dict[str, Blobs] = field(default_factory=dict)
    """Review -> the files that its commit changed, with their content there."""

    @classmethod
    async def of(cls, run: KeptRun, authors: Authors, workspace: Path, notes: list[str]) -> Concerned:
        """Look up what the commits that were reviewed changed; what cannot be is noted."""
        report = run.report
        reviews = [authors.heard.named(review) for review in report.reviews] if report else []
        found = cls(authors, workspace, reviews, [(g.name, paths_in(g.name)) for g in report.gates] if report else [])
        known: dict[tuple[str, str, tuple[str, ...]], Blobs] = {}
        for review in reviews:
            if review.commit is None or review.base is None:
                continue
            key = (review.base, review.commit, tuple(review.paths))
            try:
                if key not in known:
                    known[key] = await blobs(workspace, review.base, review.commit, review.paths)
            except GitFailed as error:
                notes.append(f"{review.id} is of {review.commit[:12]}, which cannot be looked at: {error}")
                continue
            found._commits[review.id] = known[key]
        return found

    async def here(self, paths: list[str]) -> Blobs:
        """The content in the workspace of those files that a reviewed commit changed; as far as git can tell."""
        wanted = sorted(set(paths) & {path for files in self._commits.values() for path in files})
        try:
            return await blobs_here(self.workspace, wanted)
        except GitFailed:
            return {}

    def with_file(self, path: str, contents: Blobs) -> dict[str, Any]:
        """`reviews` and `gates` of one file. `contents` are those of the place where it lies."""
        return {
            "reviews": [
                self._told(review) | {"same": self._same(review, path, contents)}
                for review in self.reviews
                if path in self._commits.get(review.id, ()) or self.authors.names(path, review)
            ],
            "gates": [name for name, paths in self.gates if path in paths],
        }

    def all(self) -> list[dict[str, Any]]:
        """Every review, with the files of its commit."""
        return [self._told(each) | {"files": sorted(self._commits.get(each.id, ()))} for each in self.reviews]

    def _told(self, review: ReviewView) -> dict[str, Any]:
        kept = ("id", "kind", "verdict", "rounds", "work", "author", "commit", "base", "paths")
        return review.model_dump(include=set(kept)) | {"votes": self.authors.heard.votes(review)}

    def _same(self, review: ReviewView, path: str, contents: Blobs) -> bool | None:
        """Whether the file there is the one that the review saw; `None` where it is not known."""
        files = self._commits.get(review.id, {})
        if path not in files or path not in contents:
            return None
        return files[path] == contents[path]
