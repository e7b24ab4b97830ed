"""Configuration: one frozen object, built once at the edge.

Each value comes from the first of: flag, environment, `tenuto.toml` (the nearest one upward from the workspace, then
the one in `TENUTO_HOME`), default. How to reach Temporal is read through `temporalio.envconfig`, so that `TEMPORAL_*`
variables and Temporal's own configuration file mean here what they mean everywhere.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .given import ENVIRONMENT, NOTIFY, TABLES, Given, UsageError, is_on
from .versioning import Deployment

__all__ = ["Settings", "UsageError", "here", "here_or_none", "home_of"]

FILE_NAME = "tenuto.toml"
DEFAULT_TASK_QUEUE = "tenuto"
DEFAULT_NAMESPACE = "default"
DEFAULT_MODEL = "sonnet"
STORE_SCHEMES = ("file", "s3", "gs", "az")
OFF_SWITCHES = ("TENUTO_DISABLE", "CLAUDE_CODE_DISABLE_WORKFLOWS")
FILE_KEYS = frozenset({*ENVIRONMENT, "address", "namespace", "allow", "deny", *TABLES})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a command, the Worker and the embedded service take from outside."""

    home: Path
    """`TENUTO_HOME`, absolute: embedded service, logs, credentials, and the default store."""
    store: str
    """URL of the store: `file://`, `s3://`, `gs://` or `az://`."""
    address: str | None = None
    """`host:port` of the Temporal Service; `None` until the embedded one has been started."""
    namespace: str = DEFAULT_NAMESPACE
    embedded: bool = True
    """Whether the Temporal Service is this home's own."""
    ui: str | None = None
    """Base URL of the Temporal UI, where it is known."""
    task_queue: str = DEFAULT_TASK_QUEUE
    concurrency: int | None = None
    """Agents at once in a run; `None` leaves it to the run's size."""
    model: str = DEFAULT_MODEL
    max_usd: float | None = None
    """Ceiling of a run in dollars; `None` for no ceiling."""
    local_store: bool = False
    """A store on this host's disk is meant, though the Temporal Service may be shared with other hosts."""
    host: str | None = None
    """This host's name among those that share the Task Queue; `None` is its host name."""
    overload_hours: float = 24.0
    """How long an API that is overloaded or out of reach is tried, before the agent fails."""
    deployment: Deployment | None = None
    """Version of this Worker in Temporal's Worker Versioning; `None` is without."""
    allow: tuple[str, ...] = ()
    """Permission rules that every run of this configuration has."""
    deny: tuple[str, ...] = ()
    """Permission rules that stand before every `allow`; those of the project's file and of the user's together."""
    project: Path | None = None
    """Folder of the project's `tenuto.toml`, if there is one: where `/x` in its rules begins."""
    setup: str | None = None
    """Command that runs once in each fresh clone of the workspace."""
    untracked: tuple[str, ...] = ()
    """Files and folders that git does not track and a clone needs all the same, relative to the workspace."""
    gate_files: tuple[str, ...] = ()
    """Patterns of further files that define this project's checks."""
    notify_command: str | None = None
    """Shell command that is told of questions, holds and the end of runs."""
    notify_url: str | None = None
    """URL to which that is posted."""
    disabled_by: str | None = None
    """The variable that turns starting runs off, if one does."""
    history_events: int | None = None
    """Events of an Event History after which a run goes on in a new one; `None` leaves it to the Temporal Service."""

    @classmethod
    def load(
        cls,
        workspace: Path | None = None,
        environ: Mapping[str, str] | None = None,
        **flags: Any,
    ) -> Settings:
        """Build the settings. Flags that are `None` count as not given.

        Args:
            workspace: where the search for the project's `tenuto.toml` starts; the working directory by default.
            environ: the process environment by default.
            flags: values by setting name (`store`, `task_queue`, `concurrency`, `model`, `max_usd`, `local_store`).

        Raises:
            UsageError: a value cannot be used; the message names it and its place.
        """
        environ = os.environ if environ is None else environ
        home = home_of(environ)
        files = _files(workspace or here_or_none(), home)
        given = Given(flags, environ, files)
        table = given.table("workspace")
        notify = _notify(environ, files, home)
        profile = _temporal_profile(environ)
        address = profile.get("address") or given.text("address")
        if address and not _is_address(address):
            raise UsageError(
                f"the Temporal address is {address!r}; expected host:port, such as temporal.example.com:7233"
            )
        settings = cls(
            home=home,
            store=_store(given, home),
            address=address,
            namespace=profile.get("namespace") or given.text("namespace") or DEFAULT_NAMESPACE,
            embedded=address is None,
            task_queue=given.text("task_queue") or DEFAULT_TASK_QUEUE,
            concurrency=given.integer("concurrency"),
            model=given.text("model") or DEFAULT_MODEL,
            max_usd=given.dollars("max_usd"),
            local_store=given.switch("local_store"),
            host=given.text("host"),
            overload_hours=given.number("overload_hours", "hours, a number such as 24", 24.0),
            deployment=Deployment.of(environ),
            allow=given.rules("allow"),
            deny=given.rules("deny"),
            project=next((path.parent for path, _ in files if path.parent != home), None),
            setup=table.text("setup"),
            untracked=table.paths("untracked"),
            gate_files=given.table("gates").paths("files"),
            notify_command=notify["command"],
            notify_url=notify["url"],
            disabled_by=next((name for name in OFF_SWITCHES if is_on(name, environ.get(name, ""))), None),
            history_events=given.integer("history_events"),
        )
        if not settings.embedded and settings.store.startswith("file://") and not settings.local_store:
            raise UsageError(
                f"the store {settings.store} is on this host's disk, but the Temporal Service at {address} may have "
                "Workers on others: set TENUTO_STORE to an s3://, gs:// or az:// URL that all of them reach, or pass "
                "--local-store (TENUTO_LOCAL_STORE=1) if every Worker runs on this host"
            )
        return settings

    @property
    def has_hook(self) -> bool:
        """Whether anybody is to be told what happens to runs."""
        return bool(self.notify_command or self.notify_url)

    @property
    def several_hosts(self) -> bool:
        """Whether Workers may be on other hosts than this one: a store on this host's disk serves it alone."""
        return not self.store.startswith("file://")

    def at(self, address: str, ui: str | None) -> Settings:
        """The same settings with the embedded service's address."""
        return replace(self, address=address, ui=ui)

    def ui_of(self, run_id: str) -> str | None:
        """Page of one run in the Temporal UI."""
        return f"{self.ui}/namespaces/{self.namespace}/workflows/{run_id}" if self.ui else None


def home_of(environ: Mapping[str, str]) -> Path:
    """`TENUTO_HOME` as an absolute path, `~/.tenuto` by default.

    Raises:
        UsageError: it cannot be a directory.
    """
    text = environ.get("TENUTO_HOME") or "~/.tenuto"
    try:
        home = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - a symlink to a disk stays one
        there = home.is_dir()
        blocked = not there and any(parent.exists() and not parent.is_dir() for parent in (home, *home.parents))
    except (RuntimeError, ValueError, OSError) as error:
        raise UsageError(f"TENUTO_HOME is {text!r}, which cannot be used ({error}): name a directory") from None
    if blocked:
        raise UsageError(f"TENUTO_HOME is {text!r}, which is or goes through a file: name a directory")
    return home


def _notify(environ: Mapping[str, str], files: list[tuple[Path, dict[str, Any]]], home: Path) -> dict[str, str | None]:
    """The hook: from the environment, else from the user's own file."""
    for path, values in files:
        if path.parent != home and "notify" in values:
            raise UsageError(
                f"[notify] in {path} is not obeyed: a hook runs outside of the sandbox, so a project cannot name one. "
                f"Move it to {home / FILE_NAME}, or set TENUTO_NOTIFY_COMMAND or TENUTO_NOTIFY_URL"
            )
    table = Given({}, environ, files).table("notify")
    found = {key: (environ.get(variable) or "").strip() or table.text(key) for key, variable in NOTIFY.items()}
    url = found["url"]
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise UsageError(f"the notify url is {url!r}; expected one that starts with http:// or https://")
    return found


def _store(given: Given, home: Path) -> str:
    url = given.text("store")
    if url is None:
        return (home / "store").as_uri()
    parts = urlsplit(url)
    local = parts.scheme == "file"
    if parts.scheme not in STORE_SCHEMES or (local and not parts.path) or local == bool(parts.netloc):
        raise UsageError(
            f"{given.places['store']} is {url!r}; expected a URL such as file:///var/lib/tenuto, s3://bucket/prefix, "
            "gs://bucket/prefix or az://container/prefix"
        )
    return url


def here() -> Path:
    """The working directory.

    Raises:
        UsageError: it was deleted under the shell that stands in it.
    """
    found = here_or_none()
    if found is None:
        raise UsageError("the working directory does not exist any more; change to one that does")
    return found


def here_or_none() -> Path | None:
    """The working directory, or `None` if it was deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def _files(workspace: Path | None, home: Path) -> list[tuple[Path, dict[str, Any]]]:
    upward = _upward(workspace) if workspace is not None else []
    project = next((path for path in upward if path.is_file()), None)
    places = [path for path in (project, home / FILE_NAME) if path is not None and path.is_file()]
    return [(path, _read(path)) for path in dict.fromkeys(places)]


def _upward(workspace: Path) -> list[Path]:
    start = Path(os.path.abspath(workspace))  # noqa: PTH100 - the project is where the person stands
    return [folder / FILE_NAME for folder in (start, *start.parents)]


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f'{path} cannot be read: {error}; expected TOML such as: model = "sonnet"') from None
    unknown = sorted(set(values) - FILE_KEYS)
    if unknown:
        raise UsageError(f"{path} has the unknown setting {unknown[0]!r}; there are: {', '.join(sorted(FILE_KEYS))}")
    return values


def _temporal_profile(environ: Mapping[str, str]) -> dict[str, str]:
    """Address and namespace by Temporal's own rules: its variables, then its configuration file."""
    from temporalio.envconfig import ClientConfigProfile

    try:
        profile = ClientConfigProfile.load(override_env_vars=dict(environ))
    except (RuntimeError, ValueError, OSError) as error:
        raise UsageError(
            f"the Temporal configuration cannot be read: {error}; look at the TEMPORAL_ variables"
        ) from None
    found = {"address": profile.address, "namespace": profile.namespace}
    return {name: value for name, value in found.items() if value}


def _is_address(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536 and not any(c.isspace() or c == "/" for c in host)
