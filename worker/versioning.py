"""Worker Versioning: which version of a Worker Deployment this Worker is, and what becomes of runs in flight.

Off unless both variables are set that Temporal's Worker Controller sets too. Runs move to the current version
(`auto-upgrade`) unless told to stay (`pinned`): a version of ours has to replay the histories of all earlier ones,
which the golden histories are there for, and a run may live for weeks, for which nobody keeps old Workers. Pinned is
for the one thing that cannot be replayed elsewhere: another version of an interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.worker import WorkerDeploymentConfig

NAME, BUILD_ID, BEHAVIOR = "TEMPORAL_DEPLOYMENT_NAME", "TEMPORAL_WORKER_BUILD_ID", "TENUTO_VERSIONING"
MOVES, STAYS = "auto-upgrade", "pinned"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One version."""

    name: str
    build_id: str
    pinned: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Deployment | None:
        """The version that an environment names, or `None` for a Worker without one.

        Raises:
            UsageError: one of the two is missing, or the behaviour is neither of those there are.
        """
        from .config import UsageError

        name, build_id = environ.get(NAME, "").strip(), environ.get(BUILD_ID, "").strip()
        behavior = environ.get(BEHAVIOR, "").strip() or MOVES
        if behavior not in (MOVES, STAYS):
            raise UsageError(f"{BEHAVIOR} is {behavior!r}; expected {MOVES} or {STAYS}")
        if not name and not build_id:
            return None
        if not name or not build_id:
            missing, there = (NAME, BUILD_ID) if build_id else (BUILD_ID, NAME)
            raise UsageError(f"{there} is set and {missing} is not; Worker Versioning takes both, or neither")
        if "." in name:
            raise UsageError(f"{NAME} is {name!r}; expected a name without a dot, which separates it from the build id")
        return cls(name, build_id, behavior == STAYS)

    def config(self) -> WorkerDeploymentConfig:
        """As a Worker takes it."""
        from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
        from temporalio.worker import WorkerDeploymentConfig

        return WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(self.name, self.build_id),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.PINNED if self.pinned else VersioningBehavior.AUTO_UPGRADE,
        )
