"""The JavaScript dialect: Claude Code's saved workflows, unmodified, on QuickJS.

- `javascript_loader`: what can be known without running a script
- `javascript_session`: a script in execution, as a log of resumptions
- `javascript_contexts`: contexts as a cache; time and memory
- `javascript_pool`: the processes; `javascript_process` one of them, `javascript_child` their program
- `prelude.js`: what a script sees; `steps.js` (steps without a model), `reviews.js` and `url.js` beside it
- `locale_numbers.js`, `locale_text.js`, `locale_dates.js`: the `Intl` that QuickJS lacks, for scripts that mention it
"""

from __future__ import annotations

from typing import Any

from .javascript_loader import load
from .javascript_session import CONTEXTS, JavaScriptSession
from .protocol import LoadedScript, Session

__all__ = ["close_pool", "load", "open_session", "restore_session"]


def open_session(script: LoadedScript, *, args: Any, has_args: bool, seed: str, locale: bool = True) -> Session:
    """Open a loaded script.

    Args:
        script: from `load`, here or on another machine.
        args: plain JSON; looked at only with `has_args` (`undefined` is not `null`).
        has_args: whether arguments were given.
        seed: of `Math.random`; unique to the run, which also keeps contexts of equal scripts apart.
        locale: whether there is an `Intl`, and words are compared as in a dictionary; runs of earlier versions are
            replayed without.
    """
    return JavaScriptSession(script, args=args, has_args=has_args, seed=seed, locale=locale)


def restore_session(script: LoadedScript, *, seed: str, state: dict[str, Any]) -> Session:
    """Open a script that waits, as `Session.state` left it."""
    session = JavaScriptSession(script, args=None, has_args=False, seed=seed)
    session.restore(state)
    return session


def close_pool() -> None:
    """End the interpreter processes of this process. A later session starts new ones."""
    CONTEXTS.close()
