"""Whether a Worker would start in an environment: tried beside the one that runs, before that one is replaced."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from .environment import for_worker
from .records import Home

FLAG = "--rehearse"
REHEARSAL_S = 120.0
"""A bound for hanging; it takes a second or two."""
_NOBODY = "127.0.0.1:1"
"""Stands for the server's address: nothing connects to it."""


class CannotStart(Exception):
    """No Worker starts in this environment. The message is the Worker's own, in one line."""


def rehearse(home: Home, environ: Mapping[str, str]) -> None:
    """Have a process do all that a Worker does before it connects: settings, store, traces, Activities.

    Args:
        environ: what the supervisor would be given.

    Raises:
        CannotStart: it did not get that far.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tenuto.worker.process", FLAG],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=home.path,
            env=for_worker(_NOBODY, environ),
            timeout=REHEARSAL_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise CannotStart(str(error)) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CannotStart(said[-1] if said else f"its process ended with {done.returncode} and said nothing")


def only_rehearsed(argv: list[str]) -> bool:
    """Whether a Worker's process was started to see if it could. Its errors are then told without time and logger."""
    return FLAG in argv


def tell(error: BaseException) -> None:
    """Write why a Worker cannot start as the last line of stderr."""
    print(" ".join(str(error).split()), file=sys.stderr)
