"""A stand-in for git where several agents share a checkout: it refuses what would pull the floor from under the others.

The policy reads commands before they run; this sees the ones it cannot read: out of a Makefile, a script, a program.
It guards against accidents and habits. An agent that makes an effort can write the same files without git.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from .git_places import GitPlaces

REFUSED = frozenset(
    {
        "add", "am", "apply", "bisect", "checkout", "checkout-index", "cherry-pick", "clean", "commit", "merge", "mv",
        "pull", "read-tree", "rebase", "reset", "restore", "revert", "rm", "sparse-checkout", "stash", "switch",
        "update-index",
    }
)  # fmt: skip
"""Commands that change the checkout, the index or the stash."""

HARMLESS = {
    "apply": "--check --stat --numstat --summary",
    "bisect": "log view visualize",
    "clean": "-n --dry-run -nd -nx -ndx -nfd -fdn -fdxn",
    "commit": "--dry-run",
    "add": "-n --dry-run",
    "stash": "list show create",
    "sparse-checkout": "list",
}
"""Arguments that make one of them only look."""

REAL = "/run/tenuto/git"
"""Where git itself is found inside."""

_SCRIPT = """#!/bin/sh
real=@REAL@
name=${0##*/}
case $name in git-*) set -- "${name#git-}" "$@" ;; esac
# What git itself calls was let through, or refused, when git was called.
if read -r parent < "/proc/$PPID/comm" 2>/dev/null && [ "$parent" = git ]; then exec "$real" "$@"; fi
before=0 value= word=
for argument in "$@"; do
    if [ -n "$value" ]; then
        value=
    else
        case $argument in
            -C | -c | --git-dir | --work-tree | --namespace | --super-prefix | --config-env | --attr-source) value=1 ;;
            -*) ;;
            *) word=$argument; break ;;
        esac
    fi
    before=$((before + 1))
done
# Runs git with the options that stood before the word, and the arguments $1.
ask() {
    question=$1
    shift
    kept=0 total=$#
    while [ "$total" -gt 0 ]; do
        argument=$1
        shift
        if [ "$kept" -lt "$before" ]; then set -- "$@" "$argument"; fi
        kept=$((kept + 1)) total=$((total - 1))
    done
    "$real" "$@" $question 2>/dev/null
}
case " @KNOWN@ " in
    *" $word "*) exec "$real" "$@" ;;
esac
case " @REFUSED@ " in
    *" $word "*) ;;
    *)
        alias=$(ask "config --get alias.$word" "$@")
        alias=${alias%% *}
        case " @REFUSED@ " in
            *" ${alias:-none} "*) word=$alias ;;
            *) exec "$real" "$@" ;;
        esac
        ;;
esac
harmless=
case $word in
@HARMLESS@
esac
for argument in "$@"; do
    case " $harmless " in *" $argument "*) exec "$real" "$@" ;; esac
done
[ "$word" = stash ] && which=--git-common-dir || which=--absolute-git-dir
folder=$(ask "rev-parse --path-format=absolute $which" "$@") || exec "$real" "$@"
case $folder in
    @FOLDER@ | @COMMON@ | @COMMON@/modules/*) ;;
    *) exec "$real" "$@" ;;
esac
echo "tenuto: git $word is refused in this checkout: other agents work in it, and this would change it under them." >&2
echo "Leave your changes as files in the tree. An agent with isolation \\"worktree\\" has a checkout of its own;" >&2
echo "a rule such as Bash(git $word:*) allows it here." >&2
exit 128
"""

_KNOWN = (
    "status log diff show grep blame ls-files ls-tree ls-remote cat-file rev-parse rev-list describe shortlog branch "
    "tag remote config fetch help version --version init clone diff-tree diff-index diff-files show-ref for-each-ref "
    "merge-base name-rev var check-ignore count-objects reflog whatchanged archive hash-object symbolic-ref worktree"
)


def script(places: GitPlaces, allowed: Iterable[str] = ()) -> str:
    """The stand-in for one checkout. `allowed` are commands that a rule lets through all the same."""
    refused = sorted(REFUSED - set(allowed))
    harmless = "\n".join(f'    {word}) harmless="{arguments}" ;;' for word, arguments in HARMLESS.items())
    assert places.folder is not None
    assert places.common is not None
    return (
        _SCRIPT.replace("@REAL@", REAL)
        .replace("@KNOWN@", _KNOWN)
        .replace("@REFUSED@", " ".join(refused))
        .replace("@HARMLESS@", harmless)
        .replace("@FOLDER@", shlex.quote(str(places.folder)))
        .replace("@COMMON@", shlex.quote(str(places.common)))
    )


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
