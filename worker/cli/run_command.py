"""`tenuto run`: everything is checked before anything is started."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Settings, UsageError
from .limit_options import phase_ceilings, seconds
from .output import (
    EXIT_CODES,
    EXIT_INTERRUPTED,
    EXIT_WAITING,
    ending_lines,
    notice,
    print_line,
    print_result,
    report_json,
    write_bytes,
)
from .progress import progress
from .script_input import load_script, parse_args
from .session import directory, open_runs, owner_name, require_fit, warn_of

if TYPE_CHECKING:
    from tenuto.workflows.contracts import RunInput, RunLimits, RunReport
    from tenuto.workflows.script.protocol import LoadedScript

    from ..runs import Runs

TRIP = 5
"""Failures of one kind in a row after which no further agent is launched."""
SIZES: dict[str, tuple[int, int]] = {"trial": (5, 2), "small": (50, 4), "full": (1000, 16)}
"""Size of a run -> agents, and how many at once."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of `run`, as given."""

    script: str
    args: str | None = None
    workspace: str | None = None
    size: str | None = None
    concurrency: int | None = None
    max_agents: int | None = None
    max_usd: float | None = None
    max_output_tokens: int | None = None
    max_tokens: int | None = None
    phase_usd: tuple[str, ...] = ()
    on_limit: str | None = None
    limit_timeout: str | None = None
    trip: bool = True
    model: str | None = None
    effort: str | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    sandbox: bool = True
    owner: str | None = None
    detach: bool = False
    no_wait: bool = False
    yes: bool = False
    run_id: str | None = None
    resume_from: str | None = None
    simulate: bool = False
    local_store: bool | None = None
    json: bool = False


def run(options: RunOptions) -> int:
    """Start a run, or attach to it, and follow it; the exit code.

    Raises:
        UsageError: bad input, with nothing started.
        ScriptLoadError: the script does not load.
    """
    workspace = directory(options.workspace)
    settings = Settings.load(
        workspace,
        concurrency=options.concurrency,
        model=options.model,
        max_usd=options.max_usd,
        local_store=options.local_store,
    )
    if settings.disabled_by:
        raise UsageError(f"starting runs is turned off by {settings.disabled_by}; unset it to run {options.script!r}")
    require_fit(workspace, settings.home)
    run_input = build_input(options, settings, workspace)
    from ..runs import check_run_id, new_run_id

    run_id = check_run_id(options.run_id) if options.run_id is not None else new_run_id()
    if options.resume_from is not None and check_run_id(options.resume_from) == run_id:
        raise UsageError(f"--resume-from and --id are both {run_id!r}: a resumed run is a new one, so leave out --id")
    if settings.embedded and not options.simulate:
        check_credentials(settings)
    _check_policy(run_input, workspace, settings.home, phase_ceilings(options.phase_usd))
    warn_of(workspace, settings.home)
    _confirm(options, settings, run_input)
    return launch(options, settings, run_input, run_id)


def launch(options: RunOptions, settings: Settings, run_input: RunInput, run_id: str) -> int:
    """Start what was checked, and follow it unless `--detach` says not to; the exit code. Raises `UsageError`."""
    if settings.embedded:
        settings = _start_service(settings, options.simulate)
    started = asyncio.Event()
    try:
        return asyncio.run(_run(options, settings, run_input, run_id, started))
    except KeyboardInterrupt:
        if not started.is_set():
            raise
        notice(f"left {run_id}; it goes on: tenuto show {run_id}, tenuto logs {run_id} -f, tenuto stop {run_id}")
        return EXIT_INTERRUPTED


# ---------------------------------------------------------------------------------------------- before the start


def build_input(options: RunOptions, settings: Settings, workspace: Path) -> RunInput:
    """The one argument of the Workflow. Raises as `run`."""
    from tenuto.workflows.contracts import RunInput, Script
    from tenuto.workflows.models import resolve
    from tenuto.workflows.script.dialects import interpreters
    from tenuto.workflows.setup_contracts import WorkspaceOptions

    from ..identity import host_id
    from ..policy_sources import run_policy

    args, has_args = parse_args(options.args)
    loaded, path = load_script(options.script, workspace, settings.home)
    limits = limits_of(options, settings, loaded)
    if in_dollars(limits):
        check_price(resolve(settings.model))
    policy = run_policy(
        settings, workspace, allow=options.allow, deny=options.deny, sandbox=options.sandbox, notice=notice
    )
    return RunInput(
        script=Script.of(loaded, str(path.absolute())),
        args=args,
        has_args=has_args,
        limits=limits,
        model=settings.model,
        effort=options.effort,
        workspace=str(workspace),
        owner=options.owner or owner_name(),
        allow=policy.allow,
        policy=policy,
        options=WorkspaceOptions(
            setup=settings.setup, untracked=list(settings.untracked), gate_files=list(settings.gate_files)
        ),
        simulate=options.simulate,
        notify=settings.has_hook,
        host=host_id(settings.host) if settings.several_hosts else None,
        interpreters=interpreters(),
        locale=True,
    )


def limits_of(options: RunOptions, settings: Settings, script: LoadedScript) -> RunLimits:
    """The ceilings of a run: the script's own, which flags may lower, else the flags', else the size's."""
    from tenuto.workflows.contracts import RunLimits

    agents, wide = SIZES[options.size or "full"]
    sized = options.size is not None
    asked = script.limits
    return RunLimits.model_validate(
        {
            "agents": int(_lower(asked.get("agents"), options.max_agents or (agents if sized else None)) or agents),
            "concurrency": int(
                _lower(asked.get("concurrency"), settings.concurrency or (wide if sized else None)) or wide
            ),
            "output_tokens": options.max_output_tokens,
            "tokens": options.max_tokens,
            "usd": _lower(asked.get("usd"), settings.max_usd),
            "phases_usd": _phases_usd(options, script) or None,
            "on_limit": options.on_limit or "ask",
            "limit_timeout_s": seconds(options.limit_timeout),
            "trip": TRIP if options.trip else 0,
        }
    )


def _phases_usd(options: RunOptions, script: LoadedScript) -> dict[str, float]:
    """The ceilings of phases: the script's own, which flags may lower."""
    asked = {phase.title: phase.usd for phase in script.phases if phase.usd is not None}
    for phase, usd in phase_ceilings(options.phase_usd).items():
        asked[phase] = min(usd, asked.get(phase, usd))
    return asked


def _lower(asked: float | None, flag: float | None) -> float | None:
    return min((value for value in (asked, flag) if value is not None), default=None)


def in_dollars(limits: RunLimits) -> bool:
    """Whether any ceiling is one of money."""
    return limits.usd is not None or bool(limits.phases_usd)


def check_price(model: str) -> None:
    """Raises `UsageError` where a ceiling in dollars could not be kept."""
    from tenuto.activities.prices import known

    if not known(model):
        raise UsageError(
            f"the price of the model {model!r} is not known, so a ceiling in dollars cannot be kept: choose another "
            "--model, or leave out --max-usd (TENUTO_MAX_USD, max_usd in tenuto.toml, limits.usd in the script)"
        )


def check_credentials(settings: Settings) -> None:
    """Raises `UsageError` where the embedded Worker would find no credential."""
    from tenuto.activities.credentials import Credentials, CredentialsFileError

    try:
        available = Credentials(settings.home).available()
    except CredentialsFileError as error:
        raise UsageError(f"{error}; mend it or write it anew with `tenuto auth`") from None
    if not available:
        raise UsageError(
            "there is no credential for the Anthropic API: set ANTHROPIC_API_KEY, or run `tenuto auth`; "
            "or rehearse with --simulate, which needs none"
        )


def _check_policy(run_input: RunInput, workspace: Path, home: Path, given: Iterable[str]) -> None:
    """Nothing starts whose script names what the policy refuses: not in the middle of the night, but now."""
    from ..precheck.findings import precheck
    from ..precheck.names import missing_names, unnamed_phases

    found = precheck(run_input, workspace)
    named = missing_names(run_input.script, workspace, home)
    for line in (*found.refused, *found.withheld, *named, *unnamed_phases(run_input.script, given)):
        notice(line)
    if found.refused:
        raise UsageError("nothing was started, because the script names what this run refuses (see above)")


def _confirm(options: RunOptions, settings: Settings, run_input: RunInput) -> None:
    """Ask once per script, where there is somebody to ask."""
    if options.yes or options.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    approved = settings.home / "approved" / run_input.script.sha256
    if approved.exists():
        return
    import typer

    from tenuto.workflows.setup_contracts import Policy

    from .policy_words import may_touch

    limits, phases = run_input.limits, [phase.title for phase in run_input.script.phases]
    ceiling = f", ${limits.usd:g} at most" if limits.usd is not None else ", no ceiling in dollars"
    for name, value in (
        (run_input.script.name, run_input.script.description),
        ("phases", ", ".join(phases) or "none named"),
        ("caps", f"{limits.agents} agents, {limits.concurrency} at once{ceiling}"),
        ("model", run_input.model + (" (simulated)" if run_input.simulate else "")),
        ("workspace", run_input.workspace),
        *(("may touch" if not n else "", line) for n, line in enumerate(may_touch(run_input.policy or Policy()))),
    ):
        notice(f"  {name:<10} {value}")
    if not typer.confirm("Run it?", default=True, err=True):
        raise UsageError("not started")
    approved.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    approved.touch()


def _start_service(settings: Settings, simulate: bool) -> Settings:
    from ..service import service

    if service.current(settings.home) is None:
        open_runs(settings)  # before a word is said: without its store nothing starts
        notice("starting the embedded Temporal Service")
    # A rehearsal needs no credential: it must not take those of other runs' Worker away.
    running = service.ensure(settings, take_environment=not simulate, notice=notice)
    return settings.at(running.address, running.ui)


# ------------------------------------------------------------------------------------------- starting, following


async def _run(
    options: RunOptions, settings: Settings, run_input: RunInput, run_id: str, started: asyncio.Event
) -> int:
    runs = open_runs(settings, starts=False)
    if options.resume_from is not None:
        run_input = await _resuming(runs, run_input, options.resume_from)
    report = await _start_or_attach(runs, run_input, run_id, attach=options.run_id is not None)
    started.set()
    if options.detach:
        if options.json:
            write_bytes(report_json(report, await runs.result(report)))
        else:
            notice(f"{run_id} runs: tenuto logs {run_id} -f, tenuto show {run_id}, tenuto result {run_id}")
            print_line(run_id)
        return 0
    return await follow_to_the_end(runs, run_id, json=options.json, no_wait=options.no_wait)


async def _resuming(runs: Runs, run_input: RunInput, resumed: str) -> RunInput:
    from ..connect import Unreachable
    from ..resuming import resuming

    try:
        return await resuming(runs, run_input, resumed)
    except Unreachable as error:
        raise UsageError(str(error)) from None


async def _start_or_attach(runs: Runs, run_input: RunInput, run_id: str, *, attach: bool) -> RunReport:
    from ..connect import Unreachable
    from ..runs import RunExists

    try:
        run_input = run_input.model_copy(update={"search_attributes": await runs.has_search_attributes()})
        if not attach or not await _known(runs, run_id):
            report = await runs.start(run_input, run_id)
            notice(f"{run_id} started" + (f" · {report.ui}" if report.ui else ""))
            return report
    except RunExists:
        pass  # another command started it in the same moment
    except Unreachable as error:
        raise UsageError(str(error)) from None
    before = await runs.input(run_id)
    same_args = (before.has_args, before.args) == (run_input.has_args, run_input.args)
    if before.script.sha256 != run_input.script.sha256 or not same_args:
        what = "other arguments" if not same_args else "another script"
        raise UsageError(f"--id is {run_id!r}, a run that was started with {what}; choose another id")
    notice(f"attached to {run_id}")
    return await runs.report(run_id)


async def _known(runs: Runs, run_id: str) -> bool:
    """Whether the store has it: a run that Temporal no longer keeps is still that run."""
    from ..runs import UnknownRun

    try:
        await runs.report(run_id, agents=False)
    except UnknownRun:
        return False
    return True


async def follow_to_the_end(runs: Runs, run_id: str, *, json: bool, no_wait: bool) -> int:
    """Follow a run, print what it came to, and return the exit code that says so."""
    from .follow import follow

    with progress() as shown:
        report = await follow(runs, run_id, shown, until_waiting=no_wait)
    result = await runs.result(report)
    for line in ending_lines(report):
        notice(line)
    if json:
        write_bytes(report_json(report, result))
    elif result is not None:
        print_result(result)
    return EXIT_CODES.get(report.status, EXIT_WAITING)
