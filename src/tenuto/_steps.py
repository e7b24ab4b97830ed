"""Steps without a model: what a script does to the world by itself. Import them from `tenuto`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


async def sh(
    command: str,
    *,
    cwd: str | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the script API's own word
    env: Mapping[str, object] | None = None,
    check: bool = False,
    repeat: bool = True,
) -> dict[str, Any]:
    """Run a shell command in the workspace, inside the run's sandbox and policy.

    Args:
        command: as `bash -c` takes it.
        cwd: a folder within the workspace; by default the workspace itself.
        timeout: seconds, 1,800 by default; a command that takes longer is ended with exit code 124.
        env: further environment variables.
        check: raise where the exit code is not 0.
        repeat: if its Worker is lost half-way, the command is run again. With `False` the call fails instead: for
            what must not happen twice.

    Returns:
        `exit_code`, `stdout` and `stderr` (each at most its last 64 KiB), `duration_s`, `log` (store key of all output
        where these are not all of it, else `None`), and `ended_by` where it did not end by itself (`timeout`, …).

    Raises:
        RuntimeError: `refused: …` by the run's policy, `command_failed: …` with `check`, and with `repeat=False`
            `unknown_outcome: …` when its Worker was lost while it ran.
    """
    raise _outside_a_run("sh")


async def read(path: str) -> str:
    """Read a text file of the workspace.

    Args:
        path: relative to the workspace, or absolute within it; at most 24 MB of UTF-8.

    Raises:
        RuntimeError: `not_found: …`, `outside_workspace: …`, `not_text: …`, `too_large: …`, `refused: …`.
    """
    raise _outside_a_run("read")


async def write(path: str, text: str) -> None:
    """Create or replace a file of the workspace, whole or not at all; folders are made.

    Args:
        path: as for `read`.
        text: its content.

    Raises:
        RuntimeError: `outside_workspace: …`, `refused: …`.
    """
    raise _outside_a_run("write")


async def glob(pattern: str) -> list[str]:
    """List files of the workspace, sorted; what git ignores is left out unless the pattern names it.

    Args:
        pattern: such as `src/**/*.ts`.
    """
    raise _outside_a_run("glob")


async def grep(pattern: str, glob: str | None = None) -> list[dict[str, Any]]:
    """Search the text files of the workspace.

    Args:
        pattern: a regular expression, looked for in each line.
        glob: only in files that match it.

    Returns:
        One dict a matching line, in order of path and line: `path`, `line` (from 1), `text`.

    Raises:
        RuntimeError: `bad_pattern: …`, `too_large: …` for over 100,000 lines.
    """
    raise _outside_a_run("grep")


async def lock(name: str, thunk: Callable[[], Any]) -> Any:
    """Call a function while no other holder of that lock works in this run; waiters are served in order.

    Args:
        name: of the lock; nested workflows share it.
        thunk: a function without parameters, or an `async` one. It must not take the same lock.

    Returns:
        What the function returned.
    """
    raise _outside_a_run("lock")


async def mcp(server: str, tool: str, input: Mapping[str, Any] | None = None, *, repeat: bool = False) -> Any:
    """Call one tool of an MCP server, under the run's policy.

    Args:
        server: its name in the configuration.
        tool: the tool's name there.
        input: its arguments.
        repeat: the call may be made twice: if its Worker is lost half-way it is made again, with the same key.

    Returns:
        The tool's structured result where it has one, else its text.

    Raises:
        RuntimeError: `mcp: …` when the server or the tool failed, `refused: …`, `unknown_outcome: …`.
    """
    raise _outside_a_run("mcp")


async def pull_request(
    *, branch: str, title: str, body: str, base: str | None = None, draft: bool = False
) -> dict[str, Any]:
    """Push a branch and open its pull request with the forge's own command (`gh`, `glab`), once.

    Args:
        branch: a branch of the workspace's repository.
        title: of the request.
        body: of the request.
        base: the branch to merge into; by default the repository's own default.
        draft: open it as a draft.

    Returns:
        `url`, `branch`, `created` (false where it was there already), and `reason` where there is no request: without
        a forge the branch stays, and `url` is `None`.
    """
    raise _outside_a_run("pull_request")


def _outside_a_run(name: str) -> RuntimeError:
    return RuntimeError(f"{name}() works inside a workflow run only: start the script with `tenuto run FILE`")
