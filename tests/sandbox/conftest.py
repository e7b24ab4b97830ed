from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.sandbox.command import Command, CommandOutcome
from tenuto.activities.sandbox.limits import GIB, MIB, Limits
from tenuto.activities.sandbox.sandbox import Sandbox

SMALL = Limits(
    processes=64,
    memory_bytes=256 * MIB,
    output_bytes=8 * MIB,
    disk_bytes=128 * MIB,
    disk_reserve_bytes=16 * MIB,
    file_bytes=1 * GIB,
    cpu_s=20,
)
SECRET = "opened-by-nobody-4711"


@dataclass
class Place:
    """A workspace beside things that are none of its business."""

    root: Path
    """The workspace: a git repository with one commit."""
    home: Path
    """`TENUTO_HOME/sandboxes/RUN`."""
    tenuto_home: Path
    outside: Path
    """A folder of someone else's, with a file `secret.txt`."""

    def sandbox(self, **options: Any) -> Sandbox:
        return Sandbox(self.root, **{"home": self.home, "limits": SMALL, "hidden": [self.tenuto_home], **options})

    async def run(self, text: str, *, timeout_s: float = 20.0, cwd: str = ".", **options: Any) -> CommandOutcome:
        return await self.sandbox(**options).run(Command(text, cwd=cwd, timeout_s=timeout_s))


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A Person", "-c", "user.email=person@example.invalid", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests of a session share, since each run's home is filled once: a repository and a `TENUTO_HOME`."""
    folder = tmp_path_factory.mktemp("lasting")
    (folder / "project").mkdir()
    (folder / "project" / "README").write_text("a project\n")
    git(folder / "project", "init", "--quiet")
    git(folder / "project", "add", ".")
    git(folder / "project", "commit", "--quiet", "--message", "first")
    tenuto_home = folder / "tenuto-home"
    for name in ("store", "sandboxes/wf_other"):
        (tenuto_home / name).mkdir(parents=True)
    (tenuto_home / "credentials.env").write_text(f"ANTHROPIC_API_KEY={SECRET}")
    return folder


@pytest.fixture
def place(tmp_path: Path, lasting: Path) -> Place:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET)
    root = tmp_path / "project"
    shutil.copytree(lasting / "project", root)
    tenuto_home = lasting / "tenuto-home"
    return Place(root, tenuto_home / "sandboxes" / "wf_test", tenuto_home, outside)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No descriptor and no control group of ours outlives a command."""
    before = descriptors()
    yield
    assert groups() == [], "a control group was left"
    assert len(descriptors()) <= len(before), "descriptors were left open"


def descriptors() -> list[str]:
    return [
        path.name
        for path in Path("/proc/self/fd").iterdir()
        if _target(path).startswith(("pipe:", "/memfd", "anon_inode:[pidfd"))
    ]


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def groups() -> list[Path]:
    from tenuto.activities.sandbox import cgroups
    from tenuto.activities.sandbox.owner import OWNER

    tree = cgroups.tree()
    return [] if tree is None else list(tree.parent.glob(f"{cgroups.PREFIX}{OWNER}-*"))


def processes_with(word: str) -> list[int]:
    """Live processes of this machine that have a word in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words, status = (
                (entry / "cmdline").read_bytes(),
                (entry / "stat").read_bytes().rpartition(b")")[2].split()[0],
            )
        except OSError:
            continue
        if word.encode() in words and status not in (b"Z", b"X") and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a condition; fails at the deadline."""
    import time

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
