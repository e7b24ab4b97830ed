"""The user's own compilers and interpreters: which folders outside of the system's have to be visible, read-only.

Everything on `PATH` works inside as it does outside, but a home folder is never shown for the sake of one program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from .plain_file import plain_lines

_SYSTEM = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store", "/gnu/store")))
_PROGRAMS = frozenset({"bin", "sbin", "shims", "Scripts"})
_MIXED = frozenset({".cargo", ".local", ".config", "share", "opt"})
"""Folders with a `bin` that hold much else, credentials among it: only their programs are shown."""
_LINKS_MAX = 4000
_ROOTS = (
    "PYENV_ROOT", "RUSTUP_HOME", "NVM_DIR", "VOLTA_HOME", "ASDF_DIR", "ASDF_DATA_DIR", "JAVA_HOME", "GOROOT",
    "DOTNET_ROOT", "ANDROID_HOME", "ANDROID_SDK_ROOT", "SDKMAN_DIR", "CONDA_PREFIX", "VIRTUAL_ENV", "RBENV_ROOT",
    "FNM_DIR", "BUN_INSTALL", "DENO_INSTALL", "JULIA_DEPOT_PATH", "GHCUP_INSTALL_BASE_PREFIX",
)  # fmt: skip
"""Variables that name where a toolchain lies."""
_DEFAULT_ROOTS = {"RUSTUP_HOME": ".rustup", "PYENV_ROOT": ".pyenv"}
"""Of those, the ones whose programs look in the home when the variable is not set: the home is another one inside."""


class Toolchains:
    """Folders to show and what the environment says of them."""

    def __init__(self, folders: list[Path], path: list[str], variables: dict[str, str]) -> None:
        self.folders = folders
        """Real paths, each to be shown read-only at that same path."""
        self.path = path
        """Entries of `PATH` inside, system folders included."""
        self.variables = variables


def toolchains(environment: Mapping[str, str] | None = None) -> Toolchains:
    """What this process's environment, or another, offers. Looked up once: a new toolchain takes a new Worker."""
    found = os.environ if environment is None else environment
    named = tuple((name, found[name]) for name in _ROOTS if found.get(name))
    return _look(found.get("PATH", os.defpath), named, os.environ.get("HOME") or str(Path.home()))


def interpreters_of(root: Path) -> list[Path]:
    """Where the virtual environments in a workspace have their interpreter from."""
    found = []
    for name in (".venv", "venv", "env"):
        for line in plain_lines(root / name / "pyvenv.cfg"):
            key, _, value = line.partition("=")
            prefix = _prefix(Path(os.path.realpath(value.strip())), Path.home()) if key.strip() == "home" else None
            if prefix is not None and _is_python(prefix):
                found.append(prefix)
    return found


def own_interpreter() -> list[Path]:
    """What this process's own Python needs, for the few lines of ours that run inside."""
    folders = {Path(os.path.realpath(sys.base_prefix)), Path(os.path.realpath(sys.executable)).parent}
    return [folder for folder in sorted(folders) if not _is_system(folder)]


def _is_python(prefix: Path) -> bool:
    """The line in `pyvenv.cfg` may have been written by an agent: it must not open any folder it likes."""
    return any((prefix / "bin").glob("python3*")) and any((prefix / "lib").glob("python3*/os.py"))


@cache
def _look(path: str, named: tuple[tuple[str, str], ...], home: str) -> Toolchains:
    own = Path(os.path.realpath(home))
    folders: list[Path] = []
    variables: dict[str, str] = {}
    entries: list[str] = []
    for name, value in (*named, *((key, str(own / default)) for key, default in _DEFAULT_ROOTS.items())):
        real = Path(os.path.realpath(value))
        if name in variables or not real.is_dir() or _holds_home(real, own):
            continue
        if not _is_system(real):
            folders.append(real)
        variables[name] = str(real)
    for entry in filter(None, path.split(os.pathsep)):
        real = Path(os.path.realpath(entry))
        if not entry.startswith("/") or not real.is_dir() or _holds_home(real, own) or str(real) in entries:
            continue
        entries.append(str(real))
        if not _is_system(real):
            folders.append(_prefix(real, own) or real)
    for folder in map(Path, list(entries)):
        folders += _linked(folder, folders, own)
    for usual in ("/usr/local/bin", "/usr/bin", "/bin"):
        if usual not in entries and Path(os.path.realpath(usual)).is_dir():
            entries.append(usual)
    return Toolchains(list(_outermost(folders)), entries, variables)


def _linked(entry: Path, shown: Iterable[Path], home: Path) -> Iterator[Path]:
    """Where links in a folder of programs lead, as far as that is not shown yet."""
    shown = list(shown)
    try:
        links = [item.path for item in os.scandir(entry) if item.is_symlink()][:_LINKS_MAX]
    except OSError:
        return
    for link in links:
        target = Path(os.path.realpath(link))
        if not target.is_file() or _is_system(target) or any(target.is_relative_to(folder) for folder in shown):
            continue
        place = _prefix(target.parent, home) or target
        shown.append(place)
        yield place


def _prefix(programs: Path, home: Path) -> Path | None:
    """The installation that a folder of programs belongs to; `None` where that is more than an installation."""
    if programs.name not in _PROGRAMS:
        return None
    prefix = programs.parent
    unfit = _is_system(prefix) or _holds_home(prefix, home) or prefix.name in _MIXED or len(prefix.parts) < 3
    return None if unfit else prefix


def _holds_home(path: Path, home: Path) -> bool:
    return home.is_relative_to(path)


def _is_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _SYSTEM)


def _outermost(folders: Iterable[Path]) -> Iterator[Path]:
    kept: list[Path] = []
    for folder in sorted(set(folders), key=lambda path: len(path.parts)):
        if not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
            yield folder
