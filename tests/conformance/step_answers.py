"""How a case names a step, and what a step gives of which a case says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMED_BY: dict[str, tuple[str, ...]] = {
    "sh": ("command",),
    "read": ("path",),
    "write": ("path",),
    "glob": ("pattern",),
    "grep": ("pattern",),
    "mcp": ("server", "tool"),
    "pull_request": ("branch",),
    "gate": ("command", "name"),
    "ask": ("question",),
    "wait_for": ("name",),
}
"""Step -> the arguments that its name in a case is made of."""


def step_name(op: str, args: Mapping[str, Any]) -> str:
    """How a case names a step."""
    return " ".join([op, *(args[key] for key in NAMED_BY[op] if key in args or op != "gate")])


def default_answer(op: str, args: Mapping[str, Any]) -> Any:
    """The value of a step that a case does not name."""
    defaults: dict[str, Any] = {
        "sh": {"exit_code": 0, "stdout": "", "stderr": "", "duration_s": 0.5, "log": None},
        "read": "",
        "write": None,
        "glob": [],
        "grep": [],
        "mcp": None,
        "gate": _gate_answer(args),
        "ask": None,
        "wait_for": None,
        "pull_request": {"url": None, "branch": args.get("branch"), "created": False, "reason": "no forge"},
    }
    return defaults[op]


def _gate_answer(args: Mapping[str, Any]) -> dict[str, Any]:
    if "passed" in args:
        return {"passed": args["passed"], "reason": None if args["passed"] else args["reason"], "flaky": False}
    evidence = {"exit_code": 0, "stdout": "", "stderr": ""}
    found = {"failures": [], "signature": ""} if args.get("split") else {}
    return {"passed": True, "reason": None, "flaky": False, "evidence": evidence, **found}
