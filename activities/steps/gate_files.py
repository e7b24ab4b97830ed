"""What defines a check, fixed before the work begins, and compared with what is there now.

At the start every file that git does not ignore is hashed: so whatever a check turns out to run later, it is known what
it was. The start lies in the store, out of reach of agents.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
from .gate_commands import SCRIPT_BYTES_MAX, TARGET_FILES, commands_in, scripts_of
from .gate_patterns import compiled, gate_hash, is_cache, matches, role_of
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

    @property
    def identity(self) -> str:
        """What must not change."""
        return self.gate or self.sha


class Start(Wire):
    """The workspace at the start of a run, by path."""

    files: dict[str, SeenFile] = Field(default_factory=dict)
    scripts: list[str] = Field(default_factory=list)
    """Further files that belong to checks, because a command of the script runs them."""


@dataclass(slots=True)
class _Tree:
    """The workspace now. Reads what it is asked for, once."""

    files: Files
    seen: dict[str, SeenFile] = field(default_factory=dict)

    @classmethod
    def walked(cls, files: Files, further: list[GlobPattern]) -> _Tree:
        tree = cls(files)
        for info in files.walk("**"):
            if not is_cache(info.path):
                tree.look(info.path, further)
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
            return None
        sha = hashlib.sha256(data).hexdigest()
        gate = gate_hash(path, data)
        self.seen[path] = SeenFile(sha=sha, gate=None if gate == sha else gate, counts=_counts(path, data, further))
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
            return False

    def scripts(self, command: str, cwd: str) -> set[str]:
        """What a command runs, and what the Makefiles and packages here run for it: `make check` names neither."""
        found = scripts_of(command, cwd, self.exists, self.text)
        for path in list(self.seen):
            folder, _, name = path.rpartition("/")
            if name in TARGET_FILES:
                commands = commands_in(path, self.text(path) or "", command)
                found |= scripts_of(commands, folder or ".", self.exists, self.text)
        return found


def _counts(path: str, data: bytes, further: list[GlobPattern]) -> TestCounts | None:
    if language_of(path) is None or (role_of(path, further) is None and not path.endswith(".rs")):
        return None
    return count(path, data.decode("utf-8", "replace"))


def start_key(run_id: str) -> str:
    """Where the start of a run lies in the store."""
    return f"runs/{run_id}/gates/start.json"


def start_of(files: Files, further: list[str], source: str = "") -> Start:
    """The workspace as it is; `source` is the run's script, whose literal commands are known before it runs."""
    patterns = compiled(further)
    tree = _Tree.walked(files, patterns)
    scripts = tree.scripts(source, ".")
    for command in _literals(source):
        scripts |= scripts_of(command, ".", tree.exists, tree.text)
    for path in scripts:
        tree.look(path, patterns)
    return Start(files=tree.seen, scripts=sorted(scripts))


async def fix_start(store: Store, run_id: str, files: Files, further: list[str], source: str = "") -> None:
    """Write down the start of a run. Raises what the store and the file system raise."""
    start = await to_its_end(lambda: start_of(files, further, source))
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
            start = await to_its_end(lambda: start_of(files, further, repr(input.command or "")))
            start.scripts = sorted({*start.scripts, *before})
            await store.put(start_key(input.run_id), start.model_dump_json(exclude_none=True).encode())
        known = start
        return await to_its_end(lambda: compare(input, files, further, known))


async def _start(store: Store, run_id: str) -> Start | None:
    try:
        return Start.model_validate(from_json(await store.get(start_key(run_id))))
    except FileNotFoundError:
        return None


def compare(input: LookAtGateFilesInput, files: Files, further: list[str], start: Start) -> LookAtGateFilesResult:
    """What a look finds."""
    patterns, allowed = compiled(further), compiled(_as_paths(input.allow_changes))
    tree = _Tree.walked(files, patterns)
    listed = set(tree.seen)
    scripts = {*start.scripts, *tree.scripts(input.command or "", input.cwd)}
    for path in scripts:
        tree.look(path, patterns)
    roles = {path: "definition" if path in scripts else role_of(path, patterns) for path in {*start.files, *tree.seen}}
    written = {_relative(files, path): sha for path, sha in input.written.items()}
    changes: list[GateFileChange] = []
    for path in sorted(path for path, role in roles.items() if role is not None):
        then, now = start.files.get(path), tree.seen.get(path)
        how = _how(then, now)
        if how is None or (now is not None and written.get(path) == now.sha):
            continue
        if then is None and path not in listed and role_of(path, patterns) is None:
            continue  # git ignores it and it was not there: what a build made
        role: FileRole = "test" if roles[path] == "test" else "definition"
        fine = matches(path, allowed) or (how == "added" and role == "test")
        changes.append(GateFileChange(path=path, role=role, how=how, allowed=fine))
    before, now_counts = _sum(start.files.values()), _sum(tree.seen.values())
    mine = {path: tree.seen[path].identity for path, role in sorted(roles.items()) if role and path in tree.seen}
    changes.sort(key=lambda change: (change.allowed, change.path))
    return LookAtGateFilesResult(
        tree=_digest({path: tree.seen[path].sha for path in sorted(listed)}),
        definition=_digest({**mine, "\0command": f"{input.cwd}\0{input.command}"}),
        files=len(mine),
        changes=changes[:CHANGES_TOLD_MAX],
        before=before,
        now=now_counts,
        fewer=list(_fewer(start.files, tree.seen))[:CHANGES_TOLD_MAX],
    )


def _how(then: SeenFile | None, now: SeenFile | None) -> Literal["added", "removed", "changed"] | None:
    if then is None:
        return "added"
    if now is None:
        return "removed"
    return None if then.identity == now.identity else "changed"


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
