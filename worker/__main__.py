"""The `tenuto` command: from an error to one clear line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

EXIT_USAGE = 2
EXIT_INTERNAL = 70
"""A bug of ours: `EX_SOFTWARE` of sysexits.h, unlike every documented code."""
EXIT_INTERRUPTED = 130


def execute(argv: Sequence[str]) -> int:
    """Run one command; the exit code. Prints every error itself."""
    try:
        return _execute(argv)
    except KeyboardInterrupt:
        return _say("interrupted", EXIT_INTERRUPTED)


def _execute(argv: Sequence[str]) -> int:
    import typer

    from .cli.app import app
    from .config import UsageError
    from .service.service import ServiceFailed

    try:
        outcome = app(args=list(argv), prog_name="tenuto", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except typer.Abort:
        return _say("not started", EXIT_USAGE)
    except typer.TyperException as error:
        return _say(error.format_message() or "tenuto --help lists the commands", error.exit_code, argv)
    except (UsageError, ServiceFailed) as error:
        return _say(str(error), EXIT_USAGE, argv)
    except SystemExit as error:  # rich leaves so when nobody reads its output any more
        return error.code if isinstance(error.code, int) else EXIT_INTERNAL
    except Exception as error:  # noqa: BLE001 - the edge: whatever comes here is told in one line
        known = _expected(error)
        if known is not None:
            return _say(known, EXIT_USAGE, argv)
        text = f"internal error, please report it: {type(error).__name__}: {error} (--debug shows where)"
        return _say(text, EXIT_INTERNAL, argv)


def _expected(error: Exception) -> str | None:
    """The line for errors whose classes are only there if what raises them was imported."""
    from tenuto.workflows.script.protocol import ScriptLoadError

    if isinstance(error, ScriptLoadError):
        # With a place in the script, its line and a caret follow; without one, a single line says it all.
        return str(error) if error.line is not None else str(error).replace("\nhint: ", "; ")
    service = sys.modules.get("temporalio.service")
    if service is not None and isinstance(error, service.RPCError):
        return f"the Temporal Service refused or did not answer: {error}; look at it with `tenuto doctor`"
    return None


def _say(text: str, code: int, argv: Sequence[str] = ()) -> int:
    if "--debug" in argv:
        traceback.print_exc()
    print(f"tenuto: {text}" if text and not text.startswith("Usage:") else text, file=sys.stderr)
    return code


def main() -> None:
    """Entry of the command. Leaves by `os._exit`: the interpreter's teardown crashes now and then with temporalio."""
    code = execute(sys.argv[1:])
    if "tenuto.workflows.script.dialects" in sys.modules:
        from tenuto.workflows.script.dialects import close_interpreters

        close_interpreters()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass  # nobody reads any more
    os._exit(code)


if __name__ == "__main__":
    main()
