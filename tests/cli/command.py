"""The installed command, driven from outside, each test session in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("tenuto"))


@dataclass
class Tenuto:
    """The command with a home and an environment that hold nothing of the machine's."""

    home: Path
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        return {**kept, "HOME": str(self.folder), "TENUTO_HOME": str(self.home), **self.extra, **(more or {})}

    def __call__(
        self,
        *words: str | Path,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 45,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *map(str, words)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environ(env),
            timeout=timeout_s,
            check=False,
        )

    def start(self, *words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environ(env),
        )

    def json(self, *words: str | Path, code: int | None = 0, env: Mapping[str, str] | None = None) -> Any:
        done = self(*words, "--json", env=env)
        assert code is None or done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def script(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


def until(condition: Callable[[], Any], timeout_s: float = 20) -> Any:
    """The first true value of a condition, looked at again and again up to a deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.02)
