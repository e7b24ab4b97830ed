"""Which executions a list of runs is made of, at a Temporal Service that is played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from tenuto.worker.listing import executions
from tenuto.workflows import details


def execution(name: str, *, run: bool = True) -> Any:
    memo = {details.MEMO: b""} if run else {}
    return SimpleNamespace(id=name, raw_info=SimpleNamespace(memo=SimpleNamespace(fields=memo)))


class Service:
    """Knows no parents in a query, as one of long ago, unless told."""

    def __init__(self, *found: Any, status: RPCStatusCode | None) -> None:
        self.found, self.status, self.queries = found, status, list[str]()

    async def list_workflows(self, query: str) -> AsyncIterator[Any]:
        self.queries.append(query)
        if self.status is not None and "ParentWorkflowId" in query:
            raise RPCError("invalid query", self.status, b"")
        for each in self.found:
            yield each


async def listed(service: Any, limit: int | None) -> list[str]:
    return [each.id async for each in executions(service, "q", limit)]


MANY = [*(execution(f"r/review-{n}", run=False) for n in range(300)), execution("a"), execution("a"), execution("b")]


@pytest.mark.parametrize("status", [None, RPCStatusCode.INVALID_ARGUMENT])
async def test_what_is_no_run_counts_for_nothing(status: RPCStatusCode | None) -> None:
    service = Service(*MANY, execution("c"), status=status)
    assert await listed(service, 2) == ["a", "b"]
    assert await listed(service, None) == ["a", "b", "c"]
    assert len(service.queries) == (2 if status is None else 4)


async def test_any_other_failure_of_the_service_is_told() -> None:
    with pytest.raises(RPCError):
        await listed(Service(*MANY, status=RPCStatusCode.UNAVAILABLE), 2)
