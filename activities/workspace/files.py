"""Confined access to the files of one workspace: no path, link or race leads out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class OutsideWorkspace(Exception):
    """A path leads out of the workspace, or to a part of it that is not to be touched."""


class ClosedPlace(OutsideWorkspace):
    """A path leads to what is closed to every tool of every run (`activities/protected.py`)."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A regular file, without its content."""

    path: str
    size: int
    mtime_ns: int
    mode: int


class Files(Protocol):
    """Files below one root. Paths are relative to it, or absolute within it; results are relative, `/` between parts.

    Every method raises `OutsideWorkspace`, and `OSError` as the system does (`FileNotFoundError`, `IsADirectoryError`).
    """

    @property
    def root(self) -> Path:
        """Absolute and resolved."""

    def relative(self, path: str) -> str:
        """The path within the workspace, by its spelling alone."""

    def open(self, path: str) -> int:
        """A descriptor of a regular file, for reading; the caller closes it."""

    def read(self, path: str, bytes_max: int) -> bytes:
        """The content of a regular file; a larger one is a `ValueError` that says so."""

    def write(self, path: str, data: bytes) -> None:
        """Replace or create a file, whole or not at all; folders are made, its mode is kept."""

    def info(self, path: str) -> FileInfo:
        """About a regular file."""

    def walk(self, pattern: str, under: str = ".") -> Iterator[FileInfo]:
        """Regular files that match a glob pattern (`**`, `*`, `?`, `[…]`, `{a,b}`), in path order, links not followed.

        The pattern is relative to the folder `under`, the results to the root. `.git` is always left out, and so are
        files that git ignores, except where `under` or the part of the pattern before its first wildcard names them.
        A pattern that is none is a `ValueError`.
        """
