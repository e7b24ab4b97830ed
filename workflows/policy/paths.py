"""Path rules: gitignore patterns, anchored at the workspace or at the root of the file system.

| written | means |
|---|---|
| `//x` | `/x` on this machine |
| `~/x` | `x` in the home directory; known where rules are read, not to an agent |
| `/x`, `./x` | `x` in the workspace, at its top |
| `x/y` | the same; `x` without a `/` matches at any depth, as in a `.gitignore` |

Paths are compared by their spelling. Whoever touches files says what a link leads to (`Rules.decide(real=…)`).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache

from pathspec import GitIgnoreSpec

_PROBE = "\ue001"
"""A name that no pattern has: a pattern that matches it below a folder matches everything there."""


class PathPatternError(ValueError):
    """The pattern is none; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class PathPattern:
    """One gitignore pattern and what it is anchored at."""

    absolute: bool
    """Anchored at `/`, else at the workspace."""
    glob: str

    def matches(self, path: Located) -> bool:
        """Whether the file, or a folder that it lies in, is meant."""
        name = path.absolute.lstrip("/") if self.absolute else path.relative
        return name is not None and _matches(self.glob, name)

    def matches_all_below(self, folder: Located) -> bool:
        """Whether everything in the folder is meant."""
        return self.matches(folder) or (self.matches(folder.child(_PROBE)) and self.matches(folder.child(_PROBE, 2)))


@dataclass(frozen=True, slots=True)
class Located:
    """A path, from the workspace and from the root."""

    relative: str | None
    """`None` outside of the workspace; `""` for the workspace itself."""
    absolute: str

    def child(self, name: str, levels: int = 1) -> Located:
        """A path below this one."""
        tail = "/".join([name] * levels)
        relative = None if self.relative is None else f"{self.relative}/{tail}".lstrip("/")
        return Located(relative, f"{self.absolute.rstrip('/')}/{tail}")


def located(path: str, workspace: str, origin: str | None = None) -> Located:
    """Where a path leads by its spelling.

    Args:
        path: relative to the workspace, or absolute.
        workspace: absolute.
        origin: the run's workspace, where `workspace` is an agent's own clone of it: absolute patterns are written
            for that one, so a file of the clone is judged as the file that it is a copy of.
    """
    absolute = _normal(posixpath.join(workspace, path))
    root = _normal(workspace)
    if absolute != root and not absolute.startswith(root.rstrip("/") + "/"):
        return Located(None, absolute)
    relative = absolute[len(root) :].lstrip("/")
    return Located(relative, absolute if origin is None else _normal(posixpath.join(origin, relative)))


def path_pattern(text: str, home: str | None = None) -> PathPattern:
    """Read a pattern.

    Raises:
        PathPatternError: it is none.
    """
    written = text.strip()
    if not written or "\0" in written or "\n" in written:
        raise PathPatternError("a path such as ./src/** or //etc/hosts")
    if written.startswith("!"):
        raise PathPatternError("a path without `!`; to except something, deny it by a rule of its own")
    if written == "~" or written.startswith("~/"):
        if home is None:
            raise PathPatternError("a path from the root, such as //opt/x: an agent knows no home directory")
        return PathPattern(True, f"/{literal(home).strip('/')}{written[1:]}")
    if written.startswith("//"):
        return PathPattern(True, _checked(f"/{written.lstrip('/')}"))
    inside = written.startswith(("./", "/")) or written == "."
    glob = re.sub(r"^(?:\./+|/+|\.$)", "", written) if inside else written
    if not glob:
        return PathPattern(False, "**")
    return PathPattern(False, _checked(f"/{glob}" if inside else glob))


def literal(path: str) -> str:
    """A path as a pattern that means just it."""
    return re.sub(r"([\\*?\[\]!#])", r"\\\1", path)


def _checked(glob: str) -> str:
    if ".." in glob.split("/"):
        raise PathPatternError("a path without `..`; outside of the workspace write it from the root, such as //opt/x")
    try:
        _spec(glob)
    except ValueError as error:
        raise PathPatternError(f"a gitignore pattern ({error})") from None
    return glob


def _normal(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


@lru_cache(maxsize=1024)
def _spec(glob: str) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines([f"\\{glob}" if glob.startswith("#") else glob])


def _matches(glob: str, name: str) -> bool:
    if glob in ("**", "/**", "/"):
        return True
    return bool(name) and _spec(glob).match_file(name)
