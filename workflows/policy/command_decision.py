"""May a shell command run? Every layer of rules looks at every simple command in it."""

from __future__ import annotations

from collections.abc import Sequence

from .command_rules import denied, git_not_named, not_allowed
from .git import why_not
from .layers import Layer
from .path_rules import Places, named_in_command, path_refusal
from .refusals import Refusal, allowed_instead, hint_for, quoted
from .rules import Rule
from .wrappers import Seen, see


def command_refusal(layers: Sequence[Layer], text: str, places: Places, *, shared: bool) -> Refusal | None:
    """Why a command is refused; `None` if it is allowed."""
    seen = see(text)
    for index, layer in enumerate(layers):
        refusal = _denied(layer, index, seen) or named_in_command(layer, seen, places, index)
        if refusal is not None:
            return refusal
    for index, layer in enumerate(layers):
        rules = layer.allowing("Bash")
        in_part = layer.allow is not None and not any(rule.whole for rule in rules)
        refusal = _not_allowed(layer, rules, index, seen, places) if in_part else None
        if refusal is not None:
            return refusal
    return _changes_shared_checkout(layers[0], seen) if shared else None


def _denied(layer: Layer, index: int, seen: Seen) -> Refusal | None:
    rules = layer.denying("Bash")
    met = denied(seen, rules)
    if met is not None and met.surely:
        return Refusal.denied("Bash", met.rule, index, f"`{met.command.shown}`")
    if met is not None:
        why = f"`{met.command.shown}` may be what the rule {met.rule.text} denies, and only running it would tell"
        return Refusal.hidden(why, met.rule, index)
    if rules and seen.hidden is not None:
        why = f"the command {seen.hidden}, so it cannot be seen whether the rule {rules[0].text} denies it"
        return Refusal.hidden(why, rules[0], index)
    return None


def _not_allowed(layer: Layer, rules: tuple[Rule, ...], index: int, seen: Seen, places: Places) -> Refusal | None:
    """In a layer that allows some commands only: each one, and each file that output goes to."""
    why = seen.hidden or seen.steered
    if why is not None:
        return Refusal.hidden(
            f"the command {why}, and only some are allowed{allowed_instead('Bash', rules)}", None, index
        )
    command = not_allowed(seen, rules)
    if command is not None:
        hint = hint_for("Bash", {"command": command.shown})
        return Refusal.not_allowed("Bash", f"`{command.shown}`", rules, index, hint)
    for word in (each.target for each in seen.own_redirects if each.writes):
        if word.dynamic:
            return Refusal.hidden(f"where `> {word.raw}` writes is only known when it runs", None, index)
        if word.value.startswith("/dev/"):
            continue
        refusal = path_refusal(Layer(layer.allow), "Write", word.value, places, index)
        if refusal is not None:
            return refusal
    return None


def _changes_shared_checkout(run: Layer, seen: Seen) -> Refusal | None:
    found = git_not_named(seen, run.allow or ())
    if found is None:
        return None
    command, where = found
    rule = quoted(f"Bash(git {command}:*)")
    return Refusal(
        f"Bash: `{where.shown}` is {why_not(command)}.",
        None,
        f"allow it with --allow {rule}, or give the agent a checkout of its own with isolation: worktree",
    )
