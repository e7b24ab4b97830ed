"""What can go wrong with an MCP server, by what the caller may do about it.

McpFailure
├── Unusable       the server cannot be used as it is configured: a person mends it, asking again does not
├── NotRun         the call surely did not run: it may be made again, after `wait_s` where the server says so
├── Refused        the server answered, and the answer is no
└── OutcomeUnknown the call may have run, and nobody knows

The messages are plain sentences for a model and a person. None of them holds a secret: what comes from a server or its
process goes through `Server.redact` first.
"""

from __future__ import annotations


class McpFailure(Exception):
    """Base of what a call of an MCP server raises."""


class Unusable(McpFailure):
    """Not to be used before a person has done something, which the message names."""


class NotRun(McpFailure):
    """The call did not run."""

    def __init__(self, message: str, *, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """Seconds that the server asks everyone to wait."""


class Refused(McpFailure):
    """The server's own error."""


class OutcomeUnknown(McpFailure):
    """The call may have run. `timed_out`: it was given all the time it had."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out
