"""Who wrote which file in a run, and which reviews concern it: from the records of agents and steps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tenuto.workflows.review_views import ReviewView

from .reviewed import Heard, without_change
from .run import KeptRun

_WORDS = re.compile(r"[\w@+~./-]+")


@dataclass(frozen=True, slots=True)
class Author:
    """An agent or step of the shared workspace that wrote a file, as the tool recorded it."""

    id: str
    label: str
    phase: str | None
    at: str
    sha256: str | None
    """Of the file as it left it; `None` where it removed it."""

    def named(self) -> dict[str, Any]:
        """For a document."""
        return {"id": self.id, "label": self.label, "phase": self.phase, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Branch:
    """What an agent with a checkout of its own came to."""

    agent: str
    label: str
    phase: str | None
    branch: str | None
    commit: str


@dataclass(slots=True)
class Authors:
    """Everything that is recorded about files of one run."""

    wrote: dict[str, list[Author]] = field(default_factory=dict)
    """Path -> who wrote it in the shared workspace, oldest first."""
    branches: list[Branch] = field(default_factory=list)
    ran_commands: list[dict[str, Any]] = field(default_factory=list)
    """Agents and steps whose commands may have changed files without a record of it."""
    heard: Heard = field(default_factory=Heard)
    """What reviewers were shown, and said."""
    _seen: dict[str, set[str]] = field(default_factory=dict)
    """Agent of a review -> what looks like a path in its prompt, and what it read."""

    @classmethod
    async def of(cls, run: KeptRun) -> Authors:
        """Read all records of a run once."""
        found = cls()
        reviews = run.report.reviews if run.report else []
        reviewers = {agent for review in reviews for agent in review.agents}
        async for agent in run.agents(messages=False):
            record = agent.record
            if record is not None:
                found._add(agent.id, record, reviews=agent.id in reviewers)
        async for step in run.steps():
            made = step.record or {}
            if made.get("sha256") and made.get("path"):
                found._write(made["path"], Author(step.id, "write()", None, str(made.get("at")), made["sha256"]))
            elif "command" in made:
                found.ran_commands.append({"id": step.id, "label": "sh()", "commands": 1})
        for authors in found.wrote.values():
            authors.sort(key=lambda author: author.at)
        return found

    def names(self, path: str, review: ReviewView) -> bool:
        """Whether the work of a review names a file, or its reviewers read it."""
        return any(path in self._seen.get(agent, ()) for agent in review.agents)

    def _add(self, agent: str, record: dict[str, Any], *, reviews: bool) -> None:
        label, phase = str(record.get("label")), record.get("phase")
        if record.get("commit"):
            self.branches.append(Branch(agent, label, phase, record.get("branch"), record["commit"]))
        elif record.get("left") == "files":
            for path, sha256 in (record.get("wrote") or {}).items():
                self._write(path, Author(agent, label, phase, str(record.get("ended_at")), sha256))
        if record.get("commands") and not record.get("commit"):
            self.ran_commands.append({"id": agent, "label": label, "commands": len(record["commands"])})
        if reviews:
            self.heard.add(agent, record, diff_chars=0)
            seen = set(record.get("read") or {})
            # Of a commit the files are those that differ: its diff has words of every kind.
            self._seen[agent] = seen | paths_in(without_change(str(record.get("prompt"))))

    def _write(self, path: str, author: Author) -> None:
        self.wrote.setdefault(path, []).append(author)


def paths_in(text: str) -> set[str]:
    """What looks like the path of a file in a text."""
    words = (word for word in _WORDS.findall(text) if "." in word or "/" in word)
    return {word.removeprefix("./").rstrip("./-") for word in words}
