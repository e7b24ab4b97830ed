"""Commands that run other commands: what can be seen of those in their arguments.

Two readings, because a mistake must never widen. For rules that allow, only what is understood word for word counts.
For rules that deny, every command that could possibly be meant does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from .git import git_call
from .globs import ANY
from .programs import KEYWORDS, RUNNERS, SHELLS
from .shell import Redirect, Simple, parse_command, steers
from .words import Word, literal_word

_DEPTH_MAX = 8
_SUSPECTS_MAX = 2000
"""Commands within commands that are looked at; beyond that the text counts as one that hides something."""
_TAILS_MAX = 256
"""Words of a command at which another one may begin; with more of them, what it runs counts as hidden."""
_TRANSPARENT: dict[str, tuple[str, str, int]] = {
    # name: (options without a value, options with one, words before the command)
    "command": (r"-p", r"$^", 0),
    "nohup": (r"$^", r"$^", 0),
    "time": (r"-p|-v", r"$^", 0),
    "nice": (r"-n?\d+|--adjustment=-?\d+", r"-n", 0),
    "timeout": (r"-v|--foreground|--preserve-status|--(kill-after|signal)=\w+|-[ks]\w+", r"-[ks]", 1),
    "stdbuf": (r"-[ioe](L|\d+\w*)", r"-[ioe]", 0),
    "exec": (r"$^", r"$^", 0),
    "env": (r"$^", r"$^", 0),
    "xargs": (r"$^", r"$^", 0),
}
"""Commands that are seen through where a rule allows what they run: Claude Code's own list, with a few builtins."""
_CODE = re.compile(r"-[A-Za-z]*c[A-Za-z]*")
_SHELL_VALUES = re.compile(r"[-+][A-Za-z]*[oO]|--rcfile|--init-file")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")
_FIND_RUNS = {"-exec", "-execdir", "-ok", "-okdir"}


@dataclass(frozen=True, slots=True)
class Inside:
    """The commands that one simple command runs."""

    exactly: tuple[Simple, ...] | None = None
    """All of them, where it does nothing but run these; else `None`."""
    also: tuple[Simple, ...] = ()
    """Those it runs beside its own work: a rule that allows it does not mean them."""
    suspects: tuple[Simple, ...] = ()
    """Every command that its arguments could mean."""
    hidden: str | None = None
    """Why what it runs cannot be seen, if so: the end of a sentence that begins with `it`."""
    redirects: tuple[Redirect, ...] = ()
    """Files that the text it runs reads from or writes to."""


_NOTHING = Inside()
_MORE = Word("…", ANY, vanishes=True)
"""Arguments that `xargs` adds."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A command text with everything that can be seen in it."""

    commands: tuple[Simple, ...]
    """Those that stand in the text itself."""
    suspects: tuple[Simple, ...]
    """These and all that they could run."""
    hidden: str | None
    steered: str | None
    redirects: tuple[Redirect, ...]
    own_redirects: tuple[Redirect, ...]
    """Those that stand in the text itself."""


@lru_cache(maxsize=512)
def see(text: str, depth: int = 0) -> Seen:
    """Take a command text apart, and what its commands run."""
    parsed = parse_command(text)
    hidden = parsed.hidden
    suspects: dict[Simple, None] = {}
    redirects = list(parsed.redirects)
    waiting = [(command, depth) for command in reversed(parsed.commands)]
    if any(_reads_commands(command) for command in parsed.commands) and depth < _DEPTH_MAX:
        waiting += [(inner, depth + 1) for text in parsed.documents for inner in see(text, depth + 1).suspects]
    while waiting:
        command, level = waiting.pop()
        if command in suspects:
            continue
        suspects[command] = None
        if level > _DEPTH_MAX or len(suspects) > _SUSPECTS_MAX:
            hidden = hidden or "has too many commands within commands"
            break
        inside = look_inside(command, level)
        hidden = hidden or inside.hidden
        redirects += inside.redirects
        waiting += [(each, level + 1) for each in reversed(inside.suspects)]
    return Seen(
        commands=parsed.commands,
        suspects=tuple(suspects),
        hidden=hidden,
        steered=parsed.steered,
        redirects=tuple(dict.fromkeys(redirects)),
        own_redirects=parsed.redirects,
    )


@lru_cache(maxsize=4096)
def look_inside(command: Simple, depth: int = 0) -> Inside:
    """What a simple command runs besides its own program."""
    words = command.words
    if not words:
        return _NOTHING
    if words[0].dynamic:
        return Inside(hidden=f"takes the name of a command from {words[0].raw!r}")
    name, more = command.name, words[1:]
    steering = tuple(_text_commands([literal_word(v) for k, v in command.assigned if steers(k)], depth)[0])
    if name in SHELLS:
        inside = _shell(more, depth)
    elif name in ("eval", "source", ".", "alias", "trap"):
        inside = _builtin(name, more, depth)
    elif name in _TRANSPARENT:
        inside = _transparent(name, more)
    elif name == "find":
        inside = _find(more)
    elif git_call([word.value for word in words]) is not None:
        inside = _git(words, depth)
    elif name in RUNNERS or name in KEYWORDS:
        inside = Inside(suspects=(*_tails(more), *_text_commands(more, depth)[0]))
    else:
        inside = _NOTHING
    if len(words) > _TAILS_MAX and inside.suspects and inside.hidden is None:
        inside = replace(inside, hidden="has too many words to see which command it runs")
    if not steering:
        return inside
    return replace(inside, exactly=None, also=inside.also + steering, suspects=inside.suspects + steering)


def _tails(words: Sequence[Word]) -> Iterator[Simple]:
    """A command may begin at any word: so no option has to be known.

    An expansion counts as the command where only options stand before it; further behind it may as well be an argument.
    """
    only_options = True
    for index, word in enumerate(words[:_TAILS_MAX]):
        option = word.value.startswith("-")
        if not option and not _ASSIGNMENT.match(word.value) and (only_options or word.value != ANY):
            yield Simple(tuple(words[index : index + _TAILS_MAX]))
        only_options = only_options and option


def _text_commands(words: Sequence[Word], depth: int) -> tuple[list[Simple], str | None]:
    """Commands in words that are shell texts themselves."""
    found: list[Simple] = []
    hidden = None
    for word in words:
        if word.dynamic or depth >= _DEPTH_MAX:
            hidden = hidden or f"runs {word.raw!r}, which is only known when it runs"
        if depth < _DEPTH_MAX and re.search(r"[\s;&|$`(<>]", word.value):
            seen = see(word.value.replace(ANY, '"$1"'), depth + 1)
            found += seen.suspects
            hidden = hidden or seen.hidden
    return found, hidden


def _shell(more: Sequence[Word], depth: int) -> Inside:
    rest, code = list(more), False
    while rest and rest[0].value[:1] in ("-", "+") and rest[0].value not in ("-", "--"):
        option = rest.pop(0).value
        if _SHELL_VALUES.fullmatch(option) and rest:
            rest.pop(0)
        code = code or bool(_CODE.fullmatch(option))
    if rest and rest[0].value in ("-", "--"):
        rest.pop(0)
    if not rest:
        return Inside(hidden="is a shell that reads its commands from elsewhere")
    if rest[0].dynamic:
        return Inside(
            suspects=tuple(_text_commands(rest[:1], depth)[0]),
            hidden=f"is a shell that runs {rest[0].raw!r}, which is only known when it runs",
        )
    if not code:  # a script, like any other program
        return Inside(suspects=(*_tails(rest), *_text_commands(rest[1:], depth)[0]))
    if depth >= _DEPTH_MAX:
        return Inside(hidden="has too many commands within commands")
    seen = see(rest[0].value, depth + 1)
    plain = seen.hidden is None and seen.steered is None and not seen.redirects
    exactly = seen.commands if plain else None
    return Inside(exactly, (), (*seen.suspects, *_tails(rest[1:])), seen.hidden, seen.redirects)


def _reads_commands(command: Simple) -> bool:
    return command.name in SHELLS and look_inside(command).hidden is not None


def _builtin(name: str, more: Sequence[Word], depth: int) -> Inside:
    text = " ".join(word.value for word in more)
    if name == "eval":
        suspects = see(text.replace(ANY, '"$1"'), depth + 1).suspects if depth < _DEPTH_MAX else ()
        return Inside(suspects=(*suspects, *_tails(more)), hidden="uses eval")
    if name == "trap":
        found, hidden = _text_commands(more[:1], depth)
        return Inside(also=tuple(found), suspects=(*found, *_tails(more[:1])), hidden=hidden)
    if name == "alias":
        values = [literal_word(word.value.partition("=")[2]) for word in more if "=" in word.value or word.dynamic]
        found, _ = _text_commands(values, depth)
        return Inside(suspects=(*found, *_tails(values)), hidden="gives a command another name" if values else None)
    return Inside(hidden="runs commands from a file")


def _transparent(name: str, more: Sequence[Word]) -> Inside:
    if name == "command" and more and more[0].value in ("-v", "-V"):
        return _NOTHING
    suspects = tuple(_tails((*more, _MORE) if name == "xargs" else more))
    exactly = _exactly(name, list(more))
    hidden = "sets a variable which decides what runs" if name == "env" and exactly is None and _sets(more) else None
    return Inside(None if exactly is None else (exactly,), suspects=suspects, hidden=hidden)


def _sets(more: Sequence[Word]) -> bool:
    return any(steers(word.value.partition("=")[0]) for word in more if "=" in word.value)


def _exactly(name: str, rest: list[Word]) -> Simple | None:
    """The command that is run, if every word before it is understood."""
    flags, valued, words = _TRANSPARENT[name]
    while rest and rest[0].value.startswith("-"):
        if rest[0].value == "--":
            rest.pop(0)
            break
        if re.fullmatch(valued, rest[0].value) and len(rest) > 1:
            del rest[:2]
        elif re.fullmatch(flags, rest[0].value):
            rest.pop(0)
        else:
            return None
    while name == "env" and rest and (found := _ASSIGNMENT.match(rest[0].value)):
        if steers(found[1]):
            return None
        rest.pop(0)
    del rest[:words]
    if not rest or rest[0].dynamic or rest[0].value.startswith("-"):
        return None
    return Simple((*rest, _MORE) if name == "xargs" else tuple(rest))


def _find(more: Sequence[Word]) -> Inside:
    runs: list[Simple] = []
    for index, word in enumerate(more):
        if word.value in _FIND_RUNS:
            end = next((i for i in range(index, len(more)) if more[i].value in (";", "+")), len(more))
            runs.append(Simple(tuple(Word(w.raw, ANY) if w.value == "{}" else w for w in more[index + 1 : end])))
        elif word.value in ("-delete", "-fprint", "-fprintf", "-fls", "-fprint0"):
            runs.append(Simple((literal_word("rm" if word.value == "-delete" else "tee"), _MORE)))
    return Inside(also=tuple(runs), suspects=tuple(runs))


def _git(words: Sequence[Word], depth: int) -> Inside:
    """Aliases for shell commands, and programs that options and settings name."""
    call = git_call([word.value for word in words])
    if call is None:
        return _NOTHING
    suspects: list[Simple] = []
    also: list[Simple] = []
    texts = [value.removeprefix("!") for key, value in call.config if not _is_data(key)]
    texts += [call.shell] if call.shell is not None else []
    if call.command in ("submodule", "bisect", "rebase", "filter-branch", "difftool", "mergetool", "grep"):
        suspects += _tails(words[2:])
        suspects += _text_commands([literal_word(w.value.rpartition("=")[2]) for w in words[2:]], depth)[0]
    for text in texts if depth < _DEPTH_MAX else ():
        also += see(text.replace(ANY, '"$1"'), depth + 1).suspects
    hidden = "gives a git command another name that is only known when it runs" if _hidden(call.config) else None
    return Inside(also=tuple(also), suspects=(*suspects, *also), hidden=hidden)


def _is_data(key: str) -> bool:
    """Settings of git that name no program."""
    return (
        re.match(r"user\.|color\.|advice\.|init\.|core\.(quotepath|autocrlf|abbrev|filemode)|log\.|commit\.", key)
        is not None
    )


def _hidden(config: Sequence[tuple[str, str]]) -> bool:
    return any(ANY in key or (key.startswith("alias.") and ANY in value) for key, value in config)
