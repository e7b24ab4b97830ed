"""What defines a check, fixed before the work begins, and compared with what is there now.

At the start every file that git does not ignore is hashed: so whatever a check turns out to run later, it is known what
it was. The start lies in the store, out of reach of agents.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_core import from_json

from tenuto.workflows.gate_contracts import (
    FileRole,
    GateFileChange,
    LookAtGateFilesInput,
    LookAtGateFilesResult,
    TestCounts,
)
from tenuto.workflows.wire import Wire

from ..protected import guard_of
from ..store import Store
from ..workspace.confined import ConfinedFiles
from ..workspace.files import Files, OutsideWorkspace
from ..workspace.glob_patterns import GlobPattern
from .files import in_words, to_its_end
from .gate_commands import SCRIPT_BYTES_MAX, TARGET_FILES, commands_in, included_in, outputs_of, scripts_of
from .gate_hidden import hidden_definitions, link_of, programs, shadows
from .gate_home import home_changes, home_files
from .gate_patterns import NOTHING, TOOLS, compiled, gate_hash, is_cache, matches, role_of, tool_hashes, tools_in
from .station import Station
from .test_counts import count, language_of

READ_BYTES_MAX = 20_000_000
"""A larger file counts by its size and time of change."""
CHANGES_TOLD_MAX = 50
_LITERAL = re.compile(r"\"((?:[^\"\\\n]|\\.){1,2000})\"|'((?:[^'\\\n]|\\.){1,2000})'|`([^`\\]{1,2000})`")


class SeenFile(Wire):
    """One file, as a check sees it."""

    sha: str
    """Of its content."""
    gate: str | None = None
    """Of what of it belongs to a check, where that is not all; see `gate_patterns`."""
    counts: TestCounts | None = None
    tools: dict[str, str] | None = None
    """Of what it says to checkers, by checker."""

    @property
    def identity(self) -> str:
        """What must not change."""
        return self.gate or self.sha


class Start(Wire):
    """The workspace at the start of a run, by path."""

    files: dict[str, SeenFile] = Field(default_factory=dict)
    scripts: list[str] = Field(default_factory=list)
    """Further files that belong to checks, because a command of the script runs them."""
    home: dict[str, str] | None = None
    """Hashes of files of the commands' home folder; `None` where nobody looked."""
    by_name: bool = False
    """Files that define a check by their name are among `files` even where git ignores them, and programs too."""


@dataclass(slots=True)
class _Tree:
    """The workspace now. Reads what it is asked for, once."""

    files: Files
    seen: dict[str, SeenFile] = field(default_factory=dict)

    listed: set[str] = field(default_factory=set)
    """What git does not ignore."""
    commands: list[str] = field(default_factory=list)
    """Texts of all commands that `scripts` came by."""

    @classmethod
    def walked(cls, files: Files, further: list[GlobPattern], before: Iterable[str] = ()) -> _Tree:
        """`before` are files of the start: a runner still looks where they were."""
        tree = cls(files)
        for info in files.walk("**"):
            if not is_cache(info.path):
                tree.look(info.path, further)
        tree.listed = set(tree.seen)
        for path in list(hidden_definitions(files.root, {*tree.seen, *before}, further)):
            tree.look(path, further)
        for path in before:
            # Ignored since, or a link now: it is still there to be run.
            if path not in tree.seen and role_of(path, further) == "definition":
                tree.look(path, further)
        return tree

    def look(self, path: str, further: list[GlobPattern]) -> SeenFile | None:
        """A file, also one that git ignores; `None` where there is none that can be read."""
        if path in self.seen:
            return self.seen[path]
        try:
            data = self.files.read(path, READ_BYTES_MAX)
        except ValueError:
            info = self.files.info(path)
            self.seen[path] = SeenFile(sha=f"{info.size}:{info.mtime_ns}")
            return self.seen[path]
        except (OSError, OutsideWorkspace):
            target = link_of(self.files.root, path)
            if target is not None:
                self.seen[path] = SeenFile(sha=f"link to {target}")
            return self.seen.get(path)
        sha = hashlib.sha256(data).hexdigest()
        gate = gate_hash(path, data)
        counts, tools = _counts(path, data, further), tool_hashes(path, data)
        self.seen[path] = SeenFile(sha=sha, gate=None if gate == sha else gate, counts=counts, tools=tools or None)
        return self.seen[path]

    def text(self, path: str) -> str | None:
        try:
            return self.files.read(path, SCRIPT_BYTES_MAX).decode("utf-8", "replace")
        except (OSError, ValueError, OutsideWorkspace):
            return None

    def exists(self, path: str) -> bool:
        try:
            return path in self.seen or bool(self.files.info(path))
        except (OSError, ValueError, OutsideWorkspace):
            return link_of(self.files.root, path) is not None

    def scripts(self, command: str, cwd: str) -> set[str]:
        """What a command runs, and what the Makefiles and packages here run for it: `make check` names neither."""
        found = scripts_of(command, cwd, self.exists, self.text)
        self.commands.append(command)
        waiting = [path for path in self.seen if path.rpartition("/")[2] in TARGET_FILES]
        for path in waiting:
            text = self.text(path) or ""
            commands = commands_in(path, text, command)
            self.commands.append(commands)
            found |= scripts_of(commands, path.rpartition("/")[0] or ".", self.exists, self.text)
            for included in included_in(path, text):
                if included not in waiting and self.exists(included):
                    waiting.append(included)
                    found.add(included)
        self.commands += [self.text(path) or "" for path in sorted(found)]
        return found


def _counts(path: str, data: bytes, further: list[GlobPattern]) -> TestCounts | None:
    if language_of(path) is None or (role_of(path, further) is None and not path.endswith(".rs")):
        return None
    return count(path, data.decode("utf-8", "replace"))


def start_key(run_id: str) -> str:
    """Where the start of a run lies in the store."""
    return f"runs/{run_id}/gates/start.json"


def start_of(files: Files, further: list[str], home: Path | None, source: str = "", texts: Iterable[str] = ()) -> Start:
    """The workspace as it is.

    Args:
        home: of the commands of the run.
        source: the run's script, whose literal commands are known before it runs.
        texts: further texts that may be commands.
    """
    patterns = compiled(further)
    tree = _Tree.walked(files, patterns)
    scripts = tree.scripts(source, ".")
    for command in [*_literals(source), *texts]:
        scripts |= scripts_of(command, ".", tree.exists, tree.text)
    for path in [*scripts, *programs(files.root)]:
        tree.look(path, patterns)
    found = None if home is None else home_files(home)
    return Start(files=tree.seen, scripts=sorted(scripts), home=found, by_name=True)


async def fix_start(
    store: Store, run_id: str, files: Files, further: list[str], *, source: str = "", texts: Iterable[str] = ()
) -> None:
    """Write down the start of a run. Raises what the store and the file system raise."""
    start = await to_its_end(lambda: start_of(files, further, None, source, texts))
    start.home = {}  # no command of this run has run yet
    await store.put(start_key(run_id), start.model_dump_json(exclude_none=True).encode())


async def inherit_start(store: Store, run_id: str, earlier: str) -> bool:
    """Take over the start of an earlier run; false where it has none. Raises what the store raises."""
    try:
        data = await store.get(start_key(earlier))
    except FileNotFoundError:
        return False
    await store.put(start_key(run_id), data)
    return True


async def look(input: LookAtGateFilesInput, station: Station, store: Store) -> LookAtGateFilesResult:
    """Compare the workspace with the start of the run. Raises `StepFailed`."""
    root = station.place.root
    files, further = ConfinedFiles(root, guard=guard_of(root)), station.setup.options.gate_files
    with in_words("gate()"):
        compiled([*further, *input.allow_changes])
        start = await _start(store, input.run_id)
        if input.fix or start is None:
            before = start.scripts if start is not None else []
            start = await to_its_end(lambda: start_of(files, further, station.home, repr(input.command or "")))
            start.scripts = sorted({*start.scripts, *before})
            await store.put(start_key(input.run_id), start.model_dump_json(exclude_none=True).encode())
        known = start
        return await to_its_end(lambda: compare(input, files, further, known, station.home))


async def _start(store: Store, run_id: str) -> Start | None:
    try:
        return Start.model_validate(from_json(await store.get(start_key(run_id))))
    except FileNotFoundError:
        return None


def compare(
    input: LookAtGateFilesInput, files: Files, further: list[str], start: Start, home: Path | None = None
) -> LookAtGateFilesResult:
    """What a look finds."""
    patterns, allowed = compiled(further), compiled(_as_paths(input.allow_changes))
    tree = _Tree.walked(files, patterns, start.files)
    scripts = {*start.scripts, *tree.scripts(input.command or "", input.cwd)}
    for path in scripts:
        tree.look(path, patterns)
    tools = tools_in("\n".join(tree.commands))
    deciding = compiled([pattern for tool in tools for pattern in TOOLS[tool]])
    outputs = outputs_of(input.command or "", input.cwd)

    def role(path: str) -> FileRole | None:
        if path in outputs and language_of(path) is None:
            return None
        if path in scripts or matches(path, deciding) or (path not in start.files and shadows(path)):
            return "definition"
        return role_of(path, patterns)

    roles = {path: role(path) for path in {*start.files, *tree.seen}}
    written = {_relative(files, path): sha for path, sha in input.written.items()}
    changes: list[GateFileChange] = []
    for path in sorted(path for path, role in roles.items() if role is not None):
        then, now = start.files.get(path), tree.seen.get(path)
        how = _how(then, now, tools if start.by_name else [])
        if how is None or (now is not None and written.get(path) == now.sha):
            continue
        by_name = role_of(path, patterns) is not None or shadows(path)
        if then is None and path not in tree.listed and not (by_name and start.by_name):
            continue  # git ignores it and it was not there: what a build made
        kind: FileRole = "test" if roles[path] == "test" else "definition"
        fine = matches(path, allowed) or (how == "added" and kind == "test")
        changes.append(GateFileChange(path=path, role=kind, how=how, allowed=fine))
    if home is not None and start.home is not None:
        for path, there in home_changes(start.home, home_files(home), "\n".join(tree.commands)):
            how = "changed" if there else "added"
            changes.append(GateFileChange(path=path, role="definition", how=how, allowed=matches(path, allowed)))
    before, now_counts = _sum(start.files.values()), _sum(tree.seen.values())
    mine = {path: tree.seen[path].identity for path, role in sorted(roles.items()) if role and path in tree.seen}
    changes.sort(key=lambda change: (change.allowed, change.path))
    return LookAtGateFilesResult(
        tree=_digest({path: tree.seen[path].sha for path in sorted(tree.listed)}),
        definition=_digest({**mine, "\0command": f"{input.cwd}\0{input.command}"}),
        files=len(mine),
        changes=changes[:CHANGES_TOLD_MAX],
        before=before,
        now=now_counts,
        fewer=list(_fewer(start.files, tree.seen))[:CHANGES_TOLD_MAX],
    )


def _how(
    then: SeenFile | None, now: SeenFile | None, tools: list[str]
) -> Literal["added", "removed", "changed"] | None:
    none = SeenFile(sha=NOTHING)
    before, after = then or none, now or none
    said, says = before.tools or {}, after.tools or {}
    if before.identity == after.identity and all(said.get(tool) == says.get(tool) for tool in tools):
        return None  # or nothing in it was about checks
    return "added" if then is None else "removed" if now is None else "changed"


def _fewer(start: dict[str, SeenFile], now: dict[str, SeenFile]) -> Iterator[str]:
    """In words, file by file: a sum alone would not say where to look."""
    none = TestCounts()
    for path in sorted({*start, *now}):
        then = start[path].counts if path in start else None
        here = now[path].counts if path in now else None
        if then == here or (then is None and (here is None or not here.skips)):
            continue
        before, after = then or none, here or none
        said = [
            *([f"{after.tests} tests, {before.tests} at the start"] if after.tests < before.tests else []),
            *([f"{after.skips} skip markers, {before.skips} at the start"] if after.skips > before.skips else []),
            *(
                [f"{after.assertions} assertions, {before.assertions} at the start"]
                if after.assertions < before.assertions
                else []
            ),
        ]
        if said:
            yield f"{path}: {'; '.join(said)}"


def _sum(files: Iterable[SeenFile]) -> TestCounts:
    total = TestCounts()
    for seen in files:
        if seen.counts is not None:
            total.tests += seen.counts.tests
            total.skips += seen.counts.skips
            total.assertions += seen.counts.assertions
    return total


def _digest(parts: dict[str, str]) -> str:
    return hashlib.sha256(
        "\0".join(f"{name}\0{value}" for name, value in parts.items()).encode("utf-8", "replace")
    ).hexdigest()


def _as_paths(patterns: list[str]) -> list[str]:
    """As in .gitignore: without a slash it is a name, wherever it stands."""
    return [pattern if "/" in pattern else f"**/{pattern}" for pattern in patterns]


def _relative(files: Files, path: str) -> str:
    try:
        return files.relative(path)
    except (OutsideWorkspace, OSError):
        return path


def _literals(source: str) -> list[str]:
    """The literal texts of a script that may be commands."""
    found = (next(group for group in match.groups() if group is not None) for match in _LITERAL.finditer(source))
    return [text for text in dict.fromkeys(found) if re.search(r"[\w./-]", text)][:2000]
