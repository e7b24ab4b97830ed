"""Wire contracts of gates: what a look at the files that define a check finds, and how a gate stands in a report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from temporalio import activity

from .step_contracts import StepInput
from .wire import Wire, only_an_interface

FileRole = Literal["test", "definition"]
"""A test may be added; what decides how tests are found and run (configuration, scripts of the command) may not."""


class GateFileChange(Wire):
    """One file that belongs to a check and is not what it was at the start."""

    path: str
    role: FileRole
    how: Literal["changed", "removed", "added"]
    allowed: bool = False
    """By the gate's own `allow_changes`, or because it is a new test."""


class TestCounts(Wire):
    """What the test files of a tree hold, counted in their text: nothing is run."""

    __test__ = False

    tests: int = 0
    skips: int = 0
    """Markers that leave a test out: `@skip`, `xfail`, `it.only`, `t.Skip()`, `#[ignore]`, …"""
    assertions: int = 0
    """Those that can fail: `assert True` is none."""


class LookAtGateFilesInput(StepInput):
    """Look at the files that define a check."""

    command: str | None = None
    """The scripts that it runs belong to the check; `None` for a check that is no command."""
    cwd: str = "."
    allow_changes: list[str] = Field(default_factory=list)
    """Patterns of files that may change; counts of tests are compared all the same."""
    fix: bool = False
    """No agent has worked yet: what is there now is the start."""
    written: dict[str, str] = Field(default_factory=dict)
    """Path -> sha256 of what the script itself wrote since the start: its own definition of the check."""


class LookAtGateFilesResult(Wire):
    """What the look found."""

    tree: str
    """Hash of all files that git does not ignore: the same tree, the same hash."""
    definition: str
    """Hash of the files that belong to the check."""
    files: int
    """How many they are."""
    changes: list[GateFileChange] = Field(default_factory=list)
    before: TestCounts = Field(default_factory=TestCounts)
    now: TestCounts = Field(default_factory=TestCounts)
    fewer: list[str] = Field(default_factory=list)
    """What became less by file, in words: tests left out, gone or emptied."""


class GateView(Wire):
    """One gate by its last outcome."""

    id: str
    name: str
    """The command, or the name of a check that is no command."""
    passed: bool
    runs: int = 1
    """How often the check was run in this run, all gates of that name together."""
    reason: str | None = None
    """Why it is not passed."""
    flaky: bool = False
    """It changed its mind on an identical tree."""
    flaky_tests: list[str] = Field(default_factory=list)
    """Tests that it named as failed on a tree on which it was green too."""


@activity.defn(name="look_at_gate_files")
async def look_at_gate_files(input: LookAtGateFilesInput) -> LookAtGateFilesResult:
    """Compare the files that define a check with the start of the run."""
    raise only_an_interface("look_at_gate_files")
