"""A test runner that ended with 0 and told no result: something ended it from inside (`os._exit(0)`). Pure.

Only where it is certain what should have been said: one simple command whose program is the runner itself, with its
output neither piped nor written elsewhere nor put into another shape.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from .gate_contracts import LookAtGateFilesResult
from .step_contracts import RunCommandResult

_ELSEWHERE = re.compile(r"[|;<>&`\n]|\$\(")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*")
_WRAPPERS = frozenset(("env", "time", "nice", "timeout", "npx", "bunx", "uvx", "exec", "command"))
_RUN_BY = frozenset(("uv", "poetry", "pdm", "hatch", "rye", "pipenv"))
_SHOWN = re.compile(r"\[ *(\d+)%\]|\[ *(\d+)/(\d+)\]")
_DOTS = re.compile(r"^[.FEsxX,]+", re.M)
_PYTEST_SAYS = re.compile(
    r"\b\d+ (?:passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?|rerun|tests? collected)\b"
    r"|\bno tests (?:ran|collected)\b"
)
_CHOSEN = re.compile(r"-[km]|--(?:deselect|ignore|lf|last-failed|sw|stepwise|capture|override-ini)\b.*|-s|-o")


@dataclass(frozen=True, slots=True)
class _Runner:
    name: str
    says: Callable[[str, list[str], int], bool]
    """Whether an output (of a command with these words, for so many tests) has a result."""
    others: re.Pattern[str]
    """Words by which it runs no tests, or tells its result in another way."""


def _says(pattern: str) -> Callable[[str, list[str], int], bool]:
    compiled = re.compile(pattern, re.M)
    return lambda output, _words, _tests: compiled.search(output) is not None


def _pytest_says(output: str, words: list[str], tests: int) -> bool:
    if _PYTEST_SAYS.search(output):
        return True
    # `-qq` leaves the summary out; how far it came is then all there is.
    shown = _SHOWN.findall(output)
    if shown:
        return any(percent == "100" or (done and done == of) for percent, done, of in shown)
    dots = sum(len(each) for each in _DOTS.findall(output))
    chosen = any(_CHOSEN.fullmatch(word) or not word.startswith("-") for word in words)
    return dots > 0 and (chosen or dots >= tests)


_RUNNERS = {
    "pytest": _Runner(
        "pytest",
        _pytest_says,
        re.compile(r"no:terminal\w*|-pno:terminal\w*|--(?:co|collect-only|version|help|markers|fixtures\S*)|-h|-V"),
    ),
    "unittest": _Runner("unittest", _says(r"^Ran \d+ tests?"), re.compile(r"-h|--help")),
    "cargo test": _Runner(
        "cargo test",
        _says(r"^test result:|^running \d+ tests?$(?=[\s\S]*test result)"),
        re.compile(r"--(?:no-run|help|list)|-h"),
    ),
    "jest": _Runner(
        "jest",
        _says(r"^Tests?(?: Suites)?:\s"),
        re.compile(r"--(?:reporters|json|listTests|version|help|outputFile|silent).*"),
    ),
    "vitest": _Runner(
        "vitest",
        _says(r"^\s*(?:Tests|Test Files)\s+"),
        re.compile(r"list|--(?:reporter|silent|version|help|outputFile).*"),
    ),
    "mocha": _Runner("mocha", _says(r"^\s*\d+ passing"), re.compile(r"-R|--(?:reporter|dry-run|version|help).*")),
    "node --test": _Runner("node --test", _says(r"^\S{0,2}\s?(?:pass|tests) \d+"), re.compile(r"--test-reporter.*")),
}


def silence(command: str, run: RunCommandResult, look: LookAtGateFilesResult) -> str | None:
    """What is said against a run that ended with 0; `None` where nothing is to be said."""
    tests = max(look.before.tests, look.now.tests)
    found = _runner(command) if tests and run.exit_code == 0 else None
    if found is None:
        return None
    runner, words = found
    if any(runner.others.fullmatch(word) for word in words):
        return None
    output = f"{run.stdout}\n{run.stderr}"
    if runner.says(output, words, tests):
        return None
    tail = " ".join(output.split())[-200:]
    return f"{runner.name} ended with 0 and reported no result: " + (
        f"its output ends {tail!r}" if tail else "no output"
    )


def _runner(command: str) -> tuple[_Runner, list[str]] | None:
    """The runner that a command is, with the words after it."""
    last = command.replace("2>&1", " ").strip().split("&&")
    if any(_ELSEWHERE.search(part) for part in last):
        return None
    try:
        words = shlex.split(last[-1])
    except ValueError:
        return None
    while words and (_ASSIGNED.match(words[0]) or words[0] in _WRAPPERS or re.fullmatch(r"[\d.]+[smhd]?", words[0])):
        words.pop(0)
    if words[:1] and words[0] in _RUN_BY and words[1:2] == ["run"]:
        words = words[2:]
    if not words:
        return None
    program, rest = posixpath.basename(words[0]), words[1:]
    if _PYTHON.fullmatch(program):
        while rest and re.fullmatch(r"-[BEsSuIqOP]+", rest[0]):
            rest = rest[1:]
        program, rest = ("".join(rest[1:2]), rest[2:]) if rest[:1] == ["-m"] else ("", [])
    named = {"py.test": "pytest", "node": "node --test" if "--test" in rest else "node"}.get(program, program)
    if program == "cargo" and rest[:1] == ["test"]:
        named, rest = "cargo test", rest[1:]
    return (_RUNNERS[named], rest) if named in _RUNNERS else None
