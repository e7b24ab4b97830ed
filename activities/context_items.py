"""The shared material of `agent(…, context=[…])`: paths become the content of files, everything else is text itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.journal import may_name_files

from .errors import AgentFailed
from .workspace.files import ClosedPlace, Files, OutsideWorkspace

FILES_MAX = 200
BYTES_MAX = 4 * 1024 * 1024
"""Of all items together: more than any context window holds."""
_GLOB = frozenset("*?[{")


def resolve_context(
    items: Iterable[str], files: Files | None, *, may_read: Callable[[str], bool] = lambda _path: True
) -> list[str]:
    """One text an item or file, in the order of the items and, within a pattern, of paths.

    An item is a file's path, a glob pattern that matches files, or text. The same items and files give the same bytes,
    whoever asks. Reads files: call it in a thread.

    Args:
        items: as the script gave them. Blank ones are left out.
        files: the workspace; `None` where there is none, and every item is text.
        may_read: whether the policy lets an agent read this path, relative to the workspace.

    Raises:
        AgentFailed: `unusable_context`, for a file that is no text or cannot be read, and for too much of it.
    """
    found: list[str] = []
    left = BYTES_MAX
    for item in items:
        if not isinstance(item, str):
            raise _unusable(f"context takes paths and texts, not {type(item).__name__}: {item!r:.80}")
        paths = _paths(item, files)
        if files is None or paths is None:
            texts: Iterable[str] = [item] if item.strip() else []
        else:
            texts = _contents(paths, files, may_read)
        for text in texts:
            left -= len(text.encode("utf-8", "surrogatepass"))
            if left < 0:
                raise _unusable(f"context is over {BYTES_MAX // 1024**2} MB in all; name fewer or smaller files")
            found.append(text)
    return found


def hash_of_files(item: str, files: Files, *, may_read: Callable[[str], bool] = lambda _path: True) -> str | None:
    """sha256 of the texts that an item stands for where it names files; `None` for an item that is text itself.

    Raises:
        AgentFailed: `unusable_context`, as `resolve_context`.
    """
    paths = _paths(item, files)
    if paths is None:
        return None
    digest = hashlib.sha256()
    for text in _contents(paths, files, may_read):
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()


def _paths(item: str, files: Files | None) -> Sequence[str] | None:
    """The files that an item names, at least one; `None` for an item that is text."""
    if files is None or not may_name_files(item):
        return None
    try:
        return [files.info(item).path]
    except ClosedPlace as error:
        raise _unusable(f"context names a file that is closed to this run: {error}") from None
    except (OutsideWorkspace, OSError, ValueError):
        # No such file; that is what text looks like.
        pass
    if not _GLOB.intersection(item):
        return None
    try:
        matches = []
        for match in files.walk(item):
            matches.append(match.path)
            if len(matches) > FILES_MAX:
                raise _unusable(f"context pattern {item!r} matches over {FILES_MAX} files; use a narrower one")
    except (OutsideWorkspace, OSError, ValueError):
        return None
    return sorted(matches) or None


def _contents(paths: Sequence[str], files: Files, may_read: Callable[[str], bool]) -> Iterator[str]:
    for path in paths:
        if not may_read(path):
            raise _unusable(f"context names {path!r}, which this run's rules do not let an agent read")
        try:
            text = files.read(path, BYTES_MAX).decode("utf-8")
        except UnicodeDecodeError:
            raise _unusable(f"context names {path!r}, which is not UTF-8 text") from None
        except (OSError, ValueError, OutsideWorkspace) as error:
            raise _unusable(f"context names {path!r}, which cannot be read: {error}") from error
        yield f"# File: {path}\n\n{text}"


def _unusable(message: str) -> AgentFailed:
    return AgentFailed(kinds.UNUSABLE_CONTEXT, message)
