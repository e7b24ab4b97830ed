"""A `tenuto` command of its own for a test, or one whose service is shared by tests that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import Tenuto


@pytest.fixture
def tenuto(tmp_path: Path) -> Iterator[Tenuto]:
    """A command with a fresh home; whatever it started is ended."""
    command = Tenuto(tmp_path / "home", tmp_path)
    yield command
    if command.home.exists():
        command("down")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenuto]:
    """A command whose service stays up for the whole session."""
    folder = tmp_path_factory.mktemp("shared")
    command = Tenuto(folder / "home", folder)
    yield command
    if command.home.exists():
        command("down")
