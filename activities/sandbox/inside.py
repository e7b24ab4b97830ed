"""What one workspace's sandbox looks like from inside: the mounts, the generated files, the environment."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..protected import secret_places, starting_places
from . import environment, etc, shared_git
from .bubblewrap import Walls, inner_ids
from .git_places import GitPlaces, git_places
from .limits import Limits
from .mounts import Mount, arguments, covers, system_arguments
from .toolchains import interpreters_of, own_interpreter, toolchains

TMP = Path("/tmp")


@dataclass(frozen=True, slots=True)
class Inside:
    """The fixed part of a sandbox."""

    root: Path
    home: Path
    shared: bool
    allowed_git: frozenset[str]
    read_only: tuple[Path, ...]
    hidden: tuple[Path, ...]

    @property
    def own_home(self) -> Path:
        """`HOME` of the commands: one for all of a run, so that package caches serve all of its agents."""
        return self.home / "home"

    @property
    def own_tmp(self) -> Path:
        """What is `/tmp` inside: one per workspace."""
        return self.home / "tmp" / hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]

    def git(self) -> GitPlaces:
        """The repository of the workspace as it is now."""
        return git_places(self.root)

    def make_folders(self) -> None:
        """Make what the commands may write."""
        for folder in (self.own_home, self.own_tmp, self.home / "programs"):
            folder.mkdir(parents=True, exist_ok=True)
        self.own_tmp.chmod(0o1777)

    def arguments(self, walls: Walls, limits: Limits, cwd: Path, places: GitPlaces) -> list[str]:
        """Everything for `bwrap` but the environment and the command."""
        tools = toolchains()
        mounts = self._mounts(places)
        return [
            *walls.arguments,
            *system_arguments(),
            *etc.arguments(self._etc(walls)),
            *["--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", "/dev/shm"],
            *arguments(covers(mounts, self.root, [*self.hidden, *secret_places()], starting_places(self.root))),
            *(self._stand_in(places, tools.path) if self.shared and places.folder is not None else []),
            *["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(cwd)],
        ]

    def environment(self, more: Mapping[str, str], walls: Walls | None) -> dict[str, str]:
        """The command's variables; without walls its temporary folder is at its own path."""
        tools = toolchains()
        return environment.build(
            home=self.own_home,
            temporary=self.own_tmp if walls is None else TMP,
            path=[*tools.path, *(str(self.own_home / place) for place in environment.PROGRAMS)],
            user=_user(walls),
            tools=tools.variables,
            more=more,
        )

    def _mounts(self, places: GitPlaces) -> list[Mount]:
        shown = [*toolchains().folders, *interpreters_of(self.root), *own_interpreter(), *self.read_only]
        shown = [folder for folder in dict.fromkeys(shown) if folder.exists() and not folder.is_relative_to(self.root)]
        mounts = [Mount(folder, "read") for folder in shown if not self.root.is_relative_to(folder)]
        mounts += [Mount(self.own_home.resolve(), "write"), Mount(self.root, "write")]
        mounts += [mount for mount in places.mounts if mount.path != self.root]
        if self.root != TMP:
            mounts += [Mount(TMP, "write", self.own_tmp), *_between(mounts)]
        return mounts

    def _etc(self, walls: Walls) -> Path:
        """With files of our own: who the command is, and that names mean nothing out there."""
        uid, gid = inner_ids() if walls.user_namespace else (os.getuid(), os.getgid())
        user = _user(walls)
        root = "" if uid == 0 else "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
        group = "" if gid == 0 else "root:x:0:\n"
        own = {
            "passwd": f"{root}{user}:x:{uid}:{gid}:Tenuto subagent:{self.own_home}:/bin/sh\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
            "group": f"{group}{user}:x:{gid}:\nnogroup:x:65534:\n",
            "hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\ttenuto\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
            "resolv.conf": "# Names are resolved outside, for the hosts that a rule allows.\n",
            "hostname": "tenuto\n",
        }
        return etc.folder(self.home, own)

    def _stand_in(self, places: GitPlaces, path: list[str]) -> list[str]:
        text = shared_git.script(places, self.allowed_git)
        name = f"git-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        return shared_git.arguments(_written(self.home / "programs" / name, text, 0o755), path)


def _between(mounts: Sequence[Mount]) -> list[Mount]:
    """For what is shown from below the host's `/tmp`: the folders on the way to it are neither the host's nor open."""
    ways = {TMP / mount.path.relative_to(TMP).parts[0] for mount in mounts if mount.path.is_relative_to(TMP)}
    return [Mount(way, "hide") for way in sorted(ways) if not any(mount.path == way for mount in mounts)]


def shell() -> str:
    """What reads the commands."""
    return shutil.which("bash") or "/bin/sh"


def _user(walls: Walls | None) -> str:
    uid = os.getuid()
    if uid == 0 and walls is not None and walls.user_namespace:
        return "tenuto"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "tenuto"


def _written(path: Path, text: str, mode: int = 0o644) -> Path:
    """A file with this content: written only when it has another, and whole, since other commands may start now."""
    try:
        if path.read_text() == text:
            return path
    except OSError:
        pass  # not there yet
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.chmod(mode)
    beside.replace(path)
    return path
