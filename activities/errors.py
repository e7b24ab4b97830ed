"""The verdict about every error that one agent's conversation can meet.

AgentError
├── AgentFailed      this agent has no value, for good
├── RetryLater       ask again after a known delay; nothing is wrong with the request
├── NoCredential     nothing to ask with, or nothing that the API accepts
└── StreamBroken     the response ended before it was complete
Everything else comes from `anthropic`, `httpx2` or the store, and `classify` knows it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import anthropic
import httpx2
from anthropic import APIStatusError
from anthropic.lib._extras._common import MissingDependencyError
from anthropic.lib.credentials import WorkloadIdentityError
from anthropic.lib.foundry import MutuallyExclusiveAuthError
from obstore.exceptions import BaseError as StorageError

from tenuto.workflows import failure_kinds as kinds

from .credentials import CredentialsFileError
from .rate_limits import exhausted_for_s, retry_after_s

USAGE_LIMIT_S = 60.0
"""A rate limit that lasts longer is a usage limit: the run waits for its reset."""
PARKED_S = 15.0
"""How often a parked agent looks whether there is a credential, or credit, again."""
RATE_LIMIT_DEFAULT_S = 5.0
"""Wait after a 429 that does not say how long."""
PATIENCE = 50
"""Attempts that an error of unclear cause is given: three quarters of an hour at the longest interval."""
MESSAGE_CHARS = 2000


class AgentError(Exception):
    """Base of what a conversation itself raises."""


class AgentFailed(AgentError):
    """The agent ends without a value. `kind` is one of `failure_kinds`, or an API error's `type`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class RetryLater(AgentError):
    """Not now: the credential's gate is closed for another `delay_s` seconds."""

    def __init__(self, kind: str, message: str, delay_s: float) -> None:
        super().__init__(message)
        self.kind = kind
        self.delay_s = delay_s


class NoCredential(AgentError):
    """There is no credential to ask with, or it is not usable as configured."""


class StreamBroken(AgentError):
    """A response stream ended, or turned to nonsense, before `message_stop`."""


Action = Literal["retry", "park", "fail"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about an error.

    `retry` asks again, `park` asks again until a person has done something, `fail` ends the agent. `delay_s` is how
    long to wait, where the error says so. After `patience` attempts a retry becomes a failure; `None` is without a
    number: `overload.py` has the time.
    `closes_gate` says that nobody on this credential may ask before `delay_s` is over.
    """

    action: Action
    kind: str
    message: str
    delay_s: float | None = None
    patience: int | None = None
    closes_gate: bool = False


_FAIL_TYPES = frozenset(
    {
        "invalid_request_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "memory_precondition_failed_error",
        "memory_path_conflict_error",
    }
)
_RETRY_TYPES = frozenset({"overloaded_error", "timeout_error", "conflict_error"})
_OVERLOADED = frozenset({502, 503, 504, 529})
"""Nothing is wrong with the request, or with what it met: there is too much of it, or what should serve it is away."""
_CREDIT_CODES = frozenset({"contract_spend_limit_reached", "enforced_spend_limit_reached"})
"""Rate limits by status, but only money or a new contract ends them."""
_CREDENTIAL_CODES = frozenset({"organization_on_hold", "claude_code_key_creator_not_member"})
"""Bad requests by status, but about the credential: every sibling would fail by them too."""
_CREDIT_WORDS = ("credit balance", "spend limit")
"""An exhausted balance comes as a 400 without a code of its own."""
_TYPE_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TYPE_OF_AWS = {
    "ThrottlingException": "rate_limit_error",
    "ServiceUnavailableException": "overloaded_error",
    "ModelStreamErrorException": "api_error",
    "InternalServerException": "api_error",
    "ModelTimeoutException": "timeout_error",
    "ValidationException": "invalid_request_error",
}
"""Bedrock names its stream errors in its own words."""


def classify(error: BaseException, now: float | None = None) -> Verdict:
    """The verdict about one error. `now` is the time in Unix seconds, for headers that name a date."""
    if isinstance(error, AgentError):
        return _of_ours(error)
    if isinstance(error, APIStatusError):
        return _of_status(error, time.time() if now is None else now)
    if isinstance(error, WorkloadIdentityError) and _transient(error.status_code):
        return Verdict("retry", kinds.CONNECTION, describe(error))
    for classes, action, kind, delay_s, patience in _BY_CLASS:
        if isinstance(error, classes):
            return Verdict(action, kind, describe(error), delay_s, patience)
    # Unknown: most likely a defect of ours. A few attempts, in case it was the moment's.
    return Verdict("retry", kinds.INTERNAL, describe(error), patience=5)


_BY_CLASS: tuple[tuple[tuple[type[BaseException], ...], Action, str, float | None, int | None], ...] = (
    ((anthropic.APIConnectionError, anthropic.RetryableError), "retry", kinds.CONNECTION, None, None),
    ((httpx2.NetworkError, httpx2.TimeoutException), "retry", kinds.CONNECTION, None, None),
    ((httpx2.TransportError, httpx2.DecodingError), "retry", kinds.CONNECTION, None, PATIENCE),
    ((anthropic.APIResponseValidationError,), "retry", kinds.CONNECTION, None, PATIENCE),
    (
        (
            anthropic.CredentialsError,
            WorkloadIdentityError,
            CredentialsFileError,
            MissingDependencyError,
            MutuallyExclusiveAuthError,
        ),
        "park",
        kinds.CREDENTIAL,
        PARKED_S,
        None,
    ),
    ((anthropic.AnthropicError, httpx2.HTTPError), "fail", kinds.INTERNAL, None, None),
    ((httpx2.InvalidURL, httpx2.CookieConflict, httpx2.StreamError), "fail", kinds.INTERNAL, None, None),
    ((StorageError, OSError), "retry", kinds.STORE, None, None),
)
"""By class, the first that fits."""


def _transient(status: int | None) -> bool:
    return status is None or status >= 500 or status in (408, 429)


def _of_ours(error: AgentError) -> Verdict:
    message = str(error)
    if isinstance(error, AgentFailed):
        return Verdict("fail", error.kind, message)
    if isinstance(error, RetryLater):
        return Verdict("retry", error.kind, message, error.delay_s)
    if isinstance(error, NoCredential):
        return Verdict("park", kinds.CREDENTIAL, message, PARKED_S)
    return Verdict("retry", kinds.CONNECTION, message, patience=PATIENCE)


def _of_status(error: APIStatusError, now: float) -> Verdict:
    """By the error's `type` first, then by status: an error event in a stream arrives with status 200."""
    message, headers, status = describe(error), error.response.headers, error.status_code
    given = str(error.type) if error.type else None
    kind = _TYPE_OF_AWS.get(given or "", given) or _TYPE_OF_STATUS.get(status) or _type_of_range(status)
    if error.error_code in _CREDIT_CODES or kind == "billing_error" or status == 402 or _says_no_credit(error):
        return Verdict("park", kinds.CREDIT, message, PARKED_S)
    if kind == "authentication_error" or error.error_code in _CREDENTIAL_CODES:
        return Verdict("park", kinds.CREDENTIAL, message, PARKED_S)
    wait, should_retry = retry_after_s(headers, now), headers.get("x-should-retry")
    if kind == "rate_limit_error":
        return _of_rate_limit(message, headers, wait, now, final=should_retry == "false")
    permanent = kind in _FAIL_TYPES or (400 <= status < 500 and kind not in _RETRY_TYPES)
    if should_retry == "false" or (permanent and should_retry != "true"):
        return Verdict("fail", kind, message)
    endless = kind in _RETRY_TYPES or status in _OVERLOADED
    return Verdict("retry", kind, message, wait, patience=None if endless else PATIENCE)


def _type_of_range(status: int) -> str:
    return f"http_{status}" if 400 <= status < 500 else "api_error"


def _of_rate_limit(message: str, headers: Mapping[str, str], wait: float | None, now: float, *, final: bool) -> Verdict:
    reset = exhausted_for_s(headers, now) if wait is None else wait
    if reset is not None and reset > USAGE_LIMIT_S:
        return Verdict("retry", kinds.QUOTA, message, reset, closes_gate=True)
    if final:
        return Verdict("fail", "rate_limit_error", message)
    return Verdict(
        "retry", kinds.RATE_LIMIT, message, RATE_LIMIT_DEFAULT_S if reset is None else reset, closes_gate=True
    )


def _says_no_credit(error: APIStatusError) -> bool:
    if error.status_code not in (400, 403, 429):
        return False
    text = (error.api_message or "").lower()
    return any(words in text for words in _CREDIT_WORDS)


def describe(error: BaseException) -> str:
    """An error in one line for a person: the API's own words and the request id, or the cause of a lost connection."""
    if isinstance(error, APIStatusError):
        text = error.api_message or error.message
        text = f"{text} (request {error.request_id})" if error.request_id else text
    elif isinstance(error, anthropic.APIConnectionError) and error.__cause__ is not None:
        text = f"{error.message} {error.__cause__}".strip()
    else:
        text = str(error) or type(error).__name__
        if not isinstance(error, AgentError | anthropic.AnthropicError):
            text = f"{type(error).__name__}: {error}"
    return text.strip()[:MESSAGE_CHARS]
