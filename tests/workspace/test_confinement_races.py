"""What changes under the hands of the file tools: a name that is swapped at the wrong moment leads nowhere."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenuto.activities.workspace.confined import ConfinedFiles
from tenuto.activities.workspace.descent import FOLDER, Spot, open_regular
from tenuto.activities.workspace.files import OutsideWorkspace

from .test_confinement import INSIDE, SECRET, files, outside, root, whole

__all__ = ["files", "outside", "root"]


@pytest.fixture
def swapping() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Runs something over and over in a thread, as fast as it can, until the test ends."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def start(swap: Callable[[], None]) -> None:
        def run() -> None:
            while not over.is_set():
                swap()

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()


def exchange(root: Path, one: str, other: str) -> Callable[[], None]:
    """Two names change places in one step, so that both are always there."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths = [os.fsencode(root / name) for name in (one, other)]

    def swap() -> None:
        assert libc.renameat2(-100, paths[0], -100, paths[1], 2) == 0

    return swap


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(
    files: ConfinedFiles, root: Path, outside: Path, swapping: Callable[[Callable[[], None]], None]
) -> None:
    before = whole(outside)
    swapping(exchange(root, "folder", "out_folder"))
    seen: set[bytes | str] = set()
    for number in range(3000):
        try:
            seen.add(files.read("folder/secret", 100))
        except (OutsideWorkspace, OSError) as error:
            seen.add(type(error).__name__)
        try:
            files.write("folder/secret", INSIDE)
            files.write(f"folder/new{number % 3}/x", INSIDE)
        except (OutsideWorkspace, OSError) as error:
            seen.add(type(error).__name__)
    assert SECRET not in seen
    assert INSIDE in seen and "OutsideWorkspace" in seen, "the swap was not met: the test proves nothing"
    assert whole(outside) == before


def test_a_file_that_becomes_a_link_meanwhile_leads_nowhere(
    files: ConfinedFiles, root: Path, outside: Path, swapping: Callable[[Callable[[], None]], None]
) -> None:
    def swap() -> None:
        (root / "x").symlink_to(outside / "secret")
        (root / "x").rename(root / "file")
        (root / "y").write_bytes(INSIDE)
        (root / "y").rename(root / "file")

    swapping(swap)
    seen: set[bytes | str] = set()
    for _ in range(3000):
        try:
            seen.add(files.read("file", 100))
            files.write("file", INSIDE)
        except (OutsideWorkspace, OSError) as error:
            seen.add(type(error).__name__)
    assert SECRET not in seen
    assert INSIDE in seen and "OutsideWorkspace" in seen
    assert (outside / "secret").read_bytes() == SECRET


def test_what_takes_a_file_s_place_after_it_was_looked_at_is_not_read(root: Path) -> None:
    """The moment between the look and the opening, held still. A pipe that nobody writes to must not block."""
    os.mkfifo(root / "pipe")
    folder = os.open(root, FOLDER)
    try:
        for name, text in (("pipe", "a named pipe"), ("folder", "directory"), ("out_file", "symbolic links")):
            with pytest.raises(OSError, match=text):
                open_regular(Spot(folder, name, (name,), (root / "file").stat()), name)
    finally:
        os.close(folder)


def test_a_listing_shows_nothing_of_a_folder_swapped_in(
    files: ConfinedFiles, root: Path, outside: Path, swapping: Callable[[Callable[[], None]], None]
) -> None:
    (outside / "only_outside").write_bytes(SECRET)
    (outside / "secret").write_bytes(SECRET * 10)
    swapping(exchange(root, "folder", "out_folder"))
    for _ in range(40):
        for info in files.walk("**"):
            assert "only_outside" not in info.path
            assert info.size != len(SECRET * 10)


def test_a_folder_moved_out_meanwhile_is_no_way_out(files: ConfinedFiles, root: Path, outside: Path) -> None:
    """A link that goes up starts again from the root, and does not ask the system where up is."""
    (root / "folder" / "inner").mkdir()
    (root / "folder" / "inner" / "up").symlink_to("../../secret")
    with pytest.raises(FileNotFoundError):
        files.read("folder/inner/up", 100)
    (root / "folder" / "inner").rename(outside / "deep" / "inner")
    with pytest.raises(FileNotFoundError):
        files.read("folder/inner/up", 100)
