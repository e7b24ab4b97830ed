"""The commands that look at what is kept of runs, and their options: added to `app`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from .session import DebugOption, JsonOption, RunArgument

OutputOption = Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for name, command in COMMANDS.items():
        app.command(name=name)(command)


def audit_(run: RunArgument, output: OutputOption = None, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Every agent's prompt, result, evidence, usage as JSON Lines; steps, gates, reviews and questions too."""
    from .record_commands import audit
    from .service_commands import default_output

    return audit(run, output=default_output(output), json=json)


def script_(run: RunArgument, output: OutputOption = None, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Print the script of a run."""
    from .record_commands import script
    from .service_commands import default_output

    return script(run, output=default_output(output), json=json)


def save_(
    run: RunArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is run by; also its meta.name.")],
    *,
    user: Annotated[bool, typer.Option("--user", help="For you, not for this project.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace another workflow in that file.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Keep the script of a run as a saved workflow."""
    from .saved_commands import save

    return save(run, name, user=user, force=force, json=json)


def workflows_(json: JsonOption = False, debug: DebugOption = False) -> int:
    """List the saved and built-in workflows, nearest first."""
    from .saved_commands import workflows

    return workflows(json=json)


def prune_(
    older: Annotated[str, typer.Option("--older", metavar="AGE", help="Ended longer ago: 30d, 12h, 2w, 0d.")] = "30d",
    *,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Remove it; without this you are asked, or only told.")
    ] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Remove what is kept of runs that ended long ago: store, transcripts, clones. Says first what it would free."""
    from .prune_command import prune

    return prune(older, yes=yes, json=json)


def changes_(
    run: RunArgument,
    *,
    patch: Annotated[bool, typer.Option("--patch", "-p", help="Print the diffs themselves.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """What a run changed in the workspace and on its branches: by whom, and what reviews and gates said of it."""
    from .changes_command import changes

    return changes(run, patch=patch, json=json)


def report_(
    run: RunArgument,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE.md|FILE.html", help="Write it there.")
    ] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="md|html", help="By the file's name.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """A run as a page to read: plan, findings with their votes and evidence, gates, money, what was dropped."""
    from .report_command import report
    from .service_commands import default_output

    return report(run, output=default_output(output), format=format, json=json)


def diff_(
    run: RunArgument,
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="A .py or .js file, or a saved workflow.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Say what would be reused, and what made, if a run were resumed with a script: free, and nothing is started."""
    from .diff_command import diff

    return diff(run, script, json=json)


COMMANDS: dict[str, Callable[..., int]] = {
    "audit": audit_,
    "changes": changes_,
    "diff": diff_,
    "report": report_,
    "script": script_,
    "save": save_,
    "workflows": workflows_,
    "prune": prune_,
}
