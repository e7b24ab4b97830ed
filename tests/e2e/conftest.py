"""A service that the tests of one module share, with a simulated Messages API of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenuto.worker.simulated_api import SimulatedApi

from ..cli.command import Tenuto
from .served import Served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with SimulatedApi.in_thread() as api:
        key = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-test"}
        tenuto = Tenuto(folder / "home", folder, key)
        try:
            tenuto.json("up")
            yield Served(tenuto, api)
        finally:
            tenuto("down")


@pytest.fixture
def served(service: Served) -> Iterator[Served]:
    """The module's service, its API as new."""
    service.api.control(reset=True)
    service.write_scripts()
    yield service
    service.end_followers()
