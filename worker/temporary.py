"""Where a Worker's temporary files lie: in a folder of its own, which its successor removes when it was killed."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenuto.activities.sandbox.owner import OWNER, is_gone

log = logging.getLogger(__name__)


@contextmanager
def own_temporary_folder(home: Path) -> Iterator[None]:
    """Have `tempfile` use `TENUTO_HOME/tmp/OWNER` in this process, without what killed Workers left beside it.

    Packs of commits that were on their way would else fill the machine's own temporary folder, one kill after another.
    """
    folder = home / "tmp"
    for left in folder.glob("*"):
        if is_gone(left.name):
            _remove(left)
    own = folder / OWNER
    try:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        log.warning("temporary files lie where they always do: %s", error)  # a full disk, which may be so for a while
        yield
        return
    before, tempfile.tempdir = tempfile.tempdir, str(own)
    try:
        yield
    finally:
        tempfile.tempdir = before
        _remove(own)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("temporary files are left in %s: %s", folder, error)
