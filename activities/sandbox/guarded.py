"""Settings by which a repository makes git run programs, or read other folders: put back if a command changed them.

`.git/hooks` cannot be written inside at all. The rest of `.git` can, since git itself writes there; but what a
sandboxed command leaves in `.git/config` is run later outside, when the user's own git reads it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .plain_file import read_plain

_RUNS_PROGRAMS = re.compile(
    r"""^(core\.(hookspath|fsmonitor|sshcommand|gitproxy|editor|pager|askpass|worktree|alternaterefscommand)
        |sequence\.editor|alias\..*|pager\..*|filter\..*\.(clean|smudge|process)|diff\.external
        |diff\..*\.(command|textconv)|(merge|mergetool|difftool|browser|man|guitool)\..*\.(driver|cmd|path)
        |credential(\..*)?\.helper|gpg(\..*)?\.program|include\.path|includeif\..*\.path|interactive\.difffilter
        |uploadpack\.packobjectshook|remote\..*\.(uploadpack|receivepack|vcs)|submodule\..*\.update
        |protocol\..*\.allow|protocol\.allow|url\..*\.(insteadof|pushinsteadof)|trailer\..*\.c(ommand|md)
        |sendemail\..*|ssh\.variant|init\.templatedir|extensions\.worktreeconfig)$""",
    re.VERBOSE,
)
_SECTION = re.compile(r'^\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]\s*(.*)$')


@contextmanager
def kept(watched: Sequence[Path]) -> Iterator[list[Path]]:
    """Note these files; afterwards put back those that were changed to run programs. Yields the list of them."""
    before = {path: _content(path) for path in watched}
    put_back: list[Path] = []
    try:
        yield put_back
    finally:
        for path, content in before.items():
            now = _content(path)
            if path.is_symlink() or (now != content and _is_armed(path, content, now)):
                _restore(path, content)
                put_back.append(path)


def words(put_back: Sequence[Path]) -> str:
    """For the model, in the command's own output."""
    names = ", ".join(f"{path.parent.name}/{path.name}" for path in put_back)
    return f"\ntenuto: {names} was put back: settings that make git run programs or read other folders cannot be set\n"


def _is_armed(path: Path, before: bytes | None, now: bytes | None) -> bool:
    if now is None:
        return False
    if not path.name.startswith("config"):
        return True
    return bool(_programs(now) - _programs(before or b""))


def _programs(config: bytes) -> set[tuple[str, str]]:
    """Settings that make git run something, with their values. Reads more loosely than git: a doubt counts."""
    found: set[tuple[str, str]] = set()
    section = ""
    for line in config.decode(errors="replace").replace("\\\n", "").splitlines():
        rest = line
        match = _SECTION.match(line)
        if match:
            section = match[1].lower() + (f".{match[2]}" if match[2] is not None else "")
            rest = match[3]
        key, _, value = rest.strip().partition("=")
        name = f"{section}.{key.strip()}".lower()
        if _RUNS_PROGRAMS.match(name):
            found.add((name, value.strip()))
    return found


def _content(path: Path) -> bytes | None:
    return read_plain(path) if not path.is_symlink() else None


def _restore(path: Path, content: bytes | None) -> None:
    if os.path.realpath(path.parent) != str(path.parent):
        return  # the folder itself was moved away: git finds no repository there, and we follow no link
    if content is None:
        path.unlink(missing_ok=True)
        return
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)
