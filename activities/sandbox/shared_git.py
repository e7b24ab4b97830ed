"""A stand-in for git where several agents share a checkout: it refuses what would pull the floor from under the others.

The policy reads commands before they run; this sees the ones it cannot read: out of a Makefile, a script, a program.
Both have their list from `workflows/policy`. It guards against accidents and habits: an agent that makes an effort can
write the same files without git.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tenuto.workflows.policy.git import SHARED_GIT_COMMANDS, Shared, why_not
from tenuto.workflows.policy.programs import GIT_LEAVES_ALONE

from .git_places import GitPlaces

REAL = "/run/tenuto/git"
"""Where git itself is found inside."""

_OF_ALL_WORKTREES = ("stash", "gc", "prune", "repack", "maintenance", "reflog", "branch", "update-ref", "replace")
"""These change what every worktree of a repository shares, from whichever of them they are called."""


def script(places: GitPlaces, allowed: Iterable[str] = ()) -> str:
    """The stand-in for one checkout. `allowed` are commands that a rule lets through all the same."""
    assert places.folder is not None
    assert places.common is not None
    changing = {name: shared for name, shared in SHARED_GIT_COMMANDS.items() if name not in set(allowed)}
    known = sorted(set(GIT_LEAVES_ALONE) | (SHARED_GIT_COMMANDS.keys() - changing.keys()))
    filled = {
        "@REAL@": REAL,
        "@CHANGING@": " | ".join(changing) or "''",
        "@KNOWN@": " | ".join(known),
        "@LOOKS@": "\n".join(f"        {name}) {' '.join(_looks(shared))} ;;" for name, shared in changing.items()),
        "@OF_ALL@": " | ".join(_OF_ALL_WORKTREES),
        "@WHY@": "\n".join(f"    {name}) why={shlex.quote(why_not(name))} ;;" for name in changing),
        "@FOLDER@": shlex.quote(str(places.folder)),
        "@COMMON@": shlex.quote(str(places.common)),
    }
    text = _template()
    for mark, words in filled.items():
        text = text.replace(mark, words)
    return text


def arguments(stand_in: Path, path: Iterable[str]) -> list[str]:
    """Arguments for `bwrap` that put the stand-in before every git that can be found by name."""
    gits = [Path(os.path.realpath(Path(entry, "git"))) for entry in path if Path(entry, "git").is_file()]
    if not gits:
        return []
    found = ["--ro-bind", str(gits[0]), REAL]
    also = [Path("/usr/lib/git-core/git"), Path("/usr/libexec/git-core/git")]
    for program in dict.fromkeys([*gits, *(path for path in also if path.is_file() and not path.is_symlink())]):
        found += ["--ro-bind", str(stand_in), str(program)]
    return found


@cache
def _template() -> str:
    return Path(__file__).with_suffix(".sh").read_text()


def _looks(shared: Shared) -> Iterator[str]:
    """`Shared` as shell: sets `alone` where a call leaves the checkout alone."""
    if shared.acts is not None:
        yield f"alone=1; case $first in {_any(shared.acts)}) alone= ;; esac"
    elif shared.changes is not None:
        short = "".join(option[1] for option in shared.changes if not option.startswith("--"))
        long = " ".join(option for option in shared.changes if option.startswith("--"))
        yield f"""alone=1; for argument in "$@"; do case $argument in
            --?*) for option in {long}; do case $option in "${{argument%%=*}}"*) alone= ;; esac; done ;;
            -*[{short}]*) alone= ;; esac; done"""
    elif shared.words_max is not None:
        yield f"""alone=1 words=0; for argument in "$@"; do case $argument in
            -*d*) alone= ;; -*) ;; *) words=$((words + 1)) ;; esac; done
            if [ "$words" -gt {shared.words_max} ]; then alone=; fi"""
    else:
        if "" in shared.looks:
            yield '[ "$#" = 0 ] && alone=1;'
        words = [word for word in shared.looks if word]
        if words:
            yield f"case $first in {_any(words)}) alone=1 ;; esac;"
        if shared.tries:
            options = [option if option.startswith("--") else f"{option}*" for option in shared.tries]
            yield f'case $first in {_any(options)}) alone=1 ;; esac; case " $* " in *" --no-"*) alone= ;; esac;'
        yield ":"


def _any(words: Iterable[str]) -> str:
    return " | ".join(words)
