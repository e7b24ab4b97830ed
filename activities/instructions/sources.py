"""Files that tell agents what to do: a project's, which cannot show what lies outside of it, and the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..protected import guard_of
from ..upward import up_to_repository
from ..workspace.confined import ConfinedFiles
from ..workspace.files import ClosedPlace, OutsideWorkspace

FILE_BYTES_MAX = 256 * 1024


class Unusable(Exception):
    """A file that is there and cannot be used. The message names it and says why."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What belongs to a run's project and what to its user.

    A project's files may come from anybody: their links and imports stay within the repository. The user's own may lead
    anywhere.
    """

    folders: tuple[Path, ...]
    """The workspace and the folders above it, nearest first."""
    home: Path
    """The user's home directory, which holds `.claude`."""
    _project: ConfinedFiles | None
    _all: ConfinedFiles

    @classmethod
    def of(cls, workspace: Path | None, home: Path) -> Sources:
        """Those of a workspace, if there is one."""
        folders = tuple(up_to_repository(workspace))
        project = None
        if folders:
            # Where the project is the user's home, its `.claude` is the user's, whom agents cannot write it for.
            guard = guard_of(folders[-1], but=(".claude",))
            project = ConfinedFiles(folders[-1], guard=guard)
        return cls(folders, home, project, ConfinedFiles(Path(home.anchor or "/")))

    def is_project(self, path: Path) -> bool:
        """Whether a file lies in the project, by its spelling."""
        return bool(self.folders) and path.is_relative_to(self.folders[-1])

    def name(self, path: Path) -> str:
        """How a file is called in headings: the same on every host and in every clone."""
        if self.is_project(path):
            return str(path.relative_to(self.folders[-1]))
        return f"~/{path.relative_to(self.home)}" if path.is_relative_to(self.home) else str(path)

    def read(self, path: Path, *, users: bool) -> str | None:
        """The text of a file; `None` where there is none.

        Args:
            path: absolute.
            users: the user asks for it, not the project.

        Raises:
            Unusable: it is no text, too large, cannot be read, or leads out of the project.
        """
        files = self._all if users or self._project is None else self._project
        try:
            data = files.read(str(path), FILE_BYTES_MAX)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except ClosedPlace as error:
            raise Unusable(f"{self.name(path)} is left out: {error}") from error
        except OutsideWorkspace as error:
            raise Unusable(f"{self.name(path)} is left out: it leads out of the project") from error
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise Unusable(f"{self.name(path)} is left out: {said}") from error
        if b"\0" in data:
            raise Unusable(f"{self.name(path)} is left out: it is no text")
        return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
