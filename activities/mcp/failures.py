"""From what went wrong to what it means for the call. See `errors.py` for the kinds."""

from __future__ import annotations

import mcp_types as types
from mcp.shared.exceptions import MCPError

from .attempt import Attempt
from .errors import McpFailure, NotRun, OutcomeUnknown, Refused, Unusable
from .server import Server

BUSY = (429, 503)
"""By these a server says that it did nothing; with `retry-after`, when to come back."""
MESSAGE_CHARS = 2000


def of_connecting(server: Server, error: BaseException, attempt: Attempt, last_words: str | None) -> McpFailure:
    """Why there is no session. `last_words`: what became of a stdio server's process."""
    name, inner = f"the MCP server {server.name!r}", _innermost(error)
    if isinstance(inner, McpFailure):
        return inner
    known = _known(server, attempt)
    if known is not None:
        return known
    if last_words is not None and not isinstance(inner, MCPError):
        return NotRun(f"{name} did not start: its process {last_words}")
    if isinstance(inner, MCPError) and inner.code == types.CONNECTION_CLOSED:
        return NotRun(f"{name} did not start: its process {last_words or 'closed the connection'}")
    if attempt.fault:
        return NotRun(f"{name} {server.redact(attempt.fault)}")
    bad = attempt.status is not None and attempt.status >= 400
    words = f"HTTP {attempt.status}, " if bad else ""
    text = server.redact(f"{words}{inner or type(inner).__name__}")[:500]
    permanent = bad and attempt.status is not None and attempt.status < 500
    return (Unusable if permanent else NotRun)(f"{name} cannot be connected to: {text}")


def of_call(server: Server, error: Exception, attempt: Attempt, last_words: str | None) -> McpFailure:
    """Why a call that got an error has no result. `last_words`: what ended the session, if it has ended."""
    name, message = f"the MCP server {server.name!r}", server.redact(str(error))[:MESSAGE_CHARS]
    known = _known(server, attempt)
    if known is not None:
        return known
    if attempt.fault:
        fault = f"{name} {server.redact(attempt.fault)}"
        return OutcomeUnknown(fault) if attempt.sent else NotRun(fault)
    if last_words is not None:
        return (
            OutcomeUnknown(f"{name} {last_words} before it answered")
            if attempt.sent
            else NotRun(f"{name} {last_words}")
        )
    if isinstance(error, MCPError) and names_a_lost_session(error, attempt.status):
        return NotRun(f"{name} has ended the session")
    return _of_answer(name, message, error, attempt.status)


def of_silence(server: Server, attempt: Attempt, timeout_s: float) -> McpFailure:
    """Why a call that got no answer at all has no result."""
    name = f"the MCP server {server.name!r}"
    known = _known(server, attempt)
    if known is not None:
        return known
    if attempt.fault:
        fault = f"{name} {server.redact(attempt.fault)}"
        return OutcomeUnknown(fault) if attempt.sent else NotRun(fault)
    if attempt.status is not None and attempt.status >= 500:
        return OutcomeUnknown(f"{name} answered HTTP {attempt.status}")
    if attempt.status is not None and attempt.status >= 400:
        return Refused(f"{name} answered HTTP {attempt.status}")
    return OutcomeUnknown(f"{name} did not answer within {timeout_s:g} s", timed_out=True)


def names_a_lost_session(error: MCPError, status: int | None) -> bool:
    """By the protocol a 404; servers that were started anew say 400 and mention the session."""
    if status == 404:
        return error.code != types.METHOD_NOT_FOUND
    return status == 400 and "session" in error.message.lower()


def _known(server: Server, attempt: Attempt) -> McpFailure | None:
    """What is clear from the transport alone."""
    if attempt.authorize:
        return Unusable(server.redact(attempt.authorize))
    if attempt.status in BUSY:
        text = f"the MCP server {server.name!r} is busy (HTTP {attempt.status})"
        return NotRun(text, wait_s=attempt.retry_after_s)
    return None


def _of_answer(name: str, message: str, error: Exception, status: int | None) -> McpFailure:
    if status is not None and status >= 500:
        return OutcomeUnknown(f"{name} answered HTTP {status} ({message})")
    if isinstance(error, MCPError):
        words = f" (HTTP {status})" if status is not None and status >= 400 else ""
        return Refused(f"{name} answered with an error{words}: {message}")
    return OutcomeUnknown(f"{name} gave an answer that is not one of MCP's: {message.partition(chr(10))[0][:300]}")


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error
