"""Failures of Activities whose message is longer than a history takes: a failure is text, and never goes to the store.

A failure over 4 MiB cannot be reported at all: its Activity would be tried again, and paid again, for ever.
"""

from __future__ import annotations

from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from tenuto.workflows.bounds import MESSAGE_CHARS, cut


class BoundedFailures(Interceptor):
    """Cuts them."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Around every Activity."""
        return _Bounded(next)


class _Bounded(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except Exception as error:
            if not _is_long(error):
                raise
            raise _shortened(error) from None


def _is_long(error: BaseException) -> bool:
    """Whether the failure, or one that it came from, says too much."""
    each: BaseException | None = error
    while each is not None:
        if len(str(each)) > MESSAGE_CHARS:
            return True
        each = each.__cause__
    return False


def _shortened(error: Exception) -> ApplicationError:
    if not isinstance(error, ApplicationError):
        return ApplicationError(cut(str(error), MESSAGE_CHARS), type=type(error).__name__)
    return ApplicationError(
        cut(error.message, MESSAGE_CHARS),
        *error.details,
        type=error.type,
        non_retryable=error.non_retryable,
        next_retry_delay=error.next_retry_delay,
        category=error.category,
    )
