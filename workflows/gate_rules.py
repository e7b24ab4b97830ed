"""When a check has passed, what is told of one that has not, and how its output becomes failures to mend. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .gate_contracts import GateFileChange, LookAtGateFilesResult
from .step_contracts import RunCommandResult

ARGUMENTS_MAX = 200
ARGUMENT_CHARS_MAX = 2000
FAILURES_MAX = 200
"""Of one round; a fixer's changes often mend more than what it was shown."""
TEXT_CHARS_MAX = 20_000
LINES_AROUND = 12
NAMED_MAX = 5
_PATH = re.compile(
    r"(?<![\w/.-])((?:[\w@+-][\w@+.-]*/|\.{1,2}/|/)*[\w@+.-]*\w\.(?:py|pyi|[cm]?[jt]sx?|go|rs|java|kts?|scala|rb|php|cs|"
    r"swift|c|cc|cpp|cxx|h|hpp|vue|svelte|css|scss|html|md|json|ya?ml|toml|sh|bats|sql|ex|exs|hs|ml|dart|lua))\b"
)
_TROUBLE = re.compile(
    r"\b(?:error|fail(?:ed|ure|ures|ing)?|panic(?:ked)?|assert\w*|exception|traceback|not ok)\b|✕|✗|^E  ", re.I
)
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+")


def objections(look: LookAtGateFilesResult) -> list[str]:
    """Why a check cannot pass whatever it says: it is not the one that it was at the start."""
    said = [f"{_LOST[change.how]} since the start: {change.path}" for change in look.changes if not change.allowed]
    if look.now.tests < look.before.tests:
        said.append(f"fewer tests than at the start: {look.now.tests}, there were {look.before.tests}")
    if look.now.skips > look.before.skips:
        said.append(f"more skip markers than at the start: {look.now.skips}, there were {look.before.skips}")
    if look.now.assertions < look.before.assertions:
        said.append(f"fewer assertions than at the start: {look.now.assertions}, there were {look.before.assertions}")
    return said


_LOST = {
    "changed": "a file that defines the check was changed",
    "removed": "a file that defines the check was removed",
    "added": "a file that decides how the check runs was added",
}


def reason(passed: bool, runs: Sequence[RunCommandResult], hold: int, against: Sequence[str]) -> str | None:
    """Why a gate is not passed, on one line; `None` where it is."""
    if passed:
        return None
    if against:
        more = f", and {len(against) - NAMED_MAX} more" if len(against) > NAMED_MAX else ""
        return "; ".join(against[:NAMED_MAX]) + more
    last = runs[-1]
    how = f"exit code {last.exit_code}" + (f" ({last.ended_by})" if last.ended_by else "")
    if hold > 1 and len(runs) > 1 and any(green(run) for run in runs):
        return f"{how}: it did not stay green {hold} times"
    return how


def green(run: RunCommandResult) -> bool:
    """Whether the check itself said that it passed."""
    return run.exit_code == 0 and run.ended_by is None


def trees_of_two_minds(outcomes: Sequence[tuple[str, bool]]) -> list[str]:
    """Trees about which a check said yes and no, in order of appearance. `outcomes`: (tree, passed) in order."""
    said: dict[str, set[bool]] = {}
    for tree, passed in outcomes:
        said.setdefault(tree, set()).add(passed)
    return [tree for tree, minds in said.items() if len(minds) == 2]


def texts_of(value: Any) -> dict[str, Any]:
    """Short texts in a script's arguments, which may be its commands, as `gate_texts`; nothing where there is none."""
    found: dict[str, None] = {}
    waiting = [value]
    while waiting and len(found) < ARGUMENTS_MAX:
        each = waiting.pop()
        if isinstance(each, str) and 0 < len(each) <= ARGUMENT_CHARS_MAX:
            found[each] = None
        elif isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each[:ARGUMENTS_MAX]
    return {"gate_texts": list(found)} if found else {}


def failures(run: RunCommandResult, look: LookAtGateFilesResult, silent: str | None = None) -> list[dict[str, Any]]:
    """What is to be mended: one object a file, with the lines of the output that speak of it.

    Where the output names no file, one object with `file: None` and all of it. A check that was tampered with is a
    failure of its own, so that a fixer may put back what it was.
    """
    found: list[dict[str, Any]] = []
    for change in [each for each in look.changes if not each.allowed]:
        found.append({"file": change.path, "text": _mend(change), "kind": "gate_file"})
    found += [{"file": said.partition(":")[0], "text": f"put back: {said}", "kind": "tests"} for said in look.fewer]
    if silent is not None:
        found.append({"file": None, "text": silent, "kind": "check"})
    elif not green(run):
        output = "\n".join(part.rstrip() for part in (run.stdout, run.stderr) if part.strip())
        found += [{"file": path, "text": text, "kind": "check"} for path, text in by_file(output)]
    return found[:FAILURES_MAX]


def _mend(change: GateFileChange) -> str:
    what = {"changed": "put it back as it was", "removed": "bring it back", "added": "take it out again"}[change.how]
    return f"{change.path} defines the check and was {change.how}: {what}"


def by_file(output: str) -> list[tuple[str | None, str]]:
    """The output split by the files it names near words of failure; all of it where it names none."""
    lines = output.splitlines()
    named: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        for match in _PATH.finditer(line):
            path = match[1].removeprefix("./")
            if not any(part in ("node_modules", "site-packages", "dist-packages") for part in path.split("/")):
                named.setdefault(path, []).append(number)
    troubled = [number for number, line in enumerate(lines) if _TROUBLE.search(line)]
    chosen = {
        path: numbers
        for path, numbers in named.items()
        if any(abs(number - trouble) <= LINES_AROUND // 2 for number in numbers for trouble in troubled)
    } or named
    if not chosen:
        return [(None, _cut(output.strip() or "it said nothing"))]
    return [(path, _cut(_around(lines, numbers))) for path, numbers in chosen.items()]


def _around(lines: Sequence[str], numbers: Sequence[int]) -> str:
    kept = sorted(
        {n for at in numbers for n in range(max(0, at - LINES_AROUND), min(len(lines), at + LINES_AROUND + 1))}
    )
    parts, last = [], -1
    for number in kept:
        if last >= 0 and number != last + 1:
            parts.append("…")
        parts.append(lines[number])
        last = number
    return "\n".join(parts)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else "…" + text[-TEXT_CHARS_MAX:]


def signature(found: Sequence[Mapping[str, Any]]) -> str:
    """What failed, without numbers that differ from run to run: the same failures, the same text."""
    return "\n".join(sorted(f"{each['file']}: {_VARYING.sub('#', str(each['text']))}" for each in found))


def evidence(
    command: str,
    cwd: str,
    runs: Sequence[RunCommandResult],
    trees: Sequence[str],
    look: LookAtGateFilesResult,
    *,
    silent: str | None = None,
) -> dict[str, Any]:
    """What a gate's outcome rests on."""
    last = runs[-1]
    return {
        "command": command,
        "cwd": cwd,
        "exit_code": last.exit_code,
        "stdout": last.stdout,
        "stderr": last.stderr,
        "log": last.log,
        "runs": [
            {"exit_code": run.exit_code, "duration_s": run.duration_s, "tree": tree, "log": run.log}
            | ({"ended_by": run.ended_by} if run.ended_by else {})
            for run, tree in zip(runs, trees, strict=True)
        ],
        **as_evidence(look),
        "objections": [*objections(look), *([silent] if silent is not None else [])],
    }


def as_evidence(look: LookAtGateFilesResult) -> dict[str, Any]:
    """What a look at the files found, as evidence."""
    return {
        "tree": look.tree,
        "definition": look.definition,
        "gate_files": look.files,
        "changes": [change.model_dump() for change in look.changes],
        "tests": {"before": look.before.tests, "now": look.now.tests},
        "skips": {"before": look.before.skips, "now": look.now.skips},
        "assertions": {"before": look.before.assertions, "now": look.now.assertions},
        "fewer": list(look.fewer),
        "objections": objections(look),
    }
