"""A Python script that waits, as plain JSON and back: the interpreter's snapshot with what belongs to it."""

from __future__ import annotations

import base64
import zlib
from dataclasses import asdict
from typing import Any

from .protocol import CallError
from .python_turn import Asked, State

LEVEL = 1
"""Snapshots are full of repetitions: the quickest compression makes a fifth of them."""


def carried(state: State) -> dict[str, Any]:
    """The state of a script that waits."""
    return {
        "snapshot": base64.b64encode(zlib.compress(state.snapshot, LEVEL)).decode("ascii"),
        "asked": [[call_id, asked.interpreter_id, asked.wrapped] for call_id, asked in state.asked.items()],
        "next_id": state.next_id,
        "blocked": state.blocked,
        "early": [[interpreter_id, dict(result)] for interpreter_id, result in state.early.items()],
        "said": [[text, asdict(error)] for text, error in state.said.items()],
        "failures": list(state.failures),
        "tail": state.tail,
        "totals": list(state.totals),
    }


def restored(carried: dict[str, Any]) -> State:
    """The state that `carried` was made of."""
    tokens, usd = carried["totals"]
    early: dict[int, Any] = dict(carried["early"])
    return State(
        snapshot=zlib.decompress(base64.b64decode(carried["snapshot"])),
        asked={call_id: Asked(interpreter_id, wrapped) for call_id, interpreter_id, wrapped in carried["asked"]},
        next_id=carried["next_id"],
        blocked=carried["blocked"],
        early=early,
        said={text: CallError(**error) for text, error in carried["said"]},
        failures=tuple(carried["failures"]),
        tail=carried["tail"],
        totals=(tokens, usd),
    )
