"""Which MCP servers a person has configured: `.mcp.json` of the project, and Claude Code's own `~/.claude.json`.

What comes out goes into the store, and no secret may be in there. A configuration has secrets in every corner (`env`,
`headers`, `args`, the path of a URL), so an entry is carried by its place and not by its content: it is read again
where a session is opened (`server.py`). Files that agents can write to have their hash beside the place, so that a
command which a person configured is the command that runs, outside of the sandbox as it is.

Order, nearest first, as in Claude Code: `projects[<path>].mcpServers` of the private file, `.mcp.json` from the
workspace up to the repository root, then the private file's own `mcpServers`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

PROJECT_FILE = ".mcp.json"
PRIVATE_FILE = ".claude.json"
FILE_BYTES_MAX = 64 * 1024 * 1024
"""Claude Code keeps histories in its file too."""
KEPT = ("mcpServers", "disabledMcpServers", "disabledMcpjsonServers")
TYPES = {"stdio": "stdio", "http": "http", "streamable-http": "http", "streamableHttp": "http", "sse": "sse"}
"""As configurations write them -> what they are."""


class UnreadableFile(Exception):
    """A configuration file is there and cannot be used. The message names it."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One table of servers."""

    path: Path
    project: str | None
    """Key under `projects`, for a table of the private file that is one project's."""
    servers: dict[str, Any]
    hashed: bool


def load_servers(workspace: Path | None, home: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The servers that are configured for a workspace.

    Args:
        workspace: where the run works; `None` for none, then only the person's own servers count.
        home: the folder that holds the person's `.claude.json` (`claude_home`).

    Returns:
        By name: `type` (`stdio`, `http`, `sse`), `file`, `project` and `sha256`, for `RunSetup.mcp`; and notices for a
        person about what could not be used. A broken file is a notice, never an error.
    """
    notices: list[str] = []
    servers: dict[str, dict[str, Any]] = {}
    folders = _upward(workspace.resolve()) if workspace is not None else []
    private = _read_or_notice(home / PRIVATE_FILE, notices)
    off = _disabled(private, folders, home, notices)
    for source in _sources(private, folders, home, notices):
        for name, entry in source.servers.items():
            shared = source.path.name == PROJECT_FILE
            if name in servers or (name, shared) in off:
                continue
            problem = problem_of(entry)
            if problem is not None:
                notices.append(f"the MCP server {name!r} in {source.path} is left out: {problem}")
                continue
            servers[name] = {
                "type": type_of(entry),
                "file": str(source.path),
                "project": source.project,
                "sha256": digest(entry) if source.hashed else None,
            }
            notices += _exposed(name, entry, workspace)
    return servers, notices


def claude_home(home: Path) -> Path:
    """The folder that holds Claude Code's `.claude.json`: `CLAUDE_CONFIG_DIR`, else the home directory."""
    return Path(os.environ.get("CLAUDE_CONFIG_DIR") or home)


def configured_servers(workspace: Path | None, home: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """As `load_servers`, for the home directory of a person who may keep Claude Code's file elsewhere."""
    return load_servers(workspace, claude_home(home))


def type_of(entry: dict[str, Any]) -> str | None:
    """What kind of server an entry is about; without `type`, a URL says HTTP."""
    given = entry.get("type")
    if given is None:
        return "http" if "url" in entry and "command" not in entry else "stdio"
    return TYPES.get(given) if isinstance(given, str) else None


def problem_of(entry: Any) -> str | None:
    """Why an entry cannot be a server, or `None`."""
    if not isinstance(entry, dict):
        return 'expected an object such as {"command": "npx", "args": []}'
    kind = type_of(entry)
    if kind is None:
        return f"its type is {entry.get('type')!r}; expected stdio, http or sse"
    needed = "command" if kind == "stdio" else "url"
    if not isinstance(entry.get(needed), str) or not entry[needed].strip():
        return f"a server of type {kind} needs `{needed}`, a text"
    return _bad_part(entry)


def _bad_part(entry: dict[str, Any]) -> str | None:
    args = entry.get("args", [])
    if not isinstance(args, list) or not all(isinstance(item, str) for item in args):
        return "`args` is no list of texts"
    for table in ("env", "headers"):
        values = entry.get(table, {})
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            return f"`{table}` is no table of texts"
    if "headersHelper" in entry:
        return "`headersHelper` is not supported; give the header in `headers`, with ${VAR} for the secret"
    return None


def digest(entry: dict[str, Any]) -> str:
    """Of an entry as written, so that a change is seen."""
    return hashlib.sha256(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_file(path: Path) -> dict[str, Any]:
    """What one configuration file says about MCP servers; an absent one is empty. Not to be changed: it is shared.

    Raises:
        UnreadableFile: it is no JSON object, or cannot be read.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from None
    return _parsed(path, status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=16)
def _parsed(path: Path, _mtime_ns: int, size: int, _inode: int) -> dict[str, Any]:
    """Kept as long as the file is the same: it is looked at for every call, and Claude Code's grows to megabytes."""
    if size > FILE_BYTES_MAX:
        raise UnreadableFile(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableFile(f"{path} cannot be read: {error}; expected JSON") from None
    if not isinstance(content, dict):
        raise UnreadableFile(f'{path} is no JSON object; expected {{"mcpServers": {{}}}}')
    kept = {name: content[name] for name in KEPT if name in content}
    projects = _object(content, "projects").items()
    kept["projects"] = {
        folder: {name: each[name] for name in KEPT if name in each}
        for folder, each in projects
        if isinstance(each, dict)
    }
    return kept


def table_of(content: dict[str, Any], project: str | None) -> dict[str, Any]:
    """The `mcpServers` of a file, or of one project in it; empty where there are none."""
    if project is not None:
        content = _object(_object(content, "projects"), project)
    return _object(content, "mcpServers")


def _object(content: dict[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _read_or_notice(path: Path, notices: list[str]) -> dict[str, Any]:
    try:
        return read_file(path)
    except UnreadableFile as error:
        notices.append(f"MCP servers are missing: {error}")
        return {}


def _upward(workspace: Path) -> list[Path]:
    """The workspace and what is above it, up to the repository root; outside of a repository just the workspace."""
    above = [workspace, *workspace.parents]
    root = next((index for index, folder in enumerate(above) if (folder / ".git").exists()), 0)
    return above[: root + 1]


def _sources(private: dict[str, Any], folders: list[Path], home: Path, notices: list[str]) -> Iterator[_Source]:
    path = home / PRIVATE_FILE
    # A private file that lies in the workspace is no longer one that agents cannot write.
    within = bool(folders) and path.resolve().is_relative_to(folders[0])
    for folder in folders:
        yield _Source(path, str(folder), table_of(private, str(folder)), within)
    for folder in folders:
        content = _read_or_notice(folder / PROJECT_FILE, notices)
        if (folder / PROJECT_FILE).exists() and not isinstance(content.get("mcpServers", {}), dict):
            notices.append(f"{folder / PROJECT_FILE} has no `mcpServers`, an object of servers by name")
        yield _Source(folder / PROJECT_FILE, None, table_of(content, None), hashed=True)
    yield _Source(path, None, table_of(private, None), within)


def _disabled(private: dict[str, Any], folders: list[Path], home: Path, notices: list[str]) -> set[tuple[str, bool]]:
    """What a person turned off in Claude Code: (name, whether it is one of a `.mcp.json`)."""
    off: set[tuple[str, bool]] = set()
    settings = [_object(_object(private, "projects"), str(folder)) for folder in folders]
    for folder in (*folders, home):
        for name in ("settings.json", "settings.local.json"):
            try:
                settings.append(read_file(folder / ".claude" / name))
            except UnreadableFile as error:
                notices.append(str(error))
    for values in settings:
        off |= {(name, True) for name in _texts(values.get("disabledMcpjsonServers"))}
        off |= {(name, shared) for name in _texts(values.get("disabledMcpServers")) for shared in (True, False)}
    return off


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _exposed(name: str, entry: dict[str, Any], workspace: Path | None) -> list[str]:
    """A server whose program agents can rewrite: it runs outside of the sandbox."""
    if workspace is None or type_of(entry) != "stdio":
        return []
    for word in (entry["command"], *entry.get("args", [])):
        path = Path(workspace, word)
        try:
            inside = path.is_file() and path.resolve().is_relative_to(workspace.resolve())
        except (OSError, ValueError):
            continue  # an argument that is no path at all
        if inside:
            return [
                f"the MCP server {name!r} runs {word} from the workspace, which agents can change; MCP servers run "
                "outside of the sandbox, so move it elsewhere if agents are not trusted with that"
            ]
    return []
