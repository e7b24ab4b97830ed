"""People and events outside: durable waits that cost nothing. Import them from `tenuto`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._steps import _outside_a_run


async def ask(
    question: str,
    *,
    options: Sequence[Any] | None = None,
    default: Any = ...,
    timeout: float | None = None,  # noqa: ASYNC109 - the script API's own word
) -> Any:
    """Ask a person, and wait for the answer, for days if need be: `tenuto answer RUN [QUESTION] ANSWER`.

    Args:
        question: for a person to read.
        options: the answers that are taken; left out, anything is.
        default: taken when the time is up; one of the options, where there are any.
        timeout: seconds to wait; left out, for as long as it takes.

    Returns:
        The answer: one of the options, else what was answered, which from the command line is text.

    Raises:
        RuntimeError: `timeout: …`, the time is up and there is no default.
    """
    raise _outside_a_run("ask")


async def wait_for(
    name: str,
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - the script API's own word
) -> Any:
    """Wait for an event from outside: the Signal `event` of the run, with that name. One that came before counts.

    Args:
        name: of the event.
        timeout: seconds to wait; left out, for as long as it takes.

    Returns:
        The event's payload.

    Raises:
        RuntimeError: `timeout: …`.
    """
    raise _outside_a_run("wait_for")
