"""`tenuto diff`: what of a run would be reused, and what made, if it were resumed with a script."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..config import Settings, here
from .changes_command import shown
from .output import notice, print_json, print_line
from .record_commands import with_kept_runs
from .script_input import load_script

if TYPE_CHECKING:
    from ..runs import Runs

NAMED_MAX = 50


def diff(run_id: str, script: str, *, json: bool) -> int:
    """Say "reuse k, run m", and of each of the m what changed. Nothing is started, nothing is paid.

    Raises:
        UsageError, ScriptLoadError: there is no such run or script, or it does not load.
    """
    from tenuto.workflows.contracts import Script

    from ..kept.reuse import reuse
    from ..kept.run import KeptRun

    home = Settings.load().home

    async def compare(runs: Runs) -> dict[str, Any]:
        run = await KeptRun.open(runs, run_id)
        loaded, path = load_script(script, here(), home)
        return await reuse(run, Script.of(loaded, str(path.absolute())), home)

    found = with_kept_runs(compare)
    if json:
        print_json(found)
    else:
        for line in lines_of(found):
            print_line(line)
    for note in found["notes"]:
        notice(note)
    return 0


def lines_of(found: dict[str, Any]) -> list[str]:
    """The document as a person reads it."""
    certain, ended = found["certain"], found["ended"]
    lines = [f"{found['run_id']} with {shown(found['script'])}: reuse {found['reuse']:,}, run {found['run']:,}"]
    assumed = found["reuse"] + found["run"] - certain["reuse"] - certain["run"]
    if assumed:
        lines.append(
            f"  certain: reuse {certain['reuse']:,}, run {certain['run']:,}; the other {assumed:,} rest on results "
            "that are not there yet (marked ?): they are shown as if those came out as before"
        )
    elif found["run"] and ended["how"] == "finished":
        lines.append("  whether anything else follows may depend on the results of these")
    if ended["how"] == "waits":
        names = ", ".join(shown(name) for name in ended["waits_for"][:5]) or "nothing that is pending"
        lines.append(f"  what comes after depends on results that nobody knows yet: {names}")
    elif ended["how"] == "failed":
        lines.append(f"  the script then fails: {shown(str(ended['message']))}")
    made = [call for call in found["calls"] if call["verdict"] == "run"]
    for call in made[:NAMED_MAX]:
        lines += _call(call)
    if len(made) > NAMED_MAX:
        reasons = Counter(call["why"] for call in made[NAMED_MAX:])
        lines.append(f"  … and {len(made) - NAMED_MAX:,} more: ")
        lines += [f"      {count:,} times {shown(str(why))}" for why, count in reasons.most_common(5)]
    if found["unused"]:
        names = ", ".join(f"{each['agent']} {shown(each['label'])}" for each in found["unused"][:5])
        more = len(found["unused"]) - 5
        lines.append(f"  no longer asked for: {names}" + (f" and {more:,} more" if more > 0 else ""))
    if found["again"]:
        lines.append("  made again, as ever: " + ", ".join(f"{n} {op}" for op, n in sorted(found["again"].items())))
    return lines


def _call(call: dict[str, Any]) -> list[str]:
    place = f" ({shown(call['phase'])})" if call["phase"] else ""
    near = f" (was {call['nearest']})" if call["nearest"] else ""
    lines = [f"  run {' ' if call['certain'] else '?'} {shown(call['label'])}{place}: {shown(str(call['why']))}{near}"]
    if "before" in call:
        lines += [f"        - …{shown(call['before'])}", f"        + …{shown(call['after'])}"]
    return lines
