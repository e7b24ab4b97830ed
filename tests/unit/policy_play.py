"""Rules for tests, in one line."""

from __future__ import annotations

from collections.abc import Sequence

from tenuto.workflows.policy.decide import DEFAULT_ALLOW, Rules
from tenuto.workflows.policy.refusals import Refusal
from tenuto.workflows.setup_contracts import Policy

WORKSPACE = "/ws/project"


def rules(allow: Sequence[str] = (), deny: Sequence[str] = (), *, default: bool = True) -> Rules:
    """A run's rules; with the default ones unless those are left out."""
    policy = Policy(allow=[*(DEFAULT_ALLOW if default else ()), *allow], deny=list(deny))
    return Rules.of(policy, origin=WORKSPACE)


def bash(judged: Rules, command: str, *, shared: bool = False) -> Refusal | None:
    return judged.decide("Bash", {"command": command}, workspace=WORKSPACE, shared=shared)


def file(judged: Rules, tool: str, path: str) -> Refusal | None:
    return judged.decide(tool, {"file_path": path}, workspace=WORKSPACE, shared=False)
