"""The gates of one run: checks that are run as steps, held against what they were at the start, and kept by name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from . import gate_rules
    from .carry_contracts import GatesState
    from .contracts import FlakyCheck, GateCounts
    from .failed_tests import failed_tests
    from .gate_contracts import GateView, LookAtGateFilesResult
    from .gate_silence import silence
    from .script.protocol import CallError, Outcome
    from .step_contracts import RunCommandResult

if TYPE_CHECKING:
    from .run import Run

ATTEMPTS_MAX = 100
NAME_CHARS = 120
SILENCE_PATCH = "gates-silent-runner"
FUNCTION_PATCH = "gates-by-function"
"""Runs that began before these rules go on without them."""


class _Stopped(Exception):
    """A step of a gate could not be made."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.message)
        self.error = error


class Gates:
    """The gates of one run, nested workflows included."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._views: dict[str, GateView] = {}
        self._outcomes: dict[str, list[tuple[str, bool]]] = {}
        self._failed: dict[str, dict[str, list[str]]] = {}
        """By gate and tree: tests that were named as failed."""
        self._written: dict[str, str] = {}

    def restore(self, state: GatesState) -> None:
        """Go on from what `state` gave."""
        self._views, self._outcomes, self._written = state.views, state.outcomes, state.written
        self._failed = state.failed

    def state(self) -> GatesState:
        """All of it, to be taken along."""
        state = GatesState(views=self._views, outcomes=self._outcomes, written=self._written)
        if self._failed:
            state.failed = self._failed
        return state

    @property
    def views(self) -> list[GateView]:
        """Every gate by its last outcome, in order of appearance."""
        return list(self._views.values())

    def verified(self) -> dict[str, Any]:
        """What all of them amount to, as fields of `Verification`."""
        views = self.views
        passed = sum(view.passed for view in views)
        flaky = [FlakyCheck(gate=view.name, tests=view.flaky_tests) for view in views if view.flaky]
        counts = GateCounts(passed=passed, failed=len(views) - passed)
        return {"gates": counts} | ({"flaky": flaky} if flaky else {})

    def wrote(self, path: str, text: str) -> None:
        """The script itself wrote a file: what defines its checks is its own to say."""
        self._written[path] = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    async def call(self, args: dict[str, Any]) -> Outcome:
        """A gate, by a command or by what a script's own function said. Never raises but for cancellation."""
        bad = _mistake(args)
        if bad is not None:
            return Outcome(error=CallError(kind="bad_arguments", message=bad))
        return await self._told(args) if "passed" in args else await self._checked(args)

    # ------------------------------------------------------------------------------------------- commands

    async def _checked(self, args: dict[str, Any]) -> Outcome:
        command, cwd = args["command"], args.get("cwd") or "."
        key, name = f"{cwd}\0{command}", _shortened(command)
        try:
            value = await self._run_it(args, key)
        except _Stopped as stopped:
            self._note(key, name, passed=False, runs=0, reason=stopped.error.message)
            return Outcome(error=stopped.error)
        self._note(key, name, passed=value["passed"], runs=len(value["evidence"]["runs"]), reason=value["reason"])
        self._look_for_flakes(key)
        value["flaky"] = self._views[key].flaky
        return Outcome(value=value)

    def _look_for_flakes(self, key: str) -> None:
        view, trees = self._views[key], gate_rules.trees_of_two_minds(self._outcomes[key])
        named = [name for tree in trees for name in self._failed.get(key, {}).get(tree, ())]
        if trees and not view.flaky:
            self._run.say(f"gate {view.name}: flaky, it was green and red on an identical tree")
        view.flaky = bool(trees)
        if named:
            view.flaky_tests = list(dict.fromkeys(named))

    async def _run_it(self, args: dict[str, Any], key: str) -> dict[str, Any]:
        """Attempts until one stays green, or they are up; a check that was tampered with is not given another."""
        hold, attempts = args.get("hold") or 1, args.get("attempts") or 1
        runs: list[RunCommandResult] = []
        trees: list[str] = []
        look = await self._look(args)
        passed, silent = False, None
        for _ in range(attempts):
            in_a_row = 0
            while in_a_row < hold:
                run = await self._command(args)
                runs.append(run)
                trees.append(look.tree)
                silent = _silent(args["command"], run, look)
                green = gate_rules.green(run) and silent is None
                self._outcomes.setdefault(key, []).append((look.tree, green))
                if not green and (failed := failed_tests(f"{run.stdout}\n{run.stderr}")):
                    self._failed.setdefault(key, {}).setdefault(look.tree, []).extend(failed)
                in_a_row += green
                # Looked at again after each run: what changes meanwhile is seen too.
                look = await self._look(args)
                if not green:
                    break
            passed = in_a_row == hold
            if passed or gate_rules.objections(look):
                break
        against = gate_rules.objections(look) + ([silent] if silent is not None else [])
        passed = passed and not against
        evidence = gate_rules.evidence(args["command"], args.get("cwd") or ".", runs, trees, look, silent=silent)
        value: dict[str, Any] = {
            "passed": passed,
            "reason": gate_rules.reason(passed, runs, hold, against),
            "evidence": evidence,
        }
        if args.get("split"):
            found = [] if passed else gate_rules.failures(runs[-1], look, silent)
            if not passed and not found:  # it did not stay green
                found = [{"file": None, "text": value["reason"], "kind": "flaky"}]
            value |= {"failures": found, "signature": gate_rules.signature(found)}
        return value

    async def _look(self, args: dict[str, Any]) -> LookAtGateFilesResult:
        # While no agent has worked, in this run or in the one that it resumes, each look fixes the start anew: what a
        # script sets up itself is its own.
        worked = bool(self._run.ledger.agents) or self._run.input.resume_from is not None
        wanted = {
            "command": args.get("command"),
            "cwd": args.get("cwd"),
            "allow_changes": args.get("allow_changes"),
            "fix": None if worked else True,
            "written": dict(self._written) or None,
        }
        outcome = await self._run.steps.call("look_at_gate_files", wanted, finishing=True)
        if outcome.error is not None:
            raise _Stopped(outcome.error)
        look: LookAtGateFilesResult = outcome.value
        return look

    async def _command(self, args: dict[str, Any]) -> RunCommandResult:
        wanted = {key: args.get(key) for key in ("command", "cwd", "env", "timeout")}
        outcome = await self._run.steps.call("sh", {**wanted, "repeat": True}, finishing=True)
        if outcome.error is not None:
            raise _Stopped(outcome.error)
        return RunCommandResult.model_validate({**outcome.value, "log": outcome.value.get("log")})

    # ------------------------------------------------------------------------------------------ functions

    async def _told(self, args: dict[str, Any]) -> Outcome:
        """What a function of the script said: the runs that its prelude made of it, held against the start too."""
        key, name = f"\0{args['name']}", _shortened(args["name"])
        passed, reason, runs = args["passed"], args.get("reason"), args.get("runs") or 1
        value: dict[str, Any] = {"flaky": False}
        if passed and self._run.setup is not None and workflow.patched(FUNCTION_PATCH):
            try:
                look = await self._look(args)
            except _Stopped as stopped:
                self._note(key, name, passed=False, runs=runs, reason=stopped.error.message)
                return Outcome(error=stopped.error)
            if against := gate_rules.objections(look):
                passed, reason = False, gate_rules.reason(False, [], 1, against)
            value["evidence"] = gate_rules.as_evidence(look)
        self._note(key, name, passed=passed, runs=runs, reason=reason)
        return Outcome(value={"passed": passed, "reason": None if passed else reason, **value})

    def _note(self, key: str, name: str, *, passed: bool, runs: int, reason: str | None) -> None:
        before = self._views.get(key)
        total = runs + (before.runs if before else 0)
        view = GateView(
            id=before.id if before else f"g{len(self._views) + 1}",
            name=name,
            passed=passed,
            runs=total,
            reason=None if passed else reason,
            flaky=before.flaky if before else False,
        )
        if before is not None and before.flaky_tests:
            view.flaky_tests = before.flaky_tests
        self._views[key] = view
        self._run.say(f"gate {name}: " + ("passed" if passed else f"not passed: {reason}"))


def _silent(command: str, run: RunCommandResult, look: LookAtGateFilesResult) -> str | None:
    said = silence(command, run, look) if gate_rules.green(run) else None
    return said if said is not None and workflow.patched(SILENCE_PATCH) else None


def _shortened(name: str) -> str:
    text = " ".join(name.split())
    return text if len(text) <= NAME_CHARS else text[: NAME_CHARS - 1] + "…"


def _mistake(args: dict[str, Any]) -> str | None:
    for key in ("attempts", "hold"):
        value = args.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= ATTEMPTS_MAX:
            return f"gate() takes {key} as a whole number from 1 to {ATTEMPTS_MAX}, not {value!r}"
    if "passed" not in args and not str(args.get("command", "")).strip():
        return "gate() takes a command that is not empty"
    return None
