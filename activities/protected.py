"""What agents and steps never touch, though a workspace may contain it: one list, for the sandbox and for file tools.

A workspace that is somebody's home, or holds it, has Tenuto's own folder, keys and start-up files in it. The sandbox
lays covers over them; the file tools, which run outside of it, are kept away by a `Guard`.
"""

from __future__ import annotations

import os
import pwd
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SECRETS = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".pgpass", ".git-credentials", ".pypirc",
    ".npmrc", ".claude", ".claude.json", ".anthropic", ".password-store", ".terraformrc", ".config/gh",
    ".config/gcloud", ".config/git/credentials", ".cargo/credentials", ".cargo/credentials.toml",
)  # fmt: skip
"""Of the user's home: never seen, even where the home itself is the workspace."""

STARTERS = (
    ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin",
    ".zlogout", ".kshrc", ".cshrc", ".tcshrc", ".login", ".inputrc", ".xinitrc", ".xprofile", ".xsession",
    ".xsessionrc", ".pam_environment", ".gitconfig", ".config/git", ".config/fish", ".config/autostart",
    ".config/systemd", ".config/environment.d", ".local/bin", ".local/share/applications", ".cargo/config",
    ".cargo/config.toml", ".vimrc", ".config/nvim", ".tmux.conf", ".gdbinit", ".mcp.json", "Library/LaunchAgents",
)  # fmt: skip
"""Of the user's home: what starts programs outside of any sandbox, and so is not written where the home is in the
workspace. Reading them is fine."""

_SYSTEM = (
    "/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr",
    "/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin", "/usr/share", "/var",
)  # fmt: skip
_UNSEEN = dict.fromkeys(
    [0x200C, 0x200D, 0xFEFF, *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070)]
)
"""Characters that some file systems leave out when they compare names."""


def folded(name: str) -> str:
    """A name as the most careless file system compares it: case, accents' spelling, invisible characters aside."""
    plain = unicodedata.normalize("NFC", name).translate(_UNSEEN).casefold()
    return unicodedata.normalize("NFC", plain).rstrip(" .")


def homes() -> tuple[Path, ...]:
    """The user's home, as the environment names it and as the system does: not always the same."""
    found = [Path(os.path.realpath(Path.home()))]
    with suppress(KeyError):  # a user without an entry has only what the environment says
        found.append(Path(os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir)))
    return tuple(home for home in dict.fromkeys(found) if home != Path("/"))


def tenuto_home() -> Path:
    """`TENUTO_HOME` of this process."""
    return Path(os.environ.get("TENUTO_HOME") or "~/.tenuto").expanduser().absolute()


def secret_places() -> list[Path]:
    """`SECRETS`, by home; not all of them exist."""
    return [home / name for home in homes() for name in SECRETS]


def starting_places(root: Path) -> list[Path]:
    """`STARTERS` of those homes that a workspace is or contains."""
    return [home / name for home in homes() if home.is_relative_to(root) for name in STARTERS]


def is_secret(real: Path) -> bool:
    """Whether a resolved path lies in a secret place or in `TENUTO_HOME`, or holds one."""
    places = [Path(os.path.realpath(place)) for place in (*secret_places(), tenuto_home())]
    return any(real.is_relative_to(place) or place.is_relative_to(real) for place in places)


def is_system(root: Path) -> bool:
    """Whether a folder belongs to the system as a whole. A home is not, wherever it is."""
    return root in {Path(os.path.realpath(name)) for name in _SYSTEM} and root not in homes()


def about(root: Path, home: Path) -> str | None:
    """What a person should know who names this workspace; `None` where there is nothing to say."""
    kept = [("your home", each) for each in homes()]
    kept += [("Tenuto's own folder", Path(os.path.realpath(home)))]
    found = [f"{'is' if place == root else 'holds'} {what}" for what, place in kept if place.is_relative_to(root)]
    if not found:
        return None
    return (
        f"the workspace {root} {' and '.join(dict.fromkeys(found))}: agents may change nearly all of it. Secrets and "
        "Tenuto's files are closed to them; better name a project's folder with --workspace"
    )


def is_tenutos(root: Path, home: Path) -> bool:
    """Whether a folder lies in `TENUTO_HOME`, and in none of the clones there (`clones/RUN/AGENT`)."""
    own = Path(os.path.realpath(home))
    if not root.is_relative_to(own):
        return False
    parts = root.relative_to(own).parts
    return not (len(parts) >= 3 and parts[0] == "clones" and not any(part.startswith(".") for part in parts[1:3]))


_Names = tuple[str, ...]


class Guard:
    """The protected places of one workspace, each by its names below the root, none of which is a link.

    Args:
        unseen: neither read nor written.
        unwritten: only read.
    """

    def __init__(self, root: Path, unseen: Sequence[_Names], unwritten: Sequence[_Names]) -> None:
        self._root = root
        self._unseen = {tuple(map(folded, names)): "/".join(names) for names in unseen}
        self._unwritten = {tuple(map(folded, names)): "/".join(names) for names in unwritten}
        self._longest = max(map(len, (*self._unseen, *self._unwritten)))

    def closed(self, real: Sequence[str], *, to_write: bool) -> str | None:
        """The protected place that a path lies in, by its name; `None` for none."""
        names = tuple(map(folded, real[: self._longest]))
        for end in range(1, len(names) + 1):
            place = self._unseen.get(names[:end]) or (self._unwritten.get(names[:end]) if to_write else None)
            if place is not None:
                return place
        return None

    def holds(self, real: Sequence[str]) -> str | None:
        """The secret place that lies in a folder, by its name; `None` for none."""
        names = tuple(map(folded, real))
        return next((place for within, place in self._unseen.items() if within[: len(names)] == names), None)

    def met(self, *, to_write: bool) -> dict[tuple[int, int], str]:
        """Device and inode of each place that is there now: they tell it under whatever name it is reached."""
        found = {}
        for place in (*self._unseen.values(), *(self._unwritten.values() if to_write else ())):
            try:
                status = os.lstat(self._root / place)
            except OSError:
                continue  # what is not there is told by its name
            found[status.st_dev, status.st_ino] = place
        return found

    def why(self, place: str) -> str:
        """In words."""
        if place in self._unseen.values():
            return f"{place} holds secrets or Tenuto's own files, which no tool of a run reads or writes"
        return f"{place} starts programs outside of the sandbox, so no tool of a run writes it"


def guard_of(root: Path, home: Path | None = None, *, but: Sequence[str] = ()) -> Guard | None:
    """What is protected within a workspace; `None` where there is nothing of that kind in it.

    Args:
        root: the workspace.
        home: `TENUTO_HOME`; by default that of this process.
        but: names of `SECRETS` that may be seen all the same.
    """
    root = Path(os.path.realpath(root))
    own = {tenuto_home(), home or tenuto_home()}
    secret = [place for place in secret_places() if place.name not in but]
    unseen = _below(root, [*own, *secret])
    unwritten = _below(root, starting_places(root))
    return Guard(root, unseen, unwritten) if unseen or unwritten else None


def _below(root: Path, places: Sequence[Path]) -> tuple[_Names, ...]:
    """Names below the root, both of a place as it is called and of where links lead from it."""
    found: dict[_Names, None] = {}
    for place in places:
        called = Path(os.path.realpath(place.parent)) / place.name
        for path in (called, Path(os.path.realpath(place))):
            parts = _inside(root, path)
            if parts:
                found[parts] = None
    return tuple(found)


def _inside(root: Path, path: Path) -> _Names | None:
    """The names from root to path; also where the file system takes the root's name in another case."""
    if path.is_relative_to(root):
        return path.relative_to(root).parts
    if not Path(folded(str(path))).is_relative_to(folded(str(root))):
        return None
    for above in path.parents:
        try:
            if above.samefile(root):
                return path.relative_to(above).parts
        except OSError:
            continue  # a folder that is not there is not the root
    return None
