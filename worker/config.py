"""Configuration: one frozen object, built once at the edge.

Each value comes from the first of: flag, environment, `tenuto.toml` (the nearest one upward from the workspace, then
the one in `TENUTO_HOME`), default. How to reach Temporal is read through `temporalio.envconfig`, so that `TEMPORAL_*`
variables and Temporal's own configuration file mean here what they mean everywhere.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .versioning import Deployment

FILE_NAME = "tenuto.toml"
DEFAULT_TASK_QUEUE = "tenuto"
DEFAULT_NAMESPACE = "default"
DEFAULT_MODEL = "sonnet"
STORE_SCHEMES = ("file", "s3", "gs", "az")
HISTORY_EVENTS = "TENUTO_HISTORY_EVENTS_MAX"
OFF_SWITCHES = ("TENUTO_DISABLE", "CLAUDE_CODE_DISABLE_WORKFLOWS")
ENVIRONMENT: dict[str, str] = {
    "store": "TENUTO_STORE",
    "task_queue": "TENUTO_TASK_QUEUE",
    "concurrency": "TENUTO_CONCURRENCY",
    "model": "TENUTO_MODEL",
    "max_usd": "TENUTO_MAX_USD",
    "local_store": "TENUTO_LOCAL_STORE",
    "host": "TENUTO_HOST",
    "overload_hours": "TENUTO_OVERLOAD_HOURS",
}
"""Setting -> environment variable. The same names without a variable are flags and keys of `tenuto.toml`."""
NOTIFY = {"command": "TENUTO_NOTIFY_COMMAND", "url": "TENUTO_NOTIFY_URL"}
"""Keys of the table `[notify]`, with their variables. A project's file has no say: a command runs outside of walls."""
TABLES = {"notify": frozenset(NOTIFY), "workspace": frozenset({"setup", "untracked"}), "gates": frozenset({"files"})}
"""Tables of `tenuto.toml`, and their keys."""
FILE_KEYS = frozenset({*ENVIRONMENT, "address", "namespace", "allow", "deny", *TABLES})
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


class UsageError(Exception):
    """A mistake of the caller. The message is one line: the value, what was expected, how to mend it."""


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
        files = _files(workspace or Path.cwd(), home)
        given = _Given(flags, environ, files)
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
            disabled_by=next((name for name in OFF_SWITCHES if _on(name, environ.get(name, ""))), None),
            history_events=_events(environ.get(HISTORY_EVENTS)),
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


class _Given:
    """Values as they were given, with their places."""

    def __init__(
        self, flags: Mapping[str, Any], environ: Mapping[str, str], files: list[tuple[Path, dict[str, Any]]]
    ) -> None:
        self._flags, self._environ, self._files = flags, environ, files
        self.places: dict[str, str] = {}

    def raw(self, name: str) -> Any:
        """The first value there is, or `None`."""
        value, place = self._find(name)
        if value is not None:
            self.places[name] = place
        return value

    def _find(self, name: str) -> tuple[Any, str]:
        if self._flags.get(name) is not None:
            return self._flags[name], f"--{name.replace('_', '-')}"
        variable = ENVIRONMENT.get(name)
        if variable and self._environ.get(variable):
            return self._environ[variable], variable
        for path, values in self._files:
            if name in values:
                return values[name], f"{name} in {path}"
        return None, ""

    def text(self, name: str) -> str | None:
        value = self.raw(name)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self._bad(name, value, "text")
        return None if value is None else value.strip()

    def texts(self, name: str, example: str) -> tuple[str, ...]:
        value = self.raw(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._bad(name, value, f"a list of texts, such as [{example}]")
        return tuple(value)

    def rules(self, name: str) -> tuple[str, ...]:
        """Permission rules. What one file denies, another does not allow again: those of all files count."""
        from tenuto.workflows.policy.rules import RuleError, parse

        files = self._files if name == "deny" else [each for each in self._files if name in each[1]][:1]
        found: list[str] = []
        for path, values in files:
            one = _Given({}, {}, [(path, values)])
            for text in one.texts(name, '"WebSearch"'):
                try:
                    parse(text, denying=name == "deny", home=str(Path.home()))
                except RuleError as error:
                    raise UsageError(f"{one.places[name]}: {error}") from None
                found.append(text)
        return tuple(dict.fromkeys(found))

    def table(self, name: str) -> _Given:
        """The table `[name]` of the first file that has one."""
        for path, values in self._files:
            table = values.get(name)
            if table is None:
                continue
            if not isinstance(table, dict):
                raise UsageError(f"{name} in {path} is {table!r}; expected a table: [{name}]")
            unknown = sorted(set(table) - TABLES[name])
            if unknown:
                known = ", ".join(sorted(TABLES[name]))
                raise UsageError(f"[{name}] in {path} has the unknown setting {unknown[0]!r}; there are: {known}")
            return _Given({}, {}, [(path, table)])
        return _Given({}, {}, [])

    def paths(self, name: str) -> tuple[str, ...]:
        """Paths within the workspace."""
        texts = self.texts(name, '".env", "node_modules"')
        for text in texts:
            parts = text.split("/")
            if not text.strip() or text.startswith(("/", "~")) or ".." in parts or "\0" in text:
                raise self._bad(name, text, "paths within the workspace, such as .env or web/node_modules")
        return texts

    def integer(self, name: str) -> int | None:
        value = self.raw(name)
        if value is None:
            return None
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = 0
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise self._bad(name, value, "a whole number of at least 1")
        return number

    def dollars(self, name: str) -> float | None:
        return None if self.raw(name) is None else self.number(name, "dollars, a number such as 2.5")

    def number(self, name: str, expected: str, default: float = 0.0) -> float:
        value = self.raw(name)
        if value is None:
            return default
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < 0:
            raise self._bad(name, value, expected)
        return number

    def switch(self, name: str) -> bool:
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        return _on(self.places[name], value)

    def _bad(self, name: str, value: Any, expected: str) -> UsageError:
        return UsageError(f"{self.places[name]} is {value!r}; expected {expected}")


def _on(place: str, value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise UsageError(f"{place} is {value!r}; expected 1 or 0")
    return word in _TRUE


def _events(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{HISTORY_EVENTS} is {text!r}; expected a whole number of at least 1")
    return int(text)


def _notify(environ: Mapping[str, str], files: list[tuple[Path, dict[str, Any]]], home: Path) -> dict[str, str | None]:
    """The hook: from the environment, else from the user's own file."""
    for path, values in files:
        if path.parent != home and "notify" in values:
            raise UsageError(
                f"[notify] in {path} is not obeyed: a hook runs outside of the sandbox, so a project cannot name one. "
                f"Move it to {home / FILE_NAME}, or set TENUTO_NOTIFY_COMMAND or TENUTO_NOTIFY_URL"
            )
    table = _Given({}, environ, files).table("notify")
    found = {key: (environ.get(variable) or "").strip() or table.text(key) for key, variable in NOTIFY.items()}
    url = found["url"]
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise UsageError(f"the notify url is {url!r}; expected one that starts with http:// or https://")
    return found


def _store(given: _Given, home: Path) -> str:
    url = given.text("store")
    if url is None:
        return (home / "store").as_uri()
    parts = urlsplit(url)
    if parts.scheme not in STORE_SCHEMES or (parts.scheme == "file" and (parts.netloc or not parts.path)):
        raise UsageError(
            f"{given.places['store']} is {url!r}; expected a URL such as file:///var/lib/tenuto, s3://bucket/prefix, "
            "gs://bucket/prefix or az://container/prefix"
        )
    return url


def _files(workspace: Path, home: Path) -> list[tuple[Path, dict[str, Any]]]:
    project = next((path for path in _upward(workspace) if path.is_file()), None)
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
