"""`tenuto changes`: what a run changed in its workspace and on its branches, file by file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output import notice, print_json, print_line, write_bytes
from .record_commands import with_kept_runs

if TYPE_CHECKING:
    from ..runs import Runs

CHUNK_BYTES = 1024 * 1024
COMMANDS_NAMED_MAX = 5
OBJECTION_CHARS = 200
"""Of one objection beside a file; `tenuto changes --json` and the report have the whole."""


def changes(run_id: str, *, patch: bool, json: bool) -> int:
    """Print the files of each place with their authors and reviews; with `patch` the unified diffs as well."""
    from ..kept.changes import changes as look
    from ..kept.run import KeptRun

    async def read(runs: Runs) -> dict[str, Any]:
        run = await KeptRun.open(runs, run_id)
        found = await look(run)
        if patch and not json:
            await _print_patches(found)
        return found

    found = with_kept_runs(read)
    if json:
        print_json(found)
    elif not patch:
        for line in lines_of(found):
            print_line(line)
    for note in found["notes"]:
        notice(note)
    return 0


def lines_of(found: dict[str, Any]) -> list[str]:
    """The document as a person reads it."""
    base = found["base"]
    lines = [f"{found['run_id']} {found['status']} · {found['workspace']}" + (f" · base {base[:12]}" if base else "")]
    for place in found["places"]:
        files = place["files"]
        added = sum(file["added"] or 0 for file in files)
        removed = sum(file["removed"] or 0 for file in files)
        commit = f" ({place['commit'][:12]})" if place["commit"] else ""
        lines += [
            "",
            f"{place['place']}{commit}: {len(files):,} file{'' if len(files) == 1 else 's'}, +{added} -{removed}",
        ]
        if len(place.get("by", ())) == 1:
            lines[-1] += f", by {_named(place['by'][0])}"
        for file in files:
            lines += _file(file)
    lines += _elsewhere(found)
    if found["ran_commands"] and found["places"] and any(not file.get("by") for file in found["places"][0]["files"]):
        named = ", ".join(_named(each) for each in found["ran_commands"][:COMMANDS_NAMED_MAX])
        more = len(found["ran_commands"]) - COMMANDS_NAMED_MAX
        lines += ["", f"ran commands in the workspace: {named}" + (f" and {more} more" if more > 0 else "")]
    if found["gates"]:
        lines += ["", "gates over all of it:"]
        lines += [f"  {'passed' if gate['passed'] else 'NOT passed'}  {shown(gate['name'])}" for gate in found["gates"]]
    return lines


def _file(file: dict[str, Any]) -> list[str]:
    counts = "" if file["added"] is None else f"  +{file['added']} -{file['removed'] or 0}"
    by = ", ".join(dict.fromkeys(_named(author) for author in file.get("by", ())))
    state = "" if file["state"] in ("committed", "as it was left") else f"  [{file['state']}]"
    lines = [f"  {file['how']:<9} {shown(file['path'])}{counts}" + (f"  by {by}" if by else "") + state]
    for review in file["reviews"]:
        lines += [f"            {line}" for line in _review(review)]
    lines += [f"            gate: {shown(name)}" for name in file["gates"]]
    return lines


def _review(review: dict[str, Any]) -> list[str]:
    """Verdict and votes of the last round, with what those who voted said against it."""
    last = [vote for vote in review["votes"] if vote["round"] == review["rounds"]]
    votes = ", ".join(f"{vote['agent'] or 'refused'} {vote['verdict']}" for vote in last) or "nobody voted"
    commit = f" of {review['commit'][:12]}" if review["commit"] else ""
    rounds = f" in round {review['rounds']}" if review["rounds"] > 1 else ""
    other = "  [this file is not as that commit has it]" if review.get("same") is False else ""
    lines = [f"{review['id']} {review['verdict']}{commit}{rounds}: {votes}{other}"]
    for vote in last:
        what = "objects" if vote["verdict"] == "fail" else "remarks"
        lines += [f"  {vote['agent']} ({_cut(vote['lens'], 40)}) {what}: {_cut(text)}" for text in vote["objections"]]
    return lines


def _elsewhere(found: dict[str, Any]) -> list[str]:
    """Reviews of commits that changed no file of these: work that was there before the run, for one."""
    told = {review["id"] for place in found["places"] for file in place["files"] for review in file["reviews"]}
    others = [review for review in found["reviews"] if review["commit"] and review["id"] not in told]
    lines = ["", "reviews of commits that are in no place above:"] if others else []
    for review in others:
        lines += [f"  {line}" for line in _review(review)]
        lines += [f"    {shown(path)}" for path in review["files"]]
    return lines


def _cut(text: str, chars: int = OBJECTION_CHARS) -> str:
    line = shown(" ".join(text.split()))
    return line if len(line) <= chars else line[: chars - 1] + "…"


def _named(author: dict[str, Any]) -> str:
    return f"{author['id']} {shown(str(author['label']))}"


def shown(text: str) -> str:
    """A name from outside, safe on a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text)


async def _print_patches(found: dict[str, Any]) -> None:
    from tenuto.activities.workspace.differences import patch
    from tenuto.activities.workspace.git import GitFailed

    if found["base"] is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "patch"
        for place in found["places"]:
            try:
                await patch(Path(found["workspace"]), found["base"], place["commit"], file)
            except GitFailed as error:
                notice(f"{place['place']}: {error}")
                continue
            print_line(f"# {place['place']}")
            with file.open("rb") as text:
                while chunk := text.read(CHUNK_BYTES):
                    write_bytes(chunk)
            unknown = [each["path"] for each in place["files"] if each["how"] == "added" and each["added"] is None]
            if unknown and place["commit"] is None:
                notice(
                    f"{len(unknown)} files that git does not track are not in the diff; they are listed without --patch"
                )
