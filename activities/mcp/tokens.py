"""OAuth tokens of HTTP servers: `TENUTO_HOME/mcp/NAME.json`, readable by its owner only.

A token goes to the address that it was granted for and to no other of the same name. One refresh at a time, for every
agent of every process on this home: refresh tokens are often good for one use, and a second one would end the grant.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
from mcp.client.auth.oauth2 import OAuthContext
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl, BaseModel, ValidationError

from .errors import NotRun, Unusable

EARLY_S = 30.0
"""A token that ends sooner is renewed before it is used."""
LOCK_S = 60.0
LOCK_LOOK_S = 0.05
REFRESH_S = 30.0


class Grant(BaseModel):
    """What one authorization gave: everything that a refresh needs, and nothing to be discovered again."""

    server_url: str
    token_endpoint: str
    resource: str | None = None
    client: OAuthClientInformationFull
    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: float | None = None
    """Unix seconds; `None` where the server does not say."""
    scope: str | None = None

    def with_token(self, token: OAuthToken) -> Grant:
        """The grant after a token response. What the response leaves out stays as it was (RFC 6749, 6)."""
        return self.model_copy(
            update={
                "access_token": token.access_token,
                "refresh_token": token.refresh_token or self.refresh_token,
                "expires_at": time.time() + token.expires_in if token.expires_in is not None else None,
                "scope": token.scope or self.scope,
            }
        )


def path_of(home: Path, name: str) -> Path:
    """The file of one server below `TENUTO_HOME`."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:80]
    if safe != name:
        safe = f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return home / "mcp" / f"{safe}.json"


def read_grant(path: Path) -> Grant | None:
    """The grant in a file, or `None` if there is none.

    Raises:
        Unusable: the file is damaged.
    """
    try:
        return Grant.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise Unusable(f"{path} cannot be read; remove it, then authorize again: tenuto auth mcp NAME") from None


def write_grant(path: Path, grant: Grant) -> None:
    """Replace the file, whole, with mode 0600. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(grant.model_dump_json(exclude_none=True))
            file.flush()
            # A used refresh token is worth nothing: the new one must not be lost with the power.
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


class Tokens:
    """The tokens of one server, for all sessions of this Worker."""

    def __init__(self, home: Path, name: str, url: str) -> None:
        self._path, self._name, self._url = path_of(home, name), name, url

    async def current(self) -> str | None:
        """The token to use, renewed where it is about to end; `None` if there is no grant for this address.

        Raises:
            Unusable: a person has to authorize again.
            NotRun: it could not be renewed just now; the message goes on from "the MCP server".
        """
        grant = self._read()
        if grant is None or grant.access_token is None:
            return None
        if grant.expires_at is not None and grant.expires_at - EARLY_S < time.time() and grant.refresh_token:
            return await self.renew(grant.access_token)
        return grant.access_token

    async def renew(self, used: str) -> str:
        """A token other than `used`, which the server did not accept. Raises as `current`."""
        async with _locked(self._path.with_suffix(".lock")):
            grant = self._read()
            if grant is not None and grant.access_token is not None and grant.access_token != used:
                return grant.access_token  # somebody else has renewed it in the meantime
            if grant is None or grant.refresh_token is None:
                raise self._ended("its token is no longer accepted")
            renewed = await self._refreshed(grant)
            write_grant(self._path, renewed)
            assert renewed.access_token is not None
            return renewed.access_token

    def _read(self) -> Grant | None:
        grant = read_grant(self._path)
        return grant if grant is not None and grant.server_url == self._url else None

    def _ended(self, why: str) -> Unusable:
        return Unusable(f"the MCP server {self._name!r} needs authorization, {why}: run `tenuto auth mcp {self._name}`")

    async def _refreshed(self, grant: Grant) -> Grant:
        data, headers = _client_authentication(grant)
        try:
            async with httpx2.AsyncClient(timeout=REFRESH_S) as client:
                response = await client.post(grant.token_endpoint, data=data, headers=headers)
        except httpx2.HTTPError as error:
            words = str(error) or type(error).__name__
            raise NotRun(f"cannot be asked: its token could not be renewed ({words})") from None
        if response.status_code in (400, 401, 403):
            write_grant(self._path, grant.model_copy(update={"access_token": None, "refresh_token": None}))
            raise self._ended(f"its grant has ended ({_error_in(response)})")
        try:
            response.raise_for_status()
            return grant.with_token(OAuthToken.model_validate_json(response.content))
        except (httpx2.HTTPStatusError, ValidationError):
            words = f"the authorization server answered HTTP {response.status_code}"
            raise NotRun(f"cannot be asked: its token could not be renewed ({words})") from None


def _client_authentication(grant: Grant) -> tuple[dict[str, str], dict[str, str]]:
    """Form and headers of a refresh, with the client's own credential as it was registered."""
    data = {
        "grant_type": "refresh_token",
        "refresh_token": grant.refresh_token or "",
        "client_id": grant.client.client_id or "",
    }
    if grant.resource:
        data["resource"] = grant.resource
    context = OAuthContext(
        grant.server_url,
        OAuthClientMetadata(redirect_uris=[AnyUrl("http://127.0.0.1/callback")]),
        _NoStorage(),
        None,
        None,
        client_info=grant.client,
    )
    return context.prepare_token_auth(data, {"content-type": "application/x-www-form-urlencoded"})


class _NoStorage:
    """The package's context wants a storage; ours is the file."""

    async def get_tokens(self) -> OAuthToken | None:
        return None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        return None

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        return None


def _error_in(response: httpx2.Response) -> str:
    """The error code of RFC 6749, 5.2. Descriptions are left out: they are the server's own text."""
    with suppress(ValueError, AttributeError):
        code = json.loads(response.content).get("error")
        if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,40}", code):
            return code
    return f"HTTP {response.status_code}"


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """An exclusive lock between processes. Looks for it now and then: a thread that waits cannot be cancelled."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_S
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    words = f"another process has held {path} for more than {LOCK_S:g} s"
                    raise NotRun(f"cannot be asked: {words}") from None
            await asyncio.sleep(LOCK_LOOK_S)
        yield
    finally:
        os.close(handle)
