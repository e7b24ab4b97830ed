"""Every Activity of a Worker, with what its implementations share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tenuto.activities.agent import AgentActivities
from tenuto.activities.ceilings import CeilingActivities
from tenuto.activities.credentials import Credentials
from tenuto.activities.journal import JournalActivities
from tenuto.activities.mcp.config import configured_servers
from tenuto.activities.mcp.tools import McpServers
from tenuto.activities.merging import MergeActivities
from tenuto.activities.notices import Hook, NoticeActivities
from tenuto.activities.places import Places, StepStations
from tenuto.activities.reports import ReportActivities
from tenuto.activities.run_setup import SetupActivities
from tenuto.activities.sandbox.force import probe
from tenuto.activities.saved_workflows import ScriptActivities
from tenuto.activities.steps.activities import StepActivities
from tenuto.activities.store import Store
from tenuto.activities.tidying import TidyActivities
from tenuto.activities.tools.ripgrep import found_lines
from tenuto.activities.workshop import Workshop
from tenuto.activities.workspace.clone import Clones

from .simulation import Simulation

if TYPE_CHECKING:
    from .config import Settings


def _hook() -> Hook:
    """As it is configured now: a file that is mended counts at the next attempt."""
    from .config import Settings, UsageError

    try:
        settings = Settings.load()
    except UsageError as error:
        raise ValueError(str(error)) from None
    return Hook(settings.notify_command, settings.notify_url)


class Implementations:
    """The Activities of one Worker process; `async with` ends the sessions and connections they hold."""

    def __init__(self, settings: Settings, store: Store, simulation: Simulation) -> None:
        self.store = store
        home = Path(settings.home)
        self._servers = McpServers(home)
        places = Places(store, home)
        clones = Clones(home)
        workshop = Workshop(store, places, clones, self._servers)
        self._agents = AgentActivities(
            store, Credentials(home), simulation.url, workshop, overload_s=settings.overload_hours * 3600
        )
        reports = ReportActivities(store)
        journal = JournalActivities(store)
        steps = StepActivities(store, StepStations(store, places), found_lines, self._servers)
        self.all: list[Callable[..., Any]] = [
            self._agents.run_agent,
            self._agents.open_gates,
            CeilingActivities(store).tell_ceilings,
            reports.write_report,
            reports.append_log,
            ScriptActivities(home).load_script,
            SetupActivities(store, walls=probe, servers=configured_servers).prepare_run,
            MergeActivities().integrate_commit,
            TidyActivities(home, clones).tidy_run,
            journal.open_journal,
            journal.recall_agents,
            journal.hash_files,
            NoticeActivities(store, home, _hook).notify,
            *steps.all,
        ]
        """What a Worker registers."""

    async def __aenter__(self) -> Implementations:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._servers.close()
        await self._agents.close()
