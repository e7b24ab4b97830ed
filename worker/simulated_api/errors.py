"""Errors in the shape of the Messages API."""

from __future__ import annotations

from typing import Any

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""`error.type` by HTTP status (API documentation, "Errors")."""

_MESSAGES = {
    "overloaded_error": "Overloaded",
    "api_error": "Internal server error",
    "timeout_error": "Request timed out",
    "rate_limit_error": "This request would exceed your organization's rate limit.",
    "authentication_error": "invalid x-api-key",
    "billing_error": "Your credit balance is too low to access the Anthropic API.",
    "permission_error": "Your API key does not have permission to use the specified resource.",
    "not_found_error": "Not found",
}


class ApiError(Exception):
    """A request that the API refuses: status, `error.type`, message, further response headers."""

    def __init__(
        self, status: int, message: str | None = None, *, type: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.type = type or ERROR_TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
        self.message = message or _MESSAGES.get(self.type, f"The request was refused with status {status}.")
        self.headers = headers or {}
        super().__init__(self.message)


def invalid(message: str) -> ApiError:
    """The 400 of a request that does not validate."""
    return ApiError(400, message)


def error_body(error_type: str, message: str, request_id: str) -> dict[str, Any]:
    """The JSON body of an error response, and the data of an `error` event in a stream."""
    return {"type": "error", "error": {"type": error_type, "message": message}, "request_id": request_id}


def default_message(error_type: str) -> str:
    """What the API says with an error of this type."""
    return _MESSAGES.get(error_type, error_type)
