"""One MCP server as it is to be reached: its entry read from its place, with variables and secrets filled in.

Variables come from `TENUTO_HOME/credentials.env`, then from the Worker's environment. What is filled in stays in this
process: in the environment of that server's own process, or in the headers of requests to it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .config import UnreadableFile, digest, problem_of, read_file, table_of, type_of
from .errors import Unusable

CALL_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 60.0
"""All tries together. `npx` and `uvx` fetch a package at their first start."""
CONCURRENCY = 8
SECONDS_BELOW = 1000
"""Claude Code's `timeout` is in milliseconds and ignores less than a second; a smaller number is meant in seconds."""
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM")
"""What a stdio server gets of the Worker's environment. None of it is a secret."""
NEVER = ("ANTHROPIC_", "CLAUDE_CODE_OAUTH", "TEMPORAL_API_KEY")
"""Variables that belong to others than MCP servers."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SECRET_NAME = re.compile(
    r"TOKEN|KEY|SECRET|PASS|AUTH|CREDENTIAL|COOKIE|SESSION|BEARER|(^|[_-])(PAT|PWD|DSN|SIG)", re.I
)
_SECRET_CHARS_MIN = 8
"""Shorter ones would be found in every text."""


@dataclass(frozen=True, slots=True)
class Server:
    """Everything needed to open a session. Holds secrets: never log or store one."""

    name: str
    kind: str
    """`stdio`, `http` or `sse`."""
    key: str
    """Equal servers share sessions, limits and gates."""
    command: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole environment of its process."""
    cwd: Path | None = None
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    oauth: Mapping[str, Any] = field(default_factory=dict, repr=False)
    timeout_s: float = CALL_TIMEOUT_S
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    concurrency: int = CONCURRENCY
    idempotent: bool = False
    """Calls with the same idempotency key may be repeated, says the configuration."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def redact(self, text: str) -> str:
        """The text without this server's own secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "[secret]")
        return text


def resolve(
    name: str,
    entry: Mapping[str, Any],
    workspace: Path | None,
    lookup: Callable[[str], str | None],
    environ: Mapping[str, str],
    *,
    root: Path | None = None,
    cwd: Path | None = None,
    verified: dict[str, dict[str, Any]] | None = None,
) -> Server:
    """The server behind one entry of `RunSetup.mcp`: a place, or a configuration as written.

    Args:
        lookup: the value of a variable.
        environ: the Worker's environment, of which a stdio server inherits a little.
        root: a clone of the workspace, for a host that has no other.
        cwd: where a stdio server starts; the workspace by default.
        verified: entries by hash that were read before, for runs whose file has changed since.

    Raises:
        Unusable: the configuration cannot be used here and now; the message says what to do.
    """
    written: dict[str, Any] | None = (verified or {}).get(str(entry.get("sha256")))
    if written is None:
        written = _entry_of(name, entry, workspace, root) if isinstance(entry.get("file"), str) else dict(entry)
    if verified is not None and entry.get("sha256") is not None:
        verified[entry["sha256"]] = written
    problem = problem_of(written)
    if problem is not None:
        raise Unusable(f"the MCP server {name!r} is configured wrongly: {problem}")
    fill = _Filler(name, workspace, lookup)
    kind = type_of(written) or "stdio"
    timeout_s = _seconds(written.get("timeout"), environ.get("MCP_TOOL_TIMEOUT"), CALL_TIMEOUT_S)
    connect_s = _seconds(written.get("startupTimeout"), environ.get("MCP_TIMEOUT"), CONNECT_TIMEOUT_S)
    given: dict[str, Any] = {}
    if kind == "stdio":
        inherited = {key: environ[key] for key in INHERITED if environ.get(key)}
        given["command"] = fill.text("command", written["command"])
        given["args"] = tuple(fill.text("args", item) for item in written.get("args", []))
        given["env"] = inherited | {key: fill.text(key, value) for key, value in written.get("env", {}).items()}
        given["cwd"] = _cwd(fill.text("cwd", str(written.get("cwd") or "")), cwd or workspace)
    else:
        given["url"] = fill.url(written["url"])
        given["headers"] = {key: fill.header(key, value) for key, value in written.get("headers", {}).items()}
        given["oauth"] = written["oauth"] if isinstance(written.get("oauth"), dict) else {}
    concurrency, idempotent = _concurrency(written.get("maxConcurrency")), written.get("idempotent") is True
    return Server(
        name=name,
        kind=kind,
        key=_key_of([name, kind, given, timeout_s, connect_s, concurrency, idempotent]),
        timeout_s=timeout_s,
        connect_timeout_s=connect_s,
        concurrency=concurrency,
        idempotent=idempotent,
        # The longest first: one may be part of another.
        secrets=tuple(sorted(fill.secrets, key=lambda text: (-len(text), text))),
        **given,
    )


def _entry_of(name: str, place: Mapping[str, Any], workspace: Path | None, root: Path | None) -> dict[str, Any]:
    """The entry as it stands in its file now."""
    path, project, expected = Path(place["file"]), place.get("project"), place.get("sha256")
    if not path.exists() and root is not None and workspace is not None and path.is_relative_to(workspace):
        # Another host: its clone has the file if the project shares it, and the hash says whether it is the same.
        path = root / path.relative_to(workspace)
    try:
        found = table_of(read_file(path), project).get(name)
    except UnreadableFile as error:
        raise Unusable(f"the MCP server {name!r} cannot be used: {error}") from None
    if found is None:
        raise Unusable(
            f"the MCP server {name!r} is no longer configured in {path} on this host; put it back, or start a new run"
        )
    if not isinstance(found, dict) or (expected is not None and digest(found) != expected):
        raise Unusable(
            f"the MCP server {name!r} was changed in {path} since the run started, and a run keeps to what it started "
            "with: start a new run to use the new configuration"
        )
    return found


class _Filler:
    """Fills variables in and remembers what of it is secret."""

    def __init__(self, name: str, workspace: Path | None, lookup: Callable[[str], str | None]) -> None:
        self._name = name
        self._own = {"CLAUDE_PROJECT_DIR": str(workspace)} if workspace is not None else {}
        self._lookup = lookup
        self.secrets: set[str] = set()

    def text(self, where: str, text: str) -> str:
        """One value of `env`, `args` and the like; `where` is its name."""
        filled = _VARIABLE.sub(self._value, text)
        if "\0" in filled:
            raise Unusable(f"the MCP server {self._name!r} cannot be used: `{where}` holds a NUL character")
        if _SECRET_NAME.search(where):
            self._keep(filled)
        return filled

    def header(self, where: str, text: str) -> str:
        """A header: all of it is taken for a secret, and what stands behind a scheme such as `Bearer` too."""
        filled = self.text(where, text).strip()
        if any(ord(character) < 32 for character in filled):
            raise Unusable(f"the MCP server {self._name!r} cannot be used: the header `{where}` holds a line break")
        if _SECRET_NAME.search(where) or filled != text.strip():
            self._keep(filled)
            self._keep(filled.rpartition(" ")[2])
        return filled

    def url(self, text: str) -> str:
        """An address; what it carries beside its place is taken for a secret."""
        filled = self.text("url", text)
        parts = urlsplit(filled)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unusable(
                f"the MCP server {self._name!r} cannot be used: its `url` does not start with https:// or http://"
            )
        for value in (parts.password or "", *(value for _name, value in parse_qsl(parts.query))):
            self._keep(value)
        return filled

    def _value(self, match: re.Match[str]) -> str:
        variable, default = match[1], match[2]
        if variable.startswith(NEVER):
            raise Unusable(
                f"the MCP server {self._name!r} cannot be used: its configuration names ${{{variable}}}, which never "
                "goes to an MCP server; if it is meant to have that value, set it under a name of its own"
            )
        value = self._own.get(variable) or self._lookup(variable) or default
        if value is None:
            raise Unusable(
                f"the MCP server {self._name!r} cannot be used: its configuration names ${{{variable}}}, which is not "
                f"set; add a line {variable}=… to credentials.env in TENUTO_HOME, or set it in the Worker's environment"
            )
        if _SECRET_NAME.search(variable):
            self._keep(value)
        return value

    def _keep(self, value: str) -> None:
        if len(value) >= _SECRET_CHARS_MIN:
            self.secrets.add(value)


def _seconds(given: Any, variable: str | None, default: float) -> float:
    for value in (given, variable):
        try:
            number = float(value) if value is not None and not isinstance(value, bool) else 0.0
        except (TypeError, ValueError):
            continue
        if number > 0 and math.isfinite(number):
            return number if number < SECONDS_BELOW else number / 1000
    return default


def _concurrency(given: Any) -> int:
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else CONCURRENCY


def _cwd(given: str, workspace: Path | None) -> Path:
    base = workspace if workspace is not None else Path.home()
    return Path(os.path.normpath(base / Path(given).expanduser()))


def _key_of(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def known_variables(sources: list[Mapping[str, str]]) -> Callable[[str], str | None]:
    """A lookup through several tables, the first that has a value."""

    def lookup(name: str) -> str | None:
        return next(_values(name, sources), None)

    return lookup


def _values(name: str, sources: list[Mapping[str, str]]) -> Iterator[str]:
    yield from (table[name] for table in sources if table.get(name))
