"""Where a run's rules come from: the default, flags, `tenuto.toml`, and the permissions of Claude Code's settings.

All of them are collected at the edge into one `Policy`, in which paths are from the workspace or from the root: an
Activity on another host knows neither a home directory nor a settings file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import Settings, UsageError

if TYPE_CHECKING:
    from tenuto.workflows.policy.rules import Rule
    from tenuto.workflows.setup_contracts import Policy

_SHOWN_MAX = 6
_FILE_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Anchors:
    """What paths in the rules of one source are relative to."""

    workspace: Path
    base: Path
    """Where `/x` begins."""
    home: Path

    def placed(self, rule: Rule) -> str:
        """A rule with its path from the workspace or from the root."""
        from tenuto.workflows.policy.paths import literal

        if rule.path is None:
            return rule.text
        written = rule.text.partition("(")[2][:-1]
        glob = rule.path.glob if rule.path.absolute else None
        if glob is None:
            if not written.startswith("/"):
                return rule.text
            glob = f"{literal(str(self.base)).rstrip('/')}/{written.lstrip('/')}"
        root = literal(str(self.workspace)).rstrip("/")
        if glob == root or glob.startswith(f"{root}/"):
            return f"{rule.tool}(./{glob[len(root) :].lstrip('/')})"
        return f"{rule.tool}(/{glob})"


def run_policy(
    settings: Settings,
    workspace: Path,
    *,
    allow: Iterable[str] = (),
    deny: Iterable[str] = (),
    sandbox: bool = True,
    notice: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
) -> Policy:
    """The policy of a run.

    Args:
        settings: with the rules of `tenuto.toml`.
        workspace: absolute; where the project's `.claude` is looked for, and above it up to the repository's root.
        allow: rules of `--allow`.
        deny: rules of `--deny`.
        sandbox: False only by an explicit switch.
        notice: told what in Claude Code's settings does not count here.

    Raises:
        UsageError: a rule of a flag is none.
    """
    from tenuto.workflows.policy.decide import DEFAULT_ALLOW
    from tenuto.workflows.setup_contracts import Policy

    here = Anchors(workspace, workspace, Path.home())
    project = replace(here, base=settings.project or workspace)
    allowed = [*_of_flags("--allow", allow, here), *_read(settings.allow, project)]
    denied = [*_of_flags("--deny", deny, here, denying=True), *_read(settings.deny, project, denying=True)]
    explicit = set(allowed)
    for file in _settings_files(here, os.environ if environ is None else environ):
        found = _permissions(file.path, notice)
        more, unknown = _known(found.get("allow", []), file.anchors, denying=False)
        less, unknown_denials = _known(found.get("deny", []), file.anchors, denying=True)
        asks, _ = _known(found.get("ask", []), file.anchors, denying=True)
        asks = [rule for rule in asks if rule not in explicit and rule.partition("(")[0] not in explicit]
        _tell(notice, file.path, "allow", unknown, "no rules here, so they allow nothing")
        _tell(notice, file.path, "deny", unknown_denials, "no rules here, so they deny nothing")
        _tell(notice, file.path, "ask", asks, "refused, because nobody is asked in a run; --allow RULE allows one")
        allowed += more
        denied += [*less, *asks]
    return Policy(
        allow=list(dict.fromkeys([*DEFAULT_ALLOW, *allowed])), deny=list(dict.fromkeys(denied)), sandbox=sandbox
    )


def _of_flags(flag: str, texts: Iterable[str], anchors: Anchors, *, denying: bool = False) -> list[str]:
    from tenuto.workflows.policy.rules import RuleError

    try:
        return _read(texts, anchors, denying=denying)
    except RuleError as error:
        raise UsageError(f"{flag}: {error}") from None


def _read(texts: Iterable[str], anchors: Anchors, *, denying: bool = False) -> list[str]:
    from tenuto.workflows.policy.rules import parse, rule_text

    home = str(anchors.home)
    return [anchors.placed(parse(rule_text(text), denying=denying, home=home)) for text in texts]


# ------------------------------------------------------------------------------------ Claude Code's settings


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    anchors: Anchors


def _settings_files(here: Anchors, environ: Mapping[str, str]) -> list[_File]:
    """The project's files and the user's. `/x` is from the folder that holds `.claude`, and in the user's file from
    `~/.claude` itself, as Claude Code has it."""
    user = Path(environ.get("CLAUDE_CONFIG_DIR") or here.home / ".claude")
    files = {}
    for name in ("settings.json", "settings.local.json"):
        folder = next((each for each in _upward(here.workspace) if (each / ".claude" / name).is_file()), None)
        if folder is not None:
            path = folder / ".claude" / name
            files[path.resolve()] = _File(path, replace(here, base=folder))
    own = user / "settings.json"
    if own.is_file():
        files[own.resolve()] = _File(own, replace(here, base=user))
    return list(files.values())


def _upward(workspace: Path) -> list[Path]:
    """The workspace and the folders above it, up to the repository's root; outside of a repository itself alone."""
    folders = [workspace, *workspace.parents]
    root = next((index for index, folder in enumerate(folders) if (folder / ".git").exists()), 0)
    return folders[: root + 1]


def _permissions(path: Path, notice: Callable[[str], None]) -> dict[str, list[Any]]:
    """Lists of rules by their kind. The file belongs to another program: what cannot be read in it is told, no more."""
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise ValueError("it is too large")
        values = json.loads(path.read_text(encoding="utf-8-sig"))
        found = values.get("permissions", {})
        lists = {kind: found.get(kind) or [] for kind in ("allow", "deny", "ask")}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        notice(f"{path}: its permissions do not count, because it cannot be read: {' '.join(str(error).split())}")
        return {}
    for kind, rules in lists.items():
        if not isinstance(rules, list):
            notice(f"{path}: permissions.{kind} does not count, because it is no list")
    return {kind: rules for kind, rules in lists.items() if isinstance(rules, list)}


def _known(texts: Iterable[Any], anchors: Anchors, *, denying: bool) -> tuple[list[str], list[str]]:
    """Rules of our grammar, and what is none."""
    from tenuto.workflows.policy.rules import RuleError

    known: list[str] = []
    unknown: list[str] = []
    for text in texts:
        try:
            known += _read([text], anchors, denying=denying)
        except RuleError as error:
            unknown.append(error.rule)
    return known, unknown


def _tell(notice: Callable[[str], None], path: Path, kind: str, rules: list[str], what: str) -> None:
    if rules:
        more = f" and {len(rules) - _SHOWN_MAX} more" if len(rules) > _SHOWN_MAX else ""
        notice(f"{path}: permissions.{kind}: {', '.join(rules[:_SHOWN_MAX])}{more}: {what}")
