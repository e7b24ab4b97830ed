"""Log files of daemons, with a cap on their size."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import BinaryIO

BYTES_MAX = 10 * 1024 * 1024
"""Of one file; beyond it the file is copied to `NAME.1` and begins anew."""


def open_log(path: Path) -> BinaryIO:
    """Open for appending, for the owner only. Append mode is what makes `cap` safe while a daemon writes."""
    path.touch(mode=0o600, exist_ok=True)
    return path.open("ab")


def cap(path: Path, bytes_max: int = BYTES_MAX) -> None:
    """Start the file anew if it is too large, keeping one older part. Its writers go on with the file they have."""
    try:
        if path.stat().st_size <= bytes_max:
            return
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        with path.open("r+b") as file:
            file.truncate(0)
    except FileNotFoundError:
        return


def tail(path: Path, lines: int = 3) -> str:
    """The last lines, for an error message."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
