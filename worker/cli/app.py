"""The commands of `tenuto` and their options. Each one imports what it does when it does it: `--help` is instant."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from . import kept_app
from .limit_options import LimitTimeoutOption, OnLimit, PhaseUsdOption
from .session import DebugOption, JsonOption, LocalStoreOption, RunArgument

app = typer.Typer(
    name="tenuto",
    help="Durable runs of dynamic workflows of subagents, on Temporal.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Size(StrEnum):
    """5 agents 2 wide, 50 x 4, 1,000 x 16."""

    trial = "trial"
    small = "small"
    full = "full"


class Effort(StrEnum):
    """Of the Messages API."""

    low = "low"
    medium = "medium"
    high = "high"
    xhigh = "xhigh"
    max = "max"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from .output import print_line

        print_line(f"tenuto {version('tenuto')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Durable runs of dynamic workflows of subagents, on Temporal."""


ScriptArgument = Annotated[str, typer.Argument(metavar="SCRIPT|NAME", help="A .py or .js file, or a saved workflow.")]


@app.command(name="run")
def run_(
    script: ScriptArgument,
    *,
    args: Annotated[str | None, typer.Option(metavar="JSON|@FILE|TEXT", help="Arguments of the script.")] = None,
    workspace: Annotated[str | None, typer.Option(metavar="DIR", help="Where the run works; here by default.")] = None,
    size: Annotated[Size | None, typer.Option(help="Agents and width: 5 x 2, 50 x 4, 1,000 x 16 (default).")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, metavar="N", help="Agents at once.")] = None,
    max_agents: Annotated[int | None, typer.Option(min=1, metavar="N", help="Agents in all.")] = None,
    max_usd: Annotated[float | None, typer.Option(min=0, metavar="X", help="Ceiling in dollars.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="The script's `budget`.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="Ceiling in all tokens.")] = None,
    phase_usd: PhaseUsdOption = None,
    on_limit: Annotated[OnLimit | None, typer.Option(help="At a ceiling wait for you (default), or fail.")] = None,
    limit_timeout: LimitTimeoutOption = None,
    no_trip: Annotated[
        bool, typer.Option("--no-trip", help="Go on launching agents though 5 in a row fail in the same way.")
    ] = False,
    model: Annotated[str | None, typer.Option(metavar="M", help="haiku, sonnet, opus, fable, or a full id.")] = None,
    effort: Annotated[Effort | None, typer.Option(help="Of agents that name none.")] = None,
    allow: Annotated[list[str] | None, typer.Option(metavar="RULE", help="Permission rule; may be repeated.")] = None,
    deny: Annotated[list[str] | None, typer.Option(metavar="RULE", help="Stands before every --allow.")] = None,
    no_sandbox: Annotated[bool, typer.Option("--no-sandbox", help="Run commands without walls, as you.")] = False,
    owner: Annotated[str | None, typer.Option(metavar="WHO", help="Who the run belongs to; you by default.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not follow the run.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave when the run waits for a person: exit 5.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before an unknown script.")] = False,
    id: Annotated[str | None, typer.Option(metavar="RUN", help="Run id; an existing run is attached to.")] = None,
    resume_from: Annotated[
        str | None, typer.Option(metavar="RUN", help="A run that has ended: what its agents finished is reused.")
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Simulated models: no key, no cost.")] = False,
    local_store: LocalStoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Run a script: start it, follow it, print its result.

    Exit codes: 0 completed or detached, 1 failed, 2 bad input, 3 degraded, 4 stopped, 5 waiting, 130 left by Ctrl-C.
    """
    from .run_command import RunOptions, run

    return run(
        RunOptions(
            script=script,
            args=args,
            workspace=workspace,
            size=size,
            concurrency=concurrency,
            max_agents=max_agents,
            max_usd=max_usd,
            max_output_tokens=max_output_tokens,
            max_tokens=max_tokens,
            phase_usd=tuple(phase_usd or ()),
            on_limit=None if on_limit is None else on_limit.value,
            limit_timeout=limit_timeout,
            trip=not no_trip,
            model=model,
            effort=effort,
            allow=tuple(allow or ()),
            deny=tuple(deny or ()),
            sandbox=not no_sandbox,
            owner=owner,
            detach=detach,
            no_wait=no_wait,
            yes=yes,
            run_id=id,
            resume_from=resume_from,
            simulate=simulate,
            local_store=local_store,
            json=json,
        )
    )


@app.command(name="resume")
def resume_(
    run: RunArgument,
    *,
    concurrency: Annotated[int | None, typer.Option(min=1, metavar="N", help="Another width.")] = None,
    max_agents: Annotated[int | None, typer.Option(min=1, metavar="N", help="Another cap of agents.")] = None,
    max_usd: Annotated[float | None, typer.Option(min=0, metavar="X", help="Another ceiling in dollars.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="Another `budget`.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="Another ceiling in tokens.")] = None,
    phase_usd: PhaseUsdOption = None,
    on_limit: Annotated[OnLimit | None, typer.Option(help="At a ceiling wait for you, or fail.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not follow the run.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave when the run waits for a person: exit 5.")] = False,
    id: Annotated[str | None, typer.Option(metavar="RUN", help="Id of the new run.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Let a paused or waiting run go on; one that has ended starts again, as a new run that pays for nothing twice."""
    from .resume_command import resume
    from .run_command import RunOptions

    return resume(
        run,
        RunOptions(
            script=run,
            concurrency=concurrency,
            max_agents=max_agents,
            max_usd=max_usd,
            max_output_tokens=max_output_tokens,
            max_tokens=max_tokens,
            phase_usd=tuple(phase_usd or ()),
            on_limit=None if on_limit is None else on_limit.value,
            detach=detach,
            no_wait=no_wait,
            run_id=id,
            resume_from=run,
            json=json,
        ),
    )


@app.command(name="check")
def check_(script: ScriptArgument, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Load and type-check a script without running it; exit 1 with line, caret and reason."""
    from .check_command import check

    return check(script, json=json)


@app.command(name="show")
def show_(run: RunArgument, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Show one run: phases, agents, census, usage, and its result up to 1 MB."""
    from .read_commands import show

    return show(run, json=json)


@app.command(name="result")
def result_(
    run: RunArgument,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Print the full result of a run."""
    from .read_commands import result
    from .service_commands import default_output

    return result(run, output=default_output(output), json=json)


@app.command(name="ls")
def ls_(
    all: Annotated[bool, typer.Option("--all", help="All runs, also those that only the store has.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """List runs, newest first."""
    from .read_commands import ls

    return ls(everything=all, json=json)


@app.command(name="logs")
def logs_(
    run: RunArgument,
    agent: Annotated[str | None, typer.Argument(metavar="[AGENT]", help="Agent id or label, or a step, s7.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it has ended.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Print what the script logged, one agent's conversation, or the output of a step."""
    from .log_command import logs

    return logs(run, agent, follow=follow, json=json)


@app.command(name="stop")
def stop_(run: RunArgument, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Stop a run; what its agents finished is kept."""
    from .read_commands import stop

    return stop(run, json=json)


@app.command(name="pause")
def pause_(run: RunArgument, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Start no further agents of a run; those that are running finish."""
    from .control_commands import pause

    return pause(run, json=json)


@app.command(name="set")
def set_(
    run: RunArgument,
    *,
    concurrency: Annotated[int | None, typer.Option(min=1, metavar="N", help="Agents at once.")] = None,
    max_usd: Annotated[float | None, typer.Option(min=0, metavar="X", help="Ceiling in dollars.")] = None,
    max_agents: Annotated[int | None, typer.Option(min=1, metavar="N", help="Agents in all.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="The script's `budget`.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, metavar="N", help="Ceiling in all tokens.")] = None,
    phase_usd: PhaseUsdOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Change the limits of a run that lives; one that waits at a ceiling goes on where it has room again."""
    from .control_commands import set_limits
    from .limit_options import phase_ceilings

    given = {
        "concurrency": concurrency,
        "usd": max_usd,
        "agents": max_agents,
        "output_tokens": max_output_tokens,
        "tokens": max_tokens,
        "phases_usd": phase_ceilings(phase_usd or ()) or None,
    }
    return set_limits(run, given, json=json)


agents = typer.Typer(name="agent", help="Control one agent of a run.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(agents)
AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Agent id, as `tenuto show` lists it.")]


@agents.command(name="skip")
def skip_(run: RunArgument, agent: AgentArgument, json: JsonOption = False, debug: DebugOption = False) -> int:
    """End an agent without a value: null in JavaScript, an error in Python."""
    from .control_commands import skip

    return skip(run, agent, json=json)


@agents.command(name="restart")
def restart_(run: RunArgument, agent: AgentArgument, json: JsonOption = False, debug: DebugOption = False) -> int:
    """Have a running agent start over in a fresh conversation."""
    from .control_commands import restart

    return restart(run, agent, json=json)


@app.command(name="answer")
def answer_(
    run: RunArgument,
    words: Annotated[list[str], typer.Argument(metavar="[QUESTION] ANSWER", help="Its id where several are open.")],
    as_: Annotated[str | None, typer.Option("--as", metavar="WHO", help="Who answers; you by default.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Answer what a run asks: one of the options, or any text."""
    from .answer_command import answer

    return answer(run, words, who=as_, json=json)


kept_app.add_to(app)


@app.command(name="up")
def up_(json: JsonOption = False, debug: DebugOption = False) -> int:
    """Start the embedded Temporal Service and its Worker, where they are not running."""
    from .service_commands import up

    return up(json=json)


@app.command(name="down")
def down_(json: JsonOption = False, debug: DebugOption = False) -> int:
    """End the embedded service; runs go on at the next `up`."""
    from .service_commands import down

    return down(json=json)


@app.command(name="worker")
def worker_(local_store: LocalStoreOption = None, debug: DebugOption = False) -> int:
    """Be a Worker for the Temporal Service of TEMPORAL_ADDRESS, in the foreground."""
    from .service_commands import worker

    return worker(local_store=local_store)


@app.command(name="auth")
def auth_(
    what: Annotated[str | None, typer.Argument(metavar="mcp", help="`mcp`: authorize with an MCP server.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The server, as it is configured.")] = None,
    *,
    code: Annotated[bool, typer.Option("--code", help="No browser here: paste what it was sent to.")] = False,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read the key from standard input.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the key out again.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Keep an Anthropic API key in TENUTO_HOME/credentials.env, or authorize with an MCP server; for you only."""
    from .service_commands import auth, auth_mcp

    if what is not None:
        return auth_mcp(what, name, code=code, json=json)
    return auth(from_stdin=key_stdin, remove=remove, json=json)


@app.command(name="doctor")
def doctor_(
    mcp: Annotated[bool, typer.Option("--mcp", help="Connect the MCP servers of this folder too.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Look for what is wrong with this machine's set-up; exit 1 if something is."""
    from .doctor import doctor

    return doctor(mcp=mcp, json=json)


@app.command(name="demo")
def demo_(json: JsonOption = False, debug: DebugOption = False) -> int:
    """The tour: an audit of a small package that survives the death of its own Worker."""
    from .demo import run_demo

    return run_demo(json=json)
