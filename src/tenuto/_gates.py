"""Gates: checks that say themselves whether they pass, and work that goes on until one does. Import from `tenuto`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._steps import _outside_a_run


async def gate(
    check: str | Callable[[], Any],
    *,
    attempts: int = 1,
    hold: int = 1,
    cwd: str | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the script API's own word
    allow_changes: Sequence[str] | None = None,
    label: str | None = None,
) -> dict[str, Any]:
    """Run a check, and keep what it said as evidence. A run whose last outcome of a gate is not green is `degraded`.

    A command passes with exit code 0, where it is still the check that it was before the work began: test files,
    the configuration of tests and the scripts that the command runs are unchanged, and there are no fewer tests or
    assertions and no more skip markers than at the start. New tests are welcome.

    Args:
        check: a command as `bash -c` takes it, which may run again when its Worker is lost; or a function without
            parameters, which says yes with `True`, a dict with `passed`, or what `sh()` gave with exit code 0.
        attempts: how often it is tried until it is green, 1 to 100.
        hold: how often in a row it must be green, so that a flake is not a pass; 1 to 100.
        cwd: a folder within the workspace.
        timeout: seconds for one run of the command, 1,800 by default.
        allow_changes: patterns of files of the check that may change, such as `tests/**`.
        label: name of a check that is a function; by default each function is a gate of its own.

    Returns:
        `passed`, `reason` (why not, else `None`), `flaky` (it changed its mind on an identical tree) and `evidence`:
        of a command `exit_code`, `stdout`, `stderr`, `log`, `runs`, `tree` (hash), `definition` (hash of the check),
        `changes`, `tests`, `skips`, `assertions` (each `before` and `now`), `fewer`, `objections`.

    Raises:
        RuntimeError: the command could not be run: `refused: …`, `sandbox: …`, `no_workspace: …`.
    """
    raise _outside_a_run("gate")


async def until_green(
    command: str,
    fixer: Callable[[Any], Any],
    *,
    max_rounds: int = 5,
    split: Callable[[str], Any] | None = None,
    attempts: int = 1,
    hold: int = 1,
    cwd: str | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the script API's own word
    allow_changes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Run a check, have each of its failures mended, all at the same time, and run it again until it is green.

    Args:
        command: as for `gate`, with the same rules.
        fixer: called with one failure, usually to ask an agent: a dict with `file` (`None` where the output names
            none), `text` and `kind`, or whatever `split` makes. One that raises is logged.
        max_rounds: rounds of mending, 1 to 100.
        split: makes a list of failures of the output; by default there is one for each file that it names.
        attempts: as for `gate`.
        hold: as for `gate`.
        cwd: as for `gate`.
        timeout: as for `gate`.
        allow_changes: as for `gate`.

    Returns:
        `passed`, `rounds` of mending, `reason` (`green`, `rounds`, or `no_progress` after two rounds that changed
        nothing), `failures` that are left, `flaky`, and `evidence` as for `gate`.
    """
    raise _outside_a_run("until_green")
