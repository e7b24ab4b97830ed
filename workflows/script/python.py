"""Python scripts, interpreted by Monty.

Between two steps a session is bytes: a step borrows an interpreter process, loads them, runs, and takes them out again,
so a run that waits for days holds no process, and the death of one loses nothing. `python_prelude` holds the script's
functions, `python_loader` every check before a run, `python_turn` one step, `python_pool` the processes and limits.

In a Temporal Worker this package, `pydantic_monty` and the modules of `SANDBOX_PASSTHROUGH` must pass through the
workflow sandbox: Monty imports `opentelemetry.context` at its first call, in the workflow's thread, where the sandbox
would otherwise load it anew and refuse what it reads (MEASURED). They are imported here so that they are there by then.
"""

from __future__ import annotations

import importlib
import sysconfig
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic_monty import MontyError

from .protocol import LoadedScript, Outcome, ScriptLoadError, Session, Step, StepContext
from .python_carry import carried, restored
from .python_loader import load
from .python_pool import close_pool, pool, set_pool_size
from .python_rewrite import program
from .python_turn import State, Turn
from .python_values import to_script

SANDBOX_PASSTHROUGH = (
    "pydantic_monty",
    "opentelemetry.context",
    "opentelemetry.context.contextvars_context",
    "opentelemetry.environment_variables",
)
"""Modules to pass through the Temporal sandbox, beside this package."""

for _module in SANDBOX_PASSTHROUGH:
    importlib.import_module(_module)
sysconfig.get_config_vars()  # imports its data lazily, and Monty asks it where its program is: same trap

__all__ = ["SANDBOX_PASSTHROUGH", "close_pool", "load", "open_session", "restore_session", "set_pool_size"]


def open_session(script: LoadedScript, *, args: Any, has_args: bool, seed: str) -> Session:
    """Open a script that was loaded before, here or on another machine.

    Args:
        script: what `load` returned.
        args: the JSON value that `main` gets; without `has_args` it gets `None`.
        has_args: whether `args` was given.
        seed: seed of the script's `random`.
    """
    return _PythonSession(script, args if has_args else None, seed)


def restore_session(script: LoadedScript, *, seed: str, state: dict[str, Any]) -> Session:
    """Open a script that waits, as `Session.state` left it."""
    session = _PythonSession(script, None, seed)
    session.restore(state)
    return session


class _PythonSession:
    """One script in execution; see `protocol.Session`."""

    def __init__(self, script: LoadedScript, args: Any, seed: str) -> None:
        self._program = program(script.source)
        self._args = to_script(args)
        self._seed = seed
        self._state: State | None = State()
        self._started = False

    def start(self, context: StepContext) -> Step:
        """Run from the top to the first wait."""
        if self._started:
            raise RuntimeError("the session was started before")
        step = self._step(State(), context, self._begin)
        self._started = True
        return step

    def resume(self, outcomes: Mapping[int, Outcome], context: StepContext) -> Step:
        """Settle `outcomes`, in call-id order and all in one go, and run to the next wait."""
        if self._state is None or not self._started:
            raise RuntimeError("the session does not wait: it has ended, or was never started")
        return self._step(self._state, context, partial(Turn.settle, outcomes=outcomes))

    def state(self) -> dict[str, Any]:
        """The interpreter's own snapshot, and what belongs to it."""
        if self._state is None or not self._started:
            raise RuntimeError("the session does not wait: it has ended, or was never started")
        return carried(self._state)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._state, self._started = restored(state), True

    def close(self) -> None:
        """Forget the bytes; no process is held between steps."""
        self._state = None

    def _step(self, state: State, context: StepContext, run: Callable[[Turn], Step]) -> Step:
        with pool().lease(seed=self._seed) as lease:
            turn = Turn(lease, state, context)
            step = run(turn)
        self._state = turn.state  # only now: a step that raised may be tried again
        return step

    def _begin(self, turn: Turn) -> Step:
        try:
            ended = turn.load_module(self._program.text)
        except MontyError as error:
            raise ScriptLoadError(f"the interpreter refuses the script: {error}") from None
        return ended or turn.call_main([self._args] if self._program.main_takes_args else [])
