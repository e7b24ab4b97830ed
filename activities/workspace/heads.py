"""Where an agent's git directory stands, read from its files alone: its configuration is not ours to run."""

from __future__ import annotations

import re
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LINKS_MAX = 5
_BYTES_MAX = 64 << 20


def head_of(git_dir: Path) -> str | None:
    """The commit id that `HEAD` stands for, whether there is such an object or not; `None` if it stands for none."""
    name = "HEAD"
    for _ in range(_LINKS_MAX):
        text = _text(git_dir / name) or _packed(git_dir, name)
        if text is None:
            return None
        if not text.startswith("ref:"):
            return text if _ID.fullmatch(text) else None
        name = text.removeprefix("ref:").strip()
        if ".." in name.split("/") or not name.startswith("refs/"):
            return None
    return None


def merge_heads_of(git_dir: Path) -> list[str]:
    """Commit ids that a merge in progress brings in."""
    text = _text(git_dir / "MERGE_HEAD") or ""
    return [line for line in text.split() if _ID.fullmatch(line)]


def _packed(git_dir: Path, name: str) -> str | None:
    for line in (_text(git_dir / "packed-refs") or "").splitlines():
        value, _, ref = line.partition(" ")
        if ref == name and _ID.fullmatch(value):
            return value
    return None


def _text(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _BYTES_MAX:
        return None
    return path.read_text("utf-8", "surrogateescape").strip() or None
