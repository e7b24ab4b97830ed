"""Every error that an agent's conversation can meet has a verdict."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import anthropic
import anthropic.lib
import httpx2
import pytest
from anthropic import APIStatusError
from anthropic import _exceptions as exceptions
from anthropic.lib.credentials import WorkloadIdentityError

from tenuto.activities import errors
from tenuto.activities.allowance import NeedsShare
from tenuto.activities.credentials import CredentialsFileError
from tenuto.activities.errors import PARKED_S, PATIENCE, AgentError, Verdict, classify

NOW = 1_790_000_000.0


def response(status: int, headers: dict[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(status, headers=headers, request=httpx2.Request("POST", "https://api.example/v1/messages"))


def status_error(
    status: int, type: str | None = None, message: str = "m", code: str | None = None, **headers: str
) -> APIStatusError:
    error: dict[str, Any] = {"type": type, "message": message}
    if code is not None:
        error["details"] = {"error_code": code}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return APIStatusError(message, response=response(status, given), body={"type": "error", "error": error})


def subclasses(root: type[Any]) -> Iterator[type[Any]]:
    for child in root.__subclasses__():
        yield child
        yield from subclasses(child)


def library_errors() -> list[type[Any]]:
    for module in pkgutil.walk_packages(anthropic.lib.__path__, "anthropic.lib."):
        if not any(part in module.name for part in ("mcp", "_extras._google", "aws._auth", "_stream_decoder")):
            importlib.import_module(module.name)
    named = [value for name, value in vars(exceptions).items() if isinstance(value, type) and name.endswith("Error")]
    exported = [value for value in vars(anthropic).values() if isinstance(value, type)]
    found = {*subclasses(anthropic.AnthropicError), anthropic.AnthropicError, *named, *exported}
    return sorted((one for one in found if issubclass(one, anthropic.AnthropicError)), key=lambda one: one.__name__)


def bare(kind: type[Any]) -> BaseException:
    """An instance without a call of `__init__`, whose arguments differ from class to class."""
    error: BaseException = BaseException.__new__(kind, "m")
    error.args = ("m",)
    return error


def instance(kind: type[Any]) -> BaseException:
    error: BaseException
    if issubclass(kind, APIStatusError):
        status = next((vars(one)["status_code"] for one in kind.__mro__ if "status_code" in vars(one)), 500)
        error = kind("m", response=response(status), body=None)
    elif issubclass(kind, anthropic.APIResponseValidationError):
        error = kind(response(200), None)
    elif issubclass(kind, anthropic.APITimeoutError):
        error = kind(httpx2.Request("POST", "https://api.example"))
    else:
        error = bare(kind)
        error.__dict__.update(message="m", status_code=None, request_id=None, body=None)
    return error


@pytest.mark.parametrize("kind", library_errors(), ids=lambda kind: str(kind.__name__))
def test_every_class_of_the_anthropic_package_has_a_verdict(kind: type[Any]) -> None:
    verdict = classify(instance(kind), NOW)
    unknown = verdict.action == "retry" and verdict.kind == "internal"
    assert not unknown, f"{kind.__name__} fell through to the verdict on the unknown"


def test_the_walk_sees_all_of_the_package() -> None:
    names = {kind.__name__ for kind in library_errors()}
    assert len(names) > 100
    assert {"OverloadedError", "EnforcedSpendLimitReachedError", "MissingDependencyError", "APITimeoutError"} <= names


TRANSPORT_ERRORS = [*subclasses(httpx2.HTTPError), *subclasses(httpx2.StreamError), httpx2.InvalidURL]


@pytest.mark.parametrize("kind", TRANSPORT_ERRORS, ids=[kind.__name__ for kind in TRANSPORT_ERRORS])
def test_every_transport_error_that_can_leak_has_a_verdict(kind: type[Any]) -> None:
    verdict = classify(bare(kind), NOW)
    assert (verdict.action, verdict.kind) != ("retry", "internal")


def test_every_error_of_ours_has_a_verdict() -> None:
    made = {
        errors.AgentFailed: errors.AgentFailed("refusal", "no"),
        errors.RetryLater: errors.RetryLater("rate_limit", "later", 3.0),
        errors.NoCredential: errors.NoCredential("none"),
        errors.StreamBroken: errors.StreamBroken("cut"),
    }
    assert set(made) == set(AgentError.__subclasses__()) - {NeedsShare}  # no end of an agent: see `run_agent`
    assert [classify(error).action for error in made.values()] == ["fail", "retry", "park", "retry"]
    assert classify(CredentialsFileError("unreadable")).action == "park"


@pytest.mark.parametrize(
    ("error", "action", "kind"),
    [
        (status_error(400, "invalid_request_error"), "fail", "invalid_request_error"),
        (status_error(401, "authentication_error"), "park", "credential"),
        (status_error(402, "billing_error"), "park", "credit"),
        (status_error(403, "permission_error"), "fail", "permission_error"),
        (status_error(404, "not_found_error"), "fail", "not_found_error"),
        (status_error(413, "request_too_large"), "fail", "request_too_large"),
        (status_error(422), "fail", "http_422"),
        (status_error(408, "timeout_error"), "retry", "timeout_error"),
        (status_error(409, "conflict_error"), "retry", "conflict_error"),
        (status_error(500, "api_error"), "retry", "api_error"),
        (status_error(529, "overloaded_error"), "retry", "overloaded_error"),
        (status_error(502), "retry", "api_error"),
        (status_error(200, "overloaded_error"), "retry", "overloaded_error"),
        (status_error(200, "invalid_request_error"), "fail", "invalid_request_error"),
        (status_error(200, "ThrottlingException"), "retry", "rate_limit"),
        (status_error(400, "billing_error"), "park", "credit"),
        (status_error(400, "invalid_request_error", "Your credit balance is too low"), "park", "credit"),
        (status_error(429, "rate_limit_error", code="enforced_spend_limit_reached"), "park", "credit"),
        (status_error(400, "invalid_request_error", code="organization_on_hold"), "park", "credential"),
        (status_error(400, "invalid_request_error", x_should_retry="true"), "retry", "invalid_request_error"),
        (status_error(500, "api_error", x_should_retry="false"), "fail", "api_error"),
        (status_error(529, "overloaded_error", x_should_retry="false"), "fail", "overloaded_error"),
        (WorkloadIdentityError("down", status_code=503), "retry", "connection"),
        (WorkloadIdentityError("refused", status_code=400), "park", "credential"),
        (httpx2.ReadError("reset"), "retry", "connection"),
        (FileNotFoundError("gone"), "retry", "store"),
    ],
)
def test_the_type_decides_before_the_status(error: BaseException, action: str, kind: str) -> None:
    verdict = classify(error, NOW)
    assert (verdict.action, verdict.kind) == (action, kind)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": "7"}, ("retry", "rate_limit", 7.0, True)),
        ({"retry_after": "60"}, ("retry", "rate_limit", 60.0, True)),
        ({"retry_after": "61"}, ("retry", "quota", 61.0, True)),
        ({"retry_after_ms": "250", "retry_after": "9"}, ("retry", "rate_limit", 0.25, True)),
        ({}, ("retry", "rate_limit", 5.0, True)),
        ({"x_should_retry": "false"}, ("fail", "rate_limit_error", None, False)),
        ({"x_should_retry": "false", "retry_after": "3600"}, ("retry", "quota", 3600.0, True)),
        (
            {
                "anthropic_ratelimit_unified_status": "rejected",
                "anthropic_ratelimit_unified_reset": str(int(NOW) + 5 * 3600),
            },
            ("retry", "quota", 5 * 3600.0, True),
        ),
    ],
)
def test_a_rate_limit_over_a_minute_is_a_quota(headers: dict[str, str], expected: tuple[Any, ...]) -> None:
    verdict = classify(status_error(429, "rate_limit_error", **headers), NOW)
    assert (verdict.action, verdict.kind, verdict.delay_s, verdict.closes_gate) == expected


def test_waiting_has_an_end_only_where_the_cause_is_unclear() -> None:
    def patience(error: BaseException) -> int | None:
        return classify(error, NOW).patience

    assert patience(status_error(500, "api_error")) == PATIENCE
    assert patience(RuntimeError("a defect")) == 5
    assert patience(status_error(529, "overloaded_error")) is None
    assert patience(status_error(429, "rate_limit_error")) is None
    assert patience(status_error(401, "authentication_error")) is None
    assert patience(httpx2.ConnectError("refused")) is None


def test_a_parked_agent_looks_again_every_fifteen_seconds() -> None:
    assert classify(status_error(401, "authentication_error"), NOW).delay_s == PARKED_S == 15.0


def test_a_message_names_the_request_and_the_cause() -> None:
    named = status_error(400, "invalid_request_error", "prompt is too long", request_id="req_7")
    assert classify(named, NOW).message == "prompt is too long (request req_7)"
    lost = anthropic.APIConnectionError(request=httpx2.Request("POST", "https://api.example"))
    lost.__cause__ = httpx2.ConnectError("connection refused")
    assert classify(lost, NOW).message == "Connection error. connection refused"
    assert isinstance(classify(lost, NOW), Verdict)
