"""The `tenuto` command: from an error to one clear line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

EXIT_USAGE = 2
EXIT_INTERNAL = 70
"""A bug of ours: `EX_SOFTWARE` of sysexits.h, unlike every documented code."""


def execute(argv: Sequence[str]) -> int:
    """Run one command; the exit code. Prints every error itself."""
    from .cli.app import app
    from .cli.output import EXIT_INTERRUPTED

    try:
        outcome = app(args=list(argv), prog_name="tenuto", standalone_mode=False)
    except KeyboardInterrupt:
        return _say("interrupted", EXIT_INTERRUPTED)
    except SystemExit as error:  # rich leaves so when nobody reads its output any more
        return error.code if isinstance(error.code, int) else EXIT_INTERNAL
    except Exception as error:  # noqa: BLE001 - the edge: whatever comes here is told in one line
        text, code = _told(error)
        if "--debug" in argv:
            traceback.print_exc()
        return _say(text, code)
    return outcome if isinstance(outcome, int) else 0


def _told(error: Exception) -> tuple[str, int]:
    """An error as one line for a person, and its exit code."""
    import typer

    from .cli.output import EXIT_CODES, OutputFailed
    from .config import UsageError
    from .service.service import ServiceFailed

    if isinstance(error, OutputFailed):
        return str(error), EXIT_CODES["failed"]
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EBADF):
        where = f" {error.filename}" if error.filename else " the output"
        return f"cannot write{where}: {error.strerror}", EXIT_CODES["failed"]
    if isinstance(error, typer.Abort):
        return "not started", EXIT_USAGE
    if isinstance(error, typer.TyperException):
        return error.format_message() or "tenuto --help lists the commands", error.exit_code
    known = str(error) if isinstance(error, UsageError | ServiceFailed) else _expected(error)
    if known is not None:
        return known, EXIT_USAGE
    return f"internal error, please report it: {type(error).__name__}: {error} (--debug shows where)", EXIT_INTERNAL


def _expected(error: Exception) -> str | None:
    """The line for errors whose classes are only there if what raises them was imported."""
    from tenuto.workflows.script.protocol import InterpreterBusy, ScriptLoadError

    if isinstance(error, InterpreterBusy):
        return f"the script could not be looked at ({error}); try again"
    if isinstance(error, ScriptLoadError):
        # With a place in the script, its line and a caret follow; without one, a single line says it all.
        return str(error) if error.line is not None else str(error).replace("\nhint: ", "; ")
    service = sys.modules.get("temporalio.service")
    if service is not None and isinstance(error, service.RPCError):
        return f"the Temporal Service refused or did not answer: {error}; look at it with `tenuto doctor`"
    return None


def _say(text: str, code: int) -> int:
    from .cli.output import notice

    is_help = text.startswith("Usage:")
    notice(text if is_help else f"tenuto: {text}")
    return code


def main() -> None:
    """Entry of the command. Leaves by `os._exit`: the interpreter's teardown crashes now and then with temporalio."""
    from .cli.output import open_closed_streams

    open_closed_streams()
    code = execute(sys.argv[1:])
    if "tenuto.workflows.script.dialects" in sys.modules:
        from tenuto.workflows.script.dialects import close_interpreters

        close_interpreters()
    if "tenuto.worker.telemetry" in sys.modules:
        from .telemetry import flush

        flush()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        pass  # nobody reads any more, or it was said already
    os._exit(code)


if __name__ == "__main__":
    main()
