"""One program of the user's, run outside of the sandbox to its end: a forge's own command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120.0
OUTPUT_BYTES_MAX = 4 * 1024 * 1024
_KEPT_BACK = ("ANTHROPIC_", "CLAUDE_", "TENUTO_", "TEMPORAL_", "GIT_")
"""Beginnings of the names of variables that are no business of such a program."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended; 124 after its timeout."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """What it said about a failure, on one line."""
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return "; ".join(lines)[:1000] or f"exit code {self.exit_code}"


async def run(argv: list[str], *, cwd: Path, env: Mapping[str, str], input: str | None = None) -> Ended:
    """Run it, with nobody to answer questions. It and what it started are gone when this returns or raises.

    Raises:
        OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=_environment(env),
        stdin=asyncio.subprocess.DEVNULL if input is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            out, err = await process.communicate(None if input is None else input.encode("utf-8", "replace"))
    except TimeoutError:
        return Ended(124, "", f"{argv[0]} took longer than {TIMEOUT_S:g} s and was ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
    text = [data[:OUTPUT_BYTES_MAX].decode("utf-8", "replace") for data in (out, err)]
    return Ended(process.returncode if process.returncode is not None else -1, *text)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_BACK)}
    return {**kept, "NO_COLOR": "1", "CI": "1", **given}
