"""What must hold of a run however it was disturbed, and the report about it (`TENUTO_CHAOS_REPORT=path`)."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from .bench import Bench, until
from .disturbed import Ran

SAME = ("status", "error", "census", "verification", "failures")
"""What of a report must be as in the undisturbed run."""
LOST, DONE = "unknown_outcome", 0
REPORT = "TENUTO_CHAOS_REPORT"


def holds(ran: Ran, calm: Ran, bench: Bench, told: object) -> None:
    """All of it. `told` is what a person needs to have the same disturbance again.

    The same result; what had finished was asked for once; effects happened once; no process, clone or sandbox is left.
    """
    same_end(ran, calm, told)
    paid_once(ran, calm, told)
    effects_once(ran, told)
    nothing_left(ran, bench, told)


def same_end(ran: Ran, calm: Ran, told: object) -> None:
    """Result, census, failures, verdicts, branches and checkout are those of the undisturbed run."""
    for key in SAME:
        assert ran.report[key] == calm.report[key], (told, key)
    assert ran.report["result"]["rest"] == calm.report["result"]["rest"], told
    assert (ran.merged, ran.status) == (calm.merged, calm.status), told


def paid_once(ran: Ran, calm: Ran, told: object) -> None:
    """A request that the undisturbed run did not make belongs to an agent that was under way at a kill."""
    assert not calm.asked - ran.asked, (told, "never asked for", calm.asked - ran.asked)
    again: Counter[str] = Counter()
    for (prompt, _turn), times in (ran.asked - calm.asked).items():
        again[prompt] += times
    assert not again - under_way(ran), (told, "paid twice", again - under_way(ran))


def under_way(ran: Ran) -> Counter[str]:
    """Prompt -> how often a kill met an agent with it."""
    return Counter(
        ran.prompts[agent]
        for moment in ran.kills
        for agent, (since, ended) in ran.spans.items()
        if since < moment <= ended
    )


def effects_once(ran: Ran, told: object) -> None:
    """A command that must not run twice did not; of others, one more for each kill at the most."""
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
    """Add a line to the report, if one is wanted: JSON Lines, or a table where its name ends in `.md`."""
    path = os.environ.get(REPORT)
    line = {
        "case": case,
        **more,
        "kills": len(ran.kills),
        "resumed_s": ran.resumed_s,
        "events": ran.events,
        "seconds": round(ran.seconds, 1),
        "undisturbed_s": round(calm.seconds, 1),
        "requests": len(ran.requests),
        "undisturbed_requests": len(calm.requests),
    }
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
