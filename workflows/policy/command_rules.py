"""Rules on shell commands: which of them a command meets, seen through quotes, options and wrappers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .git import changing_command, git_call
from .globs import ANY
from .rules import Rule
from .shell import Simple
from .words import Word, joined
from .wrappers import Seen, look_inside

_OPTIONS_MAX = 8
"""Words before a subcommand that a denying rule looks past: `npm --prefix web publish`."""
_SAFE_GIT_OPTIONS = {"--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs", "--no-replace-objects"}


@dataclass(frozen=True, slots=True)
class Met:
    """A rule that a command meets, and where."""

    rule: Rule
    command: Simple
    surely: bool
    """False where only some filling of the gaps would meet it."""


def denied(seen: Seen, rules: Sequence[Rule]) -> Met | None:
    """The first command, however deep inside, that a denying rule may mean."""
    unsure: Met | None = None
    for command in seen.suspects:
        texts = tuple(dict.fromkeys(_deniable(command)))
        for rule in rules:
            pattern = rule.command
            if pattern is None:
                return Met(rule, command, True)
            met = [text for text in texts if pattern.meets(text)]
            if any(ANY not in text for text in met) or any(_surely(pattern.start, text) for text in met):
                return Met(rule, command, True)
            if met and unsure is None:
                unsure = Met(rule, command, False)
    return unsure


def not_allowed(seen: Seen, rules: Sequence[Rule]) -> Simple | None:
    """The first command that none of the rules, all of them in part, allows; `None` if each is allowed."""
    return next((command for command in seen.commands if not _allowed(command, rules)), None)


def git_not_named(seen: Seen, rules: Sequence[Rule]) -> tuple[str, Simple] | None:
    """The first git command that may change a shared checkout and that no rule names, with where it stands."""
    naming = [rule for rule in rules if names_git(rule)]
    for command in seen.suspects:
        call = git_call([word.value for word in command.words])
        changing = None if call is None else changing_command(call)
        if call is None or changing is None:
            continue
        text = " ".join(("git", changing, *call.arguments))
        if ANY in changing or not any(rule.command is not None and rule.command.meets(text) for rule in naming):
            return changing, command
    return None


def names_git(rule: Rule) -> bool:
    """Whether a rule names git commands by themselves; `Bash` and `Bash(*)` do not."""
    return rule.command is not None and rule.command.start.split(" ")[0] == "git"


def _surely(start: str, text: str) -> bool:
    """Whether the words that a rule names all stand before the first gap: what comes in the gap changes nothing."""
    before = text.partition(ANY)[0]
    return before == start or before.startswith(f"{start} ")


def _allowed(command: Simple, rules: Sequence[Rule]) -> bool:
    inside = look_inside(command)
    if inside.hidden is not None:
        return False
    texts = set(_allowable(command.words))
    if any(rule.command is not None and rule.command.meets(text) for rule in rules for text in texts):
        return all(_allowed(each, rules) for each in inside.also)
    if not inside.exactly:
        return False
    return all(_allowed(each, rules) for each in (*inside.exactly, *inside.also))


def _allowable(words: tuple[Word, ...]) -> Iterator[str]:
    """A command as it was written, and without needless quotes; expansions are what is written of them."""
    yield " ".join(word.raw for word in words)
    plain = [word.plain for word in words]
    yield " ".join(plain)
    if plain and plain[0] == "git":
        rest = plain[1:]
        while rest and (rest[0] in _SAFE_GIT_OPTIONS or (rest[0] == "-C" and len(rest) > 2)):
            rest = rest[2:] if rest[0] == "-C" else rest[1:]
        yield " ".join(["git", *rest])


def _deniable(command: Simple) -> Iterator[str]:
    """Everything that a command could be called: without its folder, without the options before a subcommand."""
    words = command.words
    yield " ".join(word.raw for word in words)
    yield from joined(words)
    if not words:
        return
    name = words[0].value.rpartition("/")[2]
    bare = (Word(name, name), *words[1:])
    yield from joined(bare)
    for index in range(2, min(len(words), _OPTIONS_MAX + 1) + 1):
        if not words[1].value.startswith("-"):
            break
        yield from joined((bare[0], *words[index:]))
    call = git_call([word.value for word in words])
    if call is not None and call.command is not None:
        yield " ".join(("git", call.command, *call.arguments))
