"""With which credential to ask the API: looked up for each request, so that a new one helps a run that waits for it.

Order: `TENUTO_HOME/credentials.env`, the process environment, the SDK's own sources (profiles, workload identity). A
platform switch (`CLAUDE_CODE_USE_BEDROCK`, `_VERTEX`, `_FOUNDRY`) in the file or the environment stands before keys.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

FILE_NAME = "credentials.env"
API_URL = "https://api.anthropic.com"
API_KEY, AUTH_TOKEN, BASE_URL, PROFILE = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_PROFILE",
)

Platform = Literal["api_key", "auth_token", "sdk", "bedrock", "vertex", "foundry"]

SWITCHES: dict[str, Platform] = {
    "CLAUDE_CODE_USE_BEDROCK": "bedrock",
    "CLAUDE_CODE_USE_VERTEX": "vertex",
    "CLAUDE_CODE_USE_FOUNDRY": "foundry",
}
SETTINGS: dict[Platform, tuple[str, ...]] = {
    "bedrock": (
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "ANTHROPIC_BEDROCK_BASE_URL",
    ),
    "vertex": ("CLOUD_ML_REGION", "ANTHROPIC_VERTEX_PROJECT_ID", "ANTHROPIC_VERTEX_BASE_URL"),
    "foundry": ("ANTHROPIC_FOUNDRY_API_KEY", "ANTHROPIC_FOUNDRY_RESOURCE", "ANTHROPIC_FOUNDRY_BASE_URL"),
}
"""What each platform's client takes; whatever else it needs, the SDK reads from the process environment itself."""

_WATCHED = (API_KEY, AUTH_TOKEN, BASE_URL, PROFILE, *SWITCHES, *(name for names in SETTINGS.values() for name in names))
_OFF = ("", "0", "false", "no", "off")


class CredentialsFileError(Exception):
    """`credentials.env` cannot be read or written as it is."""


@dataclass(frozen=True, slots=True)
class Source:
    """One credential with the place it is good for. Equal sources share a client and a rate gate."""

    platform: Platform
    origin: str
    """Where it was found, for a person."""
    base_url: str | None = None
    secret: str = field(default="", repr=False)
    settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def describe(self) -> str:
        """What and from where, without the secret."""
        name = {"api_key": API_KEY, "auth_token": AUTH_TOKEN, "sdk": "profile or workload identity"}.get(
            self.platform, self.platform.capitalize()
        )
        place = f" for {self.base_url}" if self.base_url not in (None, API_URL) else ""
        return f"{name} from {self.origin}{place}"


class Credentials:
    """The credentials of one `TENUTO_HOME`."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self.path = Path(home) / FILE_NAME
        self._environ = os.environ if environ is None else environ
        self._stamp: tuple[int, ...] | None = None
        self._values: dict[str, str] = {}
        self._seen: object = None
        self._sources: tuple[Source, ...] = ()

    def sources(self) -> tuple[Source, ...]:
        """Every credential there is now, in the order in which to try them.

        Raises:
            CredentialsFileError: the file is there and cannot be read.
        """
        self._reread()
        environ = self._environ
        seen = (self._stamp, tuple(environ.get(name) for name in _WATCHED))
        if seen != self._seen or not self._sources:
            self._sources, self._seen = tuple(self._find()), seen
        return self._sources

    def variables(self) -> dict[str, str]:
        """Everything that the file sets, by name: MCP servers have their secrets there too. Raises as `sources`."""
        self._reread()
        return dict(self._values)

    def available(self) -> bool:
        """Whether there is anything to ask the API with. Raises as `sources`."""
        return bool(self.sources())

    def describe(self) -> str:
        """The sources in one line, never a secret. Raises as `sources`."""
        found = self.sources()
        if found:
            return "; ".join(source.describe() for source in found)
        return f"no credential in {self.path}, in the environment ({API_KEY}, {AUTH_TOKEN}) or in a profile of the SDK"

    def write(self, values: Mapping[str, str | None]) -> Path:
        """Set values in the file (mode 0600), `None` removes one; others stay.

        Raises:
            CredentialsFileError: the file cannot be read or written, or a value has a line break.
        """
        self._reread()
        merged = {**self._values, **values}
        lines = []
        for name, value in merged.items():
            if value is None:
                continue
            if len(value.splitlines()) > 1 or "\0" in value:
                raise CredentialsFileError(f"the value for {name} has a line break")
            lines.append(f"{name}={value.strip()}\n")
        try:
            self._replace("".join(lines))
        except OSError as error:
            raise CredentialsFileError(f"cannot write {self.path}: {error.strerror}") from error
        self._stamp = None
        return self.path

    # ------------------------------------------------------------------------------------------------ the file

    def _replace(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A new file and a rename: a reader sees the old one or the new one, and mkstemp gives it 0600 from the start.
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{FILE_NAME}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(self.path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _reread(self) -> None:
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._values = _parse(self.path.read_text(encoding="utf-8"))
                self._stamp = stamp
        except FileNotFoundError:
            self._values, self._stamp = {}, None
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsFileError(f"cannot read {self.path}: {error}") from error

    # --------------------------------------------------------------------------------------------- the sources

    def _find(self) -> list[Source]:
        own, environ = self._values, self._environ
        found: list[Source] = []
        for values, other, origin in ((own, environ, str(self.path)), (environ, own, "the environment")):
            found.extend(_platforms(values, {**other, **values}, origin))
            base_url = values.get(BASE_URL) or other.get(BASE_URL) or API_URL
            for name, platform in ((API_KEY, "api_key"), (AUTH_TOKEN, "auth_token")):
                secret = (values.get(name) or "").strip()
                if secret:
                    found.append(Source(platform, origin, base_url, secret))  # type: ignore[arg-type]
        if environ.get(PROFILE) or not found:
            found.extend(_from_sdk(own.get(BASE_URL) or environ.get(BASE_URL), environ.get(PROFILE)))
        return list(dict.fromkeys(found))


def _platforms(values: Mapping[str, str], merged: Mapping[str, str], origin: str) -> list[Source]:
    found = []
    for switch, platform in SWITCHES.items():
        if values.get(switch, "").strip().lower() not in _OFF:
            given = tuple((name, merged[name]) for name in SETTINGS[platform] if merged.get(name))
            found.append(Source(platform, origin, settings=given))
    return found


def _from_sdk(base_url: str | None, profile: str | None) -> list[Source]:
    """A profile that is named, or what the SDK finds by itself."""
    if profile:
        return [Source("sdk", f"profile {profile}", base_url, settings=((PROFILE, profile),))]
    # Imported late: it takes a second, and commands look here only when there is no key.
    from anthropic import AnthropicError
    from anthropic.lib.credentials import default_credentials

    try:
        there = default_credentials() is not None
    except AnthropicError:
        # Configured and broken: the request says what is wrong with it, and waits until it is mended.
        there = True
    return [Source("sdk", "the SDK's own sources", base_url)] if there else []


def _parse(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            bare = value.strip()
            quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'"
            values[name.strip()] = bare[1:-1] if quoted else bare
    return values
