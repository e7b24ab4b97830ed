"""`prune` removes what ended, and nothing that lives or is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from .command import Tenuto, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]  # many commands each, on a machine that may be busy

QUICK = """export const meta = {name: "quick", description: "Ends"}
await sh("true")
return await agent("say")
"""
SLEEPS = """export const meta = {name: "sleeps", description: "Lives"}
await agent("say")
log("asleep")
await new Promise(done => setTimeout(done, 600000))
"""


def objects(tenuto: Tenuto, run_id: str) -> list[Path]:
    return [path for path in (tenuto.home / "store").rglob("*") if path.is_file() and run_id in path.parts]


def test_nothing_goes_before_it_was_said_and_nothing_that_lives_goes_at_all(tenuto: Tenuto) -> None:
    tenuto.script("quick.js", QUICK)
    tenuto.script("sleeps.js", SLEEPS)
    ended = tenuto.json("run", "quick.js", "--simulate")["run_id"]
    lives = tenuto.json("run", "sleeps.js", "--simulate", "--detach")["run_id"]
    until(lambda: tenuto("logs", lives).stdout == "asleep\n")
    assert tenuto.json("prune")["runs"] == []
    told = tenuto.json("prune", "--older", "0s")
    assert [(run["run_id"], run["removed"]) for run in told["runs"]] == [(ended, False)]
    assert told["runs"][0]["store_objects"] == len(objects(tenuto, ended)) > 2
    assert tenuto("prune", "--older", "0s").returncode == 0  # no terminal: only told
    assert objects(tenuto, ended)
    freed = tenuto.json("prune", "--older", "0s", "--yes")
    assert (freed["removed"], freed["freed_bytes"] > 0) == (1, True)
    assert objects(tenuto, ended) == []
    assert objects(tenuto, lives)
    tenuto("down")
    assert tenuto.json("prune", "--older", "0s", "--yes")["removed"] == 0
    assert objects(tenuto, lives)
    tenuto.json("stop", lives)
    assert tenuto.json("prune", "--older", "0s", "--yes")["removed"] == 1
    assert objects(tenuto, lives) == []


def test_a_run_whose_journal_a_live_run_uses_stays(tenuto: Tenuto) -> None:
    tenuto.script("sleeps.js", SLEEPS)
    first = tenuto.json("run", "sleeps.js", "--simulate", "--detach")["run_id"]
    until(lambda: tenuto("logs", first).stdout == "asleep\n")
    tenuto.json("stop", first)
    second = tenuto.json("run", "sleeps.js", "--simulate", "--detach", "--resume-from", first)["run_id"]
    for _ in ("a Temporal Service answers", "none does"):
        told = tenuto.json("prune", "--older", "0s", "--yes")
        assert (told["removed"], "resumes it" in told["stays"][first]) == (0, True)
        tenuto("down")
    tenuto.json("stop", second)
    assert tenuto.json("prune", "--older", "0s", "--yes")["removed"] == 2


@pytest.mark.parametrize("age", ["3", "x", "-1d", "3y"])
def test_an_age_that_is_none_is_one_line(tenuto: Tenuto, age: str) -> None:
    done = tenuto("prune", "--older", age)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
