"""Git commands that change what agents in one checkout share: its files, its index, its stash, where its HEAD is.

In a checkout that an agent has for itself all of them are its own affair. In a shared one each is refused unless a rule
names it. The same list serves the text of commands (`Rules.decide`) and whatever stands in front of `git` itself when
a build or a script calls it, so it is data.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from .globs import ANY
from .programs import GIT_LEAVES_ALONE


@dataclass(frozen=True, slots=True)
class Shared:
    """When one git command leaves a shared checkout alone. By default never."""

    looks: tuple[str, ...] = ()
    """First arguments with which it only looks: `list` of `stash`. `""` for no argument at all."""
    acts: tuple[str, ...] | None = None
    """The only first arguments with which it changes anything, where they are fewer."""
    tries: tuple[str, ...] = ()
    """Options with which it only shows what it would do. They count as the first argument only: behind that, the
    same letters may be the value of another option (`git commit -m --dry-run` commits)."""
    changes: tuple[str, ...] | None = None
    """The only options with which it changes anything."""
    words_max: int | None = None
    """With at most so many words, and no `-d`, it only looks."""


_CHANGES = Shared()
_TRIES = Shared(tries=("-n", "--dry-run"))
SHARED_GIT_COMMANDS: Mapping[str, Shared] = MappingProxyType(
    {
        # files and index
        **dict.fromkeys(("add", "stage", "rm", "mv", "clean", "read-tree"), _TRIES),
        **dict.fromkeys(("checkout", "switch", "restore", "reset", "update-index", "checkout-index"), _CHANGES),
        **dict.fromkeys(("checkout--worker", "mergetool", "merge-index", "merge-octopus", "merge-one-file"), _CHANGES),
        **dict.fromkeys(("merge-ours", "merge-recursive", "merge-resolve", "merge-subtree"), _CHANGES),
        "apply": Shared(changes=("-3", "--3way", "--index", "--cached")),
        "stash": Shared(looks=("list", "show", "create")),
        "sparse-checkout": Shared(looks=("list", "check-rules")),
        "submodule": Shared(looks=("", "status", "summary")),
        # commits on the branch that is checked out
        "commit": Shared(tries=("--dry-run",)),
        "am": Shared(tries=("--show-current-patch",)),
        "rebase": Shared(tries=("--show-current-patch",)),
        **dict.fromkeys(("merge", "pull", "cherry-pick", "revert", "quiltimport", "citool", "gui"), _CHANGES),
        **dict.fromkeys(("filter-branch", "filter-repo", "fast-import", "subtree", "svn", "p4", "replay"), _CHANGES),
        "bisect": Shared(looks=("log", "view", "visualize", "terms")),
        # branches, those of other agents too, and where HEAD is
        "branch": Shared(changes=("-d", "-D", "--delete", "-m", "-M", "--move", "-f", "--force", "-C")),
        "worktree": Shared(looks=("list",)),
        "symbolic-ref": Shared(words_max=1),
        "fetch": Shared(changes=("-u", "--update-head-ok")),
        **dict.fromkeys(("update-ref", "replace"), _CHANGES),
        # objects that stashes of others, and clones that share them, still need
        "reflog": Shared(acts=("expire", "delete", "drop", "write")),
        **dict.fromkeys(("gc", "prune", "repack", "maintenance"), _CHANGES),
        "lfs": Shared(looks=("", "ls-files", "status", "env", "version", "locks", "pointer", "logs", "fsck")),
    }
)
"""Command -> when it leaves a shared checkout alone. Commands that are neither here nor in `GIT_LEAVES_ALONE` are
not git's own: an alias, a program; nobody knows what they change, so they count as if they were here."""

_GLOBAL_WITH_VALUE = {"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--super-prefix"} | {
    "--config-env",
    "--attr-source",
    "--list-cmds",
    "--shallow-file",
}
_ONLY_PRINTS = {"-h", "--help", "-v", "--version", "--html-path", "--man-path", "--info-path"}
_ALIASES_MAX = 8


@dataclass(frozen=True, slots=True)
class GitCall:
    """A call of git, seen through its options and aliases. Words may have gaps (`ANY`)."""

    command: str | None
    """`None` where none is given: git then prints something."""
    arguments: tuple[str, ...] = ()
    config: tuple[tuple[str, str], ...] = ()
    """What `-c` sets."""
    shell: str | None = None
    """The command is an alias for this shell command."""


def git_call(argv: Sequence[str]) -> GitCall | None:
    """What a call of git does; `None` where `argv` is none.

    Args:
        argv: the program and its arguments, as they are at run time.
    """
    name = argv[0].rpartition("/")[2] if argv else ""
    dashed = name.removeprefix("git-")
    if name != dashed and dashed in (*SHARED_GIT_COMMANDS, *GIT_LEAVES_ALONE):
        return GitCall(dashed, tuple(argv[1:]))
    return _seen(argv[1:]) if name == "git" else None


def git_refusal(argv: Sequence[str], allowed: Collection[str] = ()) -> str | None:
    """Why a call of git is refused in a checkout that agents share, for the one who made it; `None` if it is not.

    Args:
        argv: the program and its arguments.
        allowed: commands that the run's rules name (`Rules.git_allowed`).
    """
    call = git_call(argv)
    if call is None or call.command is None or call.command in allowed:
        return None
    changing = changing_command(call)
    if changing is None:
        return None
    return f"git {changing}: {why_not(changing)}"


def why_not(command: str) -> str:
    """Why a git command is refused in a shared checkout, and what to do instead."""
    if ANY in command:
        return "refused, because which git command it is cannot be seen, and other agents work in the same checkout"
    if command not in SHARED_GIT_COMMANDS:
        return (
            "refused, because it is not one of git's own commands, may change the checkout, and other agents work in "
            "the same one; call the command that it stands for"
        )
    return (
        "refused, because it changes the checkout, index, stash or branch that other agents work in at the same time; "
        "look with git status, diff, log and show, change files with the tools, and leave committing to the run"
    )


def changing_command(call: GitCall) -> str | None:
    """The command by which a call may change a shared checkout; `None` if it leaves it alone."""
    command, arguments = call.command, call.arguments
    if command is None or call.shell is not None or command in GIT_LEAVES_ALONE:
        return None
    shared = SHARED_GIT_COMMANDS.get(command)
    return command if shared is None or not _leaves_alone(shared, arguments) else None


def _leaves_alone(shared: Shared, arguments: Sequence[str]) -> bool:
    first = arguments[0] if arguments else ""
    if first == "--help" or list(arguments) == ["-h"]:
        return True
    unknown = any(ANY in each for each in arguments)
    if shared.acts is not None:
        return ANY not in first and first not in shared.acts
    if shared.changes is not None:
        return not unknown and not any(_is_one_of(each, shared.changes) for each in arguments)
    if shared.words_max is not None:
        words = [each for each in arguments if not each.startswith("-")]
        return not unknown and len(words) <= shared.words_max and not any(_is_one_of(x, _DELETES) for x in arguments)
    tries = first in shared.tries or (first[:2] in shared.tries and not first.startswith("--"))
    return first in shared.looks or (tries and not any(each.startswith("--no-") for each in arguments))


_DELETES = ("-d", "--delete")


def _is_one_of(argument: str, options: tuple[str, ...]) -> bool:
    """Whether an argument may be one of these options: git takes `--ind` for `--index`, and `-vD` for `-v -D`."""
    if argument.startswith("--"):
        name = argument.partition("=")[0]
        return len(name) > 2 and any(option.startswith(name) for option in options)
    letters = argument[1:] if argument.startswith("-") else ""
    return any(f"-{letter}" in options for letter in letters)


def _seen(words: Sequence[str]) -> GitCall:
    """A call by the words after `git`: global options taken off, aliases that `-c` sets followed."""
    config: list[tuple[str, str]] = []
    for _ in range(_ALIASES_MAX):
        words = _without_options(words, config)
        command = words[0] if words else None
        call = GitCall(command, tuple(words[1:]), tuple(config))
        if command is None or command in SHARED_GIT_COMMANDS or command in GIT_LEAVES_ALONE:
            return call  # its own commands cannot be aliased
        meaning = dict(config).get(f"alias.{command.lower()}")
        if not meaning:
            return call
        if meaning.startswith("!"):
            return replace(call, shell=meaning[1:])
        try:
            words = [*shlex.split(meaning), *call.arguments]
        except ValueError:
            return call
    return call


def _without_options(words: Sequence[str], config: list[tuple[str, str]]) -> Sequence[str]:
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in _ONLY_PRINTS:
            return ()
        value = rest.pop(0) if option in _GLOBAL_WITH_VALUE and rest else ""
        if option == "-c":
            key, _, set_to = value.partition("=")
            config.append((key.lower(), set_to))
    return rest
