"""What the commands share: the settings, a connection that starts the embedded service where it is needed, options."""

from __future__ import annotations

import asyncio
import getpass
import os
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import Settings, UsageError, here
from .output import notice

if TYPE_CHECKING:
    from temporalio.client import Client

    from ..runs import Runs

CONNECT_S = 5.0

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
LocalStoreOption = Annotated[
    bool | None,
    typer.Option("--local-store", help="With a Temporal Service of one's own: every Worker is on this host."),
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run id, as `tenuto ls` lists it.")]


@dataclass(slots=True)
class Connection:
    """Reaches the Temporal Service of the settings; the embedded one is started if need be."""

    settings: Settings
    starts: bool = True
    """Whether an embedded service that is not running may be started; a follower only comes back to one."""

    async def client(self) -> Client:
        """A Client. Raises `Unreachable`."""
        from ..connect import Unreachable, connect
        from ..service import service

        settings = self.settings
        if settings.embedded:
            # In a thread: a follower's terminal keeps moving while the service starts.
            start = partial(service.ensure, settings, worker=False, notice=notice)
            running = await asyncio.to_thread(start) if self.starts else service.current(settings.home)
            if running is None:
                raise Unreachable("the embedded service is not running: tenuto up")
            settings = settings.at(running.address, running.ui)
        keep_stdout()
        try:
            async with asyncio.timeout(CONNECT_S):
                return await connect(settings)
        except TimeoutError:
            raise Unreachable(
                f"no Temporal Service answered at {settings.address} within {CONNECT_S:.0f} s; check TEMPORAL_ADDRESS, "
                "or unset it to use the embedded service"
            ) from None


@cache
def keep_stdout() -> None:
    """Have the SDK's core say nothing: it warns of requests that it tries again on stdout, which is for the result.

    What comes of such a request a command says itself. To be called before the first Client is made.
    """
    from temporalio.runtime import Runtime, TelemetryConfig

    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False)


def open_runs(settings: Settings, *, starts: bool = True) -> Runs:
    """The runs of these settings; nothing is connected to or started before it is needed.

    Raises:
        UsageError: the store cannot be opened.
    """
    from tenuto.activities.store import Store, StoreError

    from ..runs import Runs
    from ..service import service

    running = service.current(settings.home) if settings.embedded else None
    try:
        store = Store(settings.store)
    except StoreError as error:
        raise UsageError(f"{error}; look at TENUTO_STORE") from None
    shown = settings.at(running.address, running.ui) if running else settings
    return Runs(shown, store, Connection(settings, starts=starts).client)


def owner_name() -> str:
    """Who starts a run, if nothing else is said: the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def require_fit(workspace: Path, home: Path) -> None:
    """Check that agents may be let into a workspace; `home` is `TENUTO_HOME`.

    Raises:
        UsageError: it is the system's or Tenuto's own.
    """
    from tenuto.activities.protected import is_system, is_tenutos

    root = workspace.resolve()
    if is_system(root):
        raise UsageError(
            f"the workspace {root} is a system folder: name a folder of the project's own with --workspace"
        )
    if is_tenutos(root, home):
        raise UsageError(
            f"the workspace {root} lies in {home}, where Tenuto keeps its own files: name a folder of the project's "
            "own with --workspace"
        )


def warn_of(workspace: Path, home: Path) -> None:
    """A notice where a workspace is allowed and unwise: told last, when nothing else keeps the run from starting."""
    from tenuto.activities.protected import about

    said = about(workspace.resolve(), home)
    if said is not None:
        notice(said)


def directory(text: str | None) -> Path:
    """The workspace: a directory, the working directory by default.

    Raises:
        UsageError: it is not one.
    """
    path = Path(text).expanduser() if text is not None else here()
    if not path.is_dir():
        raise UsageError(f"--workspace is {str(path)!r}, which is not a directory; name one that exists")
    return path.resolve()
