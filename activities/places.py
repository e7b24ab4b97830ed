"""Where agents and steps work: files and commands of one folder, under the rules of a run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.policy.decide import Rules
from tenuto.workflows.setup_contracts import RunSetup
from tenuto.workflows.step_contracts import StepInput

from .protected import guard_of
from .run_setup import load_setup
from .sandbox.sandbox import Sandbox
from .steps.station import Station, StepFailed
from .store import Store
from .tools.tool import Place
from .workspace.confined import ConfinedFiles


class Places:
    """Makes places. One per Worker; `home` is `TENUTO_HOME`."""

    def __init__(self, store: Store, home: Path) -> None:
        self._store = store
        self._home = home

    def open(
        self,
        setup: RunSetup,
        rules: Rules,
        folder: str,
        *,
        clone: Path | None = None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> Place:
        """The shared workspace of a run, or an agent's own clone.

        Args:
            rules: of the run, or narrowed to the agent.
            folder: store prefix for what belongs to this agent or step.

        Raises:
            OSError: there is no such folder on this host.
        """
        root = clone if clone is not None else Path(setup.workspace or "")
        shared = clone is None
        where = str(root)
        files = ConfinedFiles(
            root,
            guard=guard_of(root, self._home),
            hidden=lambda path: rules.hides(path, workspace=where),
            kept=lambda path: rules.decide("Write", {"file_path": path}, workspace=where, shared=shared) is not None,
        )
        sandbox = Sandbox(
            files.root,
            home=self._sandbox(setup.run_id),
            hosts=rules.hosts(),
            allows_host=rules.allows_host,
            walls=setup.policy.sandbox,
            shared=shared,
            allowed_git=rules.git_allowed(),
            hidden=(self._home,) if not files.root.is_relative_to(os.path.realpath(self._home)) else (),
        )
        return Place(files.root, files, sandbox, self._store, folder, shared=shared, say=say)

    def home_of(self, run_id: str) -> Path:
        """`HOME` of the commands of a run."""
        return self._sandbox(run_id) / "home"

    def _sandbox(self, run_id: str) -> Path:
        return self._home / "sandboxes" / run_id


class StepStations:
    """Implements `Stations`: every step works in the run's shared workspace."""

    def __init__(self, store: Store, places: Places) -> None:
        self._store = store
        self._places = places

    async def station(self, input: StepInput, folder: str, say: Callable[[str], None]) -> Station:
        """Equip one attempt of one step.

        Raises:
            StepFailed: `workspace`, where it is not on this host.
        """
        setup = await load_setup(self._store, input.setup)
        rules = rules_of(setup)
        try:
            place = await asyncio.to_thread(self._places.open, setup, rules, folder, say=say)
        except OSError as error:
            raise StepFailed(kinds.WORKSPACE, f"the workspace cannot be used: {error}") from error
        return Station(setup, rules, place, self._places.home_of(setup.run_id))


def rules_of(setup: RunSetup) -> Rules:
    """The rules of a run. Raises `RuleError` where one cannot be read, which its starter has checked."""
    return Rules.of(setup.policy, origin=setup.workspace)
