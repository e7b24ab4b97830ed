"""One S3-compatible server for all tests of stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .seaweed import Seaweed, seaweed


@pytest.fixture(scope="package")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server
