"""What must hold of a run however it was disturbed, and the report about it (`TENUTO_CHAOS_REPORT=path`)."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..cli.command import until
from .bench import Bench
from .disturbed import Ran

SAME = ("status", "error", "census", "verification", "failures")
"""What of a report must be as in the undisturbed run."""
LOST, DONE = "unknown_outcome", 0
REPORT = "TENUTO_CHAOS_REPORT"
Asked = Counter[tuple[str, int]]
"""Prompt and turn -> requests."""


def holds(ran: Ran, calm: Ran, bench: Bench, told: object) -> None:
    """All of it. `told` is what a person needs to have the same disturbance again.

    The same result; what had finished was asked for once; effects happened once; no process, clone or sandbox is left.
    """
    same_end(ran, calm, told)
    paid_once(asked_for(ran.requests), asked_for(calm.requests), under_way(ran.kills, ran.spans, ran.prompts), told)
    effects_once(ran, told)
    nothing_left(ran, bench, told)


def same_end(ran: Ran, calm: Ran, told: object) -> None:
    """Result, census, failures, verdicts, branches and checkout are those of the undisturbed run."""
    for key in SAME:
        assert ran.report[key] == calm.report[key], (told, key)
    assert ran.report["result"]["rest"] == calm.report["result"]["rest"], told
    assert (ran.merged, ran.status) == (calm.merged, calm.status), told


def paid_once(asked: Asked, expected: Asked, under_way: Counter[str], told: object) -> None:
    """A request that the undisturbed run would not make belongs to an agent that was under way at a kill."""
    assert not expected - asked, (told, "never asked for", expected - asked)
    again: Counter[str] = Counter()
    for (prompt, _turn), times in (asked - expected).items():
        again[prompt] += times
    assert not again - under_way, (told, "paid twice", again - under_way)


def asked_for(requests: Iterable[dict[str, Any]]) -> Asked:
    """How often each turn of each prompt was asked for."""
    return Counter((record["prompt"], record.get("turn") or 1) for record in requests)


def under_way(
    kills: Iterable[float], spans: Mapping[str, tuple[float, float]], prompts: Mapping[str, str]
) -> Counter[str]:
    """Prompt -> how often a kill met an agent with it, from what is known by agent."""
    return Counter(
        prompts[agent] for moment in kills for agent, (since, ended) in spans.items() if since < moment <= ended
    )


def effects_once(ran: Ran, told: object) -> None:
    """A command that must not run twice did not; of others, one more for each kill at the most."""
    if "once" not in ran.report["result"]:
        return  # a script without commands
    outcome, lines = ran.report["result"]["once"], ran.effects
    assert outcome in (DONE, LOST), told
    assert lines.get("once.log", 0) <= 1, (told, lines)
    assert outcome == LOST or lines["once.log"] == 1, (told, lines)
    assert 1 <= lines["again.log"] <= 1 + len(ran.kills), (told, lines)
    assert lines.get("tool.log", 0) <= 1, (told, lines)


def nothing_left(ran: Ran, bench: Bench, told: object) -> None:
    """No process, no clone, no folder of a sandbox."""
    until(lambda: not bench.strays(), 20)
    run_id = ran.report["run_id"]
    left = [*bench.home.path.glob(f"clones/{run_id}/*"), *bench.home.path.glob(f"sandboxes/{run_id}/*")]
    assert left == [], told


def write_down(case: str, ran: Ran, calm: Ran, **more: Any) -> None:
    """Add a run to the report."""
    report(
        case,
        **more,
        kills=len(ran.kills),
        resumed_s=ran.resumed_s,
        events=ran.events,
        seconds=round(ran.seconds, 1),
        undisturbed_s=round(calm.seconds, 1),
        requests=len(ran.requests),
        undisturbed_requests=len(calm.requests),
    )


def report(case: str, **more: Any) -> None:
    """Add a line to the report, if one is wanted: JSON Lines, or a table where its name ends in `.md`."""
    line, path = {"case": case, **more}, os.environ.get(REPORT)
    print(json.dumps(line))
    if path:
        append(Path(path), line)


def append(path: Path, line: dict[str, Any]) -> None:
    """Write one line, whole, behind those that are there."""
    with path.open("a", encoding="utf-8") as file:
        if path.suffix != ".md":
            file.write(json.dumps(line) + "\n")
            return
        if file.tell() == 0:
            file.write("| case | kills | events | seconds | requests | more |\n|---|---|---|---|---|---|\n")
        shown = ("case", "kills", "events", "seconds", "requests")
        more = {key: value for key, value in line.items() if key not in shown}
        cells = [*(str(line.get(key, "")) for key in shown), json.dumps(more)]
        file.write(f"| {' | '.join(cells)} |\n")
