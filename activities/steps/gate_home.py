"""What the home folder of a run's commands says to a check: agents and gates share it, for the sake of its caches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..workspace.confined import ConfinedFiles
from ..workspace.files import OutsideWorkspace
from .gate_hidden import PROGRAMS_MAX, link_of
from .gate_patterns import NOTHING, gate_hash

HOME = "~/"
"""Before the paths of these files."""
BYTES_MAX = 1_000_000
_READ = (".npmrc", ".yarnrc.yml", ".cargo/config.toml", ".cargo/config", ".config/go/env")
_BY_LOGIN = (".profile", ".bash_profile", ".bash_login", ".zshenv", ".zprofile")
_LOGIN = re.compile(r"\b(?:ba|z|k|da)?sh\s+(?:-\w+\s+)*(?:-\w*l|--login)")
_PROGRAMS = (".local/bin", ".cargo/bin", "go/bin")
_INSTALLED = re.compile(rb"#![^\n]*python[^\n]*\n(?:#[^\n]*\n|import (?:re|sys)\n)*from [\w.]+ import \w+\n")
"""How a package manager of Python begins a program: `pip install --user pytest` is no change of the check."""


def home_files(home: Path) -> dict[str, str]:
    """Hashes of files of a home folder that decide how a check runs, by path from `~/`; none where there is none."""
    if not home.is_dir():
        return {}
    files = ConfinedFiles(home)
    found = {}
    for path in (*_READ, *_BY_LOGIN, *_started_by_python(home), *_programs(home)):
        said = _hash(files, path)
        if said is not None and said != NOTHING:
            found[HOME + path] = said
    return found


def home_changes(start: dict[str, str], now: dict[str, str], commands: str) -> Iterator[tuple[str, bool]]:
    """Paths of what is not as it was at the start, of that which these commands use, and whether it was there then."""
    login = _LOGIN.search(commands) is not None
    words = set(re.findall(r"[\w.+-]+", commands))
    for path in sorted({*start, *now}):
        inside = path.removeprefix(HOME)
        folder, _, name = inside.rpartition("/")
        used = (inside not in _BY_LOGIN or login) and (folder not in _PROGRAMS or name in words)
        if used and start.get(path) != now.get(path):
            yield path, path in start


def _started_by_python(home: Path) -> Iterator[str]:
    for version in sorted(home.glob(".local/lib/python*"))[:20]:
        for name in ("sitecustomize.py", "usercustomize.py"):
            yield f"{version.relative_to(home)}/site-packages/{name}"


def _programs(home: Path) -> Iterator[str]:
    for folder in _PROGRAMS:
        yield from (f"{folder}/{each.name}" for each in sorted((home / folder).glob("*"))[:PROGRAMS_MAX])


def _hash(files: ConfinedFiles, path: str) -> str | None:
    try:
        data = files.read(path, BYTES_MAX)
    except ValueError:
        info = files.info(path)
        return f"{info.size}:{info.mtime_ns}"
    except (OSError, OutsideWorkspace):
        target = link_of(files.root, path)
        return None if target is None else f"link to {target}"
    return None if path.startswith(_PROGRAMS) and _INSTALLED.match(data) else gate_hash(path, data)
