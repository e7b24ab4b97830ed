"""Values as they were given: by flag, environment variable or file, each with its place for what is said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENVIRONMENT: dict[str, str] = {
    "store": "TENUTO_STORE",
    "task_queue": "TENUTO_TASK_QUEUE",
    "concurrency": "TENUTO_CONCURRENCY",
    "model": "TENUTO_MODEL",
    "max_usd": "TENUTO_MAX_USD",
    "local_store": "TENUTO_LOCAL_STORE",
    "host": "TENUTO_HOST",
    "history_events": "TENUTO_HISTORY_EVENTS_MAX",
    "overload_hours": "TENUTO_OVERLOAD_HOURS",
}
"""Setting -> environment variable. The same names without a variable are flags and keys of `tenuto.toml`."""
NOTIFY = {"command": "TENUTO_NOTIFY_COMMAND", "url": "TENUTO_NOTIFY_URL"}
"""Keys of the table `[notify]`, with their variables. A project's file has no say: a command runs outside of walls."""
TABLES = {"notify": frozenset(NOTIFY), "workspace": frozenset({"setup", "untracked"}), "gates": frozenset({"files"})}
"""Tables of `tenuto.toml`, and their keys."""
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


class UsageError(Exception):
    """A mistake of the caller. The message is one line: the value, what was expected, how to mend it."""


class Given:
    """Values as they were given, with their places."""

    def __init__(
        self, flags: Mapping[str, Any], environ: Mapping[str, str], files: list[tuple[Path, dict[str, Any]]]
    ) -> None:
        self._flags, self._environ, self._files = flags, environ, files
        self.places: dict[str, str] = {}

    def raw(self, name: str) -> Any:
        """The first value there is, or `None`."""
        value, place = self._find(name)
        if value is not None:
            self.places[name] = place
        return value

    def _find(self, name: str) -> tuple[Any, str]:
        if self._flags.get(name) is not None:
            return self._flags[name], f"--{name.replace('_', '-')}"
        variable = ENVIRONMENT.get(name)
        if variable and self._environ.get(variable):
            return self._environ[variable], variable
        for path, values in self._files:
            if name in values:
                return values[name], f"{name} in {path}"
        return None, ""

    def text(self, name: str) -> str | None:
        """Text that is not blank."""
        value = self.raw(name)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self._bad(name, value, "text")
        return None if value is None else value.strip()

    def texts(self, name: str, example: str) -> tuple[str, ...]:
        """A list of texts; `example` is told whoever gave something else."""
        value = self.raw(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._bad(name, value, f"a list of texts, such as [{example}]")
        return tuple(value)

    def rules(self, name: str) -> tuple[str, ...]:
        """Permission rules. What one file denies, another does not allow again: those of all files count."""
        from tenuto.workflows.policy.rules import RuleError, parse

        files = self._files if name == "deny" else [each for each in self._files if name in each[1]][:1]
        found: list[str] = []
        for path, values in files:
            one = Given({}, {}, [(path, values)])
            for text in one.texts(name, '"WebSearch"'):
                try:
                    parse(text, denying=name == "deny", home=str(Path.home()))
                except RuleError as error:
                    raise UsageError(f"{one.places[name]}: {error}") from None
                found.append(text)
        return tuple(dict.fromkeys(found))

    def table(self, name: str) -> Given:
        """The table `[name]` of the first file that has one."""
        for path, values in self._files:
            table = values.get(name)
            if table is None:
                continue
            if not isinstance(table, dict):
                raise UsageError(f"{name} in {path} is {table!r}; expected a table: [{name}]")
            unknown = sorted(set(table) - TABLES[name])
            if unknown:
                known = ", ".join(sorted(TABLES[name]))
                raise UsageError(f"[{name}] in {path} has the unknown setting {unknown[0]!r}; there are: {known}")
            return Given({}, {}, [(path, table)])
        return Given({}, {}, [])

    def paths(self, name: str) -> tuple[str, ...]:
        """Paths within the workspace."""
        texts = self.texts(name, '".env", "node_modules"')
        for text in texts:
            parts = text.split("/")
            if not text.strip() or text.startswith(("/", "~")) or ".." in parts or "\0" in text:
                raise self._bad(name, text, "paths within the workspace, such as .env or web/node_modules")
        return texts

    def integer(self, name: str) -> int | None:
        """A whole number of at least 1."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = 0
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise self._bad(name, value, "a whole number of at least 1")
        return number

    def dollars(self, name: str) -> float | None:
        """A finite number that is not negative."""
        return None if self.raw(name) is None else self.number(name, "dollars, a number such as 2.5")

    def number(self, name: str, expected: str, default: float = 0.0) -> float:
        """The same, with a default; `expected` is told whoever gave something else."""
        value = self.raw(name)
        if value is None:
            return default
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < 0:
            raise self._bad(name, value, expected)
        return number

    def switch(self, name: str) -> bool:
        """Whether it is on; not given is off."""
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        return is_on(self.places[name], value)

    def _bad(self, name: str, value: Any, expected: str) -> UsageError:
        return UsageError(f"{self.places[name]} is {value!r}; expected {expected}")


def is_on(place: str, value: Any) -> bool:
    """A switch by its word. Raises `UsageError` for another one."""
    word = str(value).strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise UsageError(f"{place} is {value!r}; expected 1 or 0")
    return word in _TRUE
