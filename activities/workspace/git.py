"""One git command, run so that nothing a repository says about itself can make it run a program.

A repository's `.git/config` may have been written by an agent, and these commands run outside of the sandbox. So: no
configuration but the repository's own is read, every setting that names a program is overruled, no transport is
allowed, nothing is fetched on demand, nobody is asked, and locks that only refresh caches are not taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

IDENTITY_NAME = "Tenuto"
IDENTITY_EMAIL = "tenuto@tenuto.invalid"
LOCK_PATIENCE_MS = 2000
"""How long git itself waits for a lock on a reference that another process holds."""
GRACE_S = 2.0
"""Between asking a git process to end (it then removes its lock files) and ending it."""

_SETTINGS = {
    "safe.directory": "*",
    # Programs that a repository could name.
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.sshCommand": "false",
    "core.gitProxy": "",
    "core.alternateRefsCommand": "true",
    "core.askPass": "",
    "core.pager": "cat",
    "core.editor": "false",
    "credential.helper": "",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "protocol.allow": "never",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "diff.ignoreSubmodules": "all",
    "submodule.recurse": "false",
    # Files outside of the repository.
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    # Nothing in the background, and patience with those who work beside us.
    "gc.auto": "0",
    "maintenance.auto": "false",
    "core.filesRefLockTimeout": str(LOCK_PATIENCE_MS),
    "core.packedRefsTimeout": str(LOCK_PATIENCE_MS),
    "core.fsyncMethod": "batch",
    "core.quotePath": "false",
    "core.untrackedCache": "false",
    "advice.detachedHead": "false",
    "merge.conflictStyle": "merge",
    "user.name": IDENTITY_NAME,
    "user.email": IDENTITY_EMAIL,
    "user.useConfigOnly": "true",
}


_DURABLE = {"core.fsync": "committed,reference"}
_FLEETING = {"core.fsync": "none"}
_OFFLINE = frozenset({"core.sshCommand", "core.gitProxy", "core.askPass", "credential.helper", "protocol.allow"})
"""Settings that going online lifts."""
_PASSED = frozenset({"GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"})


class GitFailed(Exception):
    """A git command did not do what it was asked to. The message is one line."""


@dataclass(frozen=True, slots=True)
class GitOutcome:
    """How a git command ended. Bytes that are not UTF-8 come as surrogates, so that paths survive the way back."""

    exit_code: int
    stdout: str
    stderr: str


async def git(
    *arguments: str,
    cwd: Path,
    input: bytes | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 60,
    source: Path | None = None,
    output: Path | None = None,
    online: bool = False,
    durable: bool = False,
) -> GitOutcome:
    """Run one git command to its end.

    Args:
        cwd: where; the repository is found from there unless `env` names it.
        input: bytes for its standard input; or `source`, a file.
        check: whether an exit code other than 0 is an error.
        env: set beside what this module sets; how a git directory of one's own is named.
        timeout_s: the command and all it started is ended then.
        output: a file that takes its standard output instead of `GitOutcome.stdout`.
        online: it speaks to a remote with the user's own configuration and credentials. Only in a git directory of
            ours: there, no agent has had a say.
        durable: what it writes is on the disk when it ends. What is kept has to be, before its clone is removed; what
            can be made again need not be.

    Raises:
        GitFailed: there is no git, or no such directory; it failed (with `check`), or took too long.
        asyncio.CancelledError: with the command gone.
    """
    name = f"git {arguments[0] if arguments else ''}"
    with contextlib.ExitStack() as files:
        stdin = files.enter_context(source.open("rb")) if source else _pipe_if(input is not None)
        stdout = files.enter_context(output.open("wb")) if output else subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *_prefix(),
                "git",
                *arguments,
                cwd=cwd,
                env=environment(env, online=online, durable=durable),
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise GitFailed(f"{name} cannot be started in {cwd}: {error.strerror or error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(input)
    except TimeoutError as error:
        raise GitFailed(f"{name} in {cwd} took longer than {timeout_s:g} s and was ended") from error
    finally:
        if process.returncode is None:
            await asyncio.shield(_end(process))
    outcome = GitOutcome(
        process.returncode if process.returncode is not None else -1,
        (out or b"").decode("utf-8", "surrogateescape"),
        (err or b"").decode("utf-8", "replace"),
    )
    if check and outcome.exit_code != 0:
        raise GitFailed(f"{name} in {cwd} failed: {in_one_line(outcome)}")
    return outcome


def environment(
    extra: Mapping[str, str] | None = None, *, online: bool = False, durable: bool = False
) -> dict[str, str]:
    """The whole environment of a git command: little of ours, nothing of the user's git unless it goes online."""
    settings = {key: value for key, value in _SETTINGS.items() if not (online and key in _OFFLINE)}
    settings |= _DURABLE if durable else _FLEETING
    if online:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _PASSED}
    else:
        env = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
        env |= {
            "HOME": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ASKPASS": "false",
            "SSH_ASKPASS": "false",
        }
    env |= {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": "false",
        "GIT_SEQUENCE_EDITOR": "false",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh" if online else "none",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for index, (key, value) in enumerate(settings.items()):
        env[f"GIT_CONFIG_KEY_{index}"] = key
        env[f"GIT_CONFIG_VALUE_{index}"] = value
    return env | dict(extra or {})


def in_one_line(outcome: GitOutcome) -> str:
    """What a failed command said, for a message."""
    said = "; ".join(line.strip() for line in outcome.stderr.splitlines() if line.strip())
    return (said or f"exit code {outcome.exit_code}")[:1000]


@cache
def _prefix() -> tuple[str, ...]:
    """Ends the command with this process, were it killed: a git that is asked to end leaves no lock file behind."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    known = subprocess.run([setpriv, "--pdeathsig", "TERM", "true"], capture_output=True, check=False)
    return (setpriv, "--pdeathsig", "TERM") if known.returncode == 0 else ()


def _pipe_if(wanted: bool) -> int:
    return subprocess.PIPE if wanted else subprocess.DEVNULL


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await process.wait()
                return
