"""The service is that of the end-to-end tests; the bench is one for all tests that kill what they start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenuto.worker.simulated_api import SimulatedApi

from ..e2e.conftest import served, service
from .bench import Bench
from .disturbed import Calm

__all__ = ["bench", "calm", "served", "service"]


@pytest.fixture(scope="package")
def whole_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with SimulatedApi.in_thread() as api:
        made = Bench(tmp_path_factory.mktemp("chaos"), api)
        made.start_server()
        try:
            yield made
        finally:
            made.end(server=True)
            assert made.strays() == []


@pytest.fixture
def bench(whole_bench: Bench) -> Iterator[Bench]:
    """A server, and whatever Workers the test starts."""
    yield whole_bench
    whole_bench.end()


@pytest.fixture(scope="package")
def calm(whole_bench: Bench) -> Calm:
    """The undisturbed runs."""
    return Calm(whole_bench)
