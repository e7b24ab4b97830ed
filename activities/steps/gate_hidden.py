"""Files that define a check by their name and that a listing of the workspace leaves out: ignored ones, and links.

A runner does not ask git what it ignores. What it picks up lies beside files of the project, so only folders that hold
some are looked into, and never those where dependencies and builds lie.
"""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ..workspace.descent import is_git, open_folder
from ..workspace.files import OutsideWorkspace
from ..workspace.glob_patterns import GlobPattern
from .gate_patterns import is_cache, role_of

FOLDERS_MAX = 20_000
PROGRAMS_MAX = 500
PROGRAM_FOLDERS = (".venv/bin", "venv/bin", "env/bin", "node_modules/.bin")
"""Where programs of a project lie that git ignores; a check may name one by its path."""
_SITES = (".venv", "venv", "env")
_CONFIGURED = frozenset(("Makefile.in", "Makefile.am", "CMakeLists.txt", "configure", "Makefile.PL", "meson.build"))
"""Beside one of these an ignored `Makefile` is what a build made."""
_SHADOWED = (sys.stdlib_module_names | {"pluggy", "iniconfig", "packaging", "exceptiongroup", "tomli", "pygments"}) - {
    "test",
    "antigravity",
    "this",
}


def shadows(path: str) -> bool:
    """Whether a new file takes the place of a module that Python or pytest itself imports: `argparse.py`."""
    parts = path.split("/")
    module = parts[0].removesuffix(".py") if len(parts) == 1 and path.endswith(".py") else None
    package = parts[0] if len(parts) == 2 and parts[1] == "__init__.py" else None
    return (module or package) in _SHADOWED


def hidden_definitions(root: Path, known: Collection[str], further: list[GlobPattern]) -> Iterator[str]:
    """Paths of definition files in the folders of `known` files, those that git ignores and links among them."""
    folders = {"."}
    for path in known:
        folder = posixpath.dirname(path)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    waiting = sorted(folders)[:FOLDERS_MAX]
    for folder in waiting:
        names = dict(_entries(root, folder))
        for name, is_folder in sorted(names.items()):
            path = name if folder == "." else f"{folder}/{name}"
            if path in known or is_cache(path) or is_git(name):
                continue
            package = _decides(f"{path}/__init__.py", further)
            if is_folder:
                # A package of pytest's own name at the root needs no file of the project in it.
                waiting += [path] if package and path not in folders else []
            elif name.endswith(".pth") or (name == "Makefile" and not _CONFIGURED.isdisjoint(names)):
                continue  # weights of a model; what `configure` made
            elif _decides(path, further) or (package and (root / path).is_symlink()):
                yield path
    yield from _started_by_python(root)


def _started_by_python(root: Path) -> Iterator[str]:
    """What Python runs before anything else, in the environments of the workspace."""
    for place in _SITES:
        for version, _ in _entries(root, f"{place}/lib"):
            for name, _ in _entries(root, f"{place}/lib/{version}/site-packages"):
                if name in ("sitecustomize.py", "usercustomize.py"):
                    yield f"{place}/lib/{version}/site-packages/{name}"


def programs(root: Path) -> Iterator[str]:
    """Paths of ignored programs that a check may name."""
    for folder in PROGRAM_FOLDERS:
        found = [name for name, is_folder in _entries(root, folder) if not is_folder]
        yield from (f"{folder}/{name}" for name in sorted(found)[:PROGRAMS_MAX])


def link_of(root: Path, path: str) -> str | None:
    """Where a link of the workspace leads, when it leads out of it; `None` where it is no link."""
    if path.startswith(("/", "../")):
        return None
    try:
        return str((root / path).readlink())
    except (OSError, ValueError):
        return None


def _decides(path: str, further: list[GlobPattern]) -> bool:
    return role_of(path, further) == "definition" or shadows(path)


def _entries(root: Path, folder: str) -> Iterator[tuple[str, bool]]:
    """Names of a folder and whether they are real folders; nothing where it is none."""
    with suppress(OSError, OutsideWorkspace):
        handle, _ = open_folder(root, folder)
        try:
            with os.scandir(handle) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        finally:
            os.close(handle)
        yield from ((name, is_folder) for name, is_folder in found if name.isprintable())
