"""Pull requests by a forge's own command, with the user's own login: `gh` for GitHub, `glab` for GitLab."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenuto.workflows.step_contracts import OpenPullRequestInput

from .branch import Remote
from .program import Ended, run

_TRANSIENT = re.compile(
    r"timed? ?out|took longer than|connection (refused|reset|closed)|could not resolve|no such host|temporary failure|"
    r"network is unreachable|HTTP 5\d\d|\b50[234]\b|rate limit|TLS handshake|unexpected EOF|early EOF",
    re.IGNORECASE,
)
_PLACE = re.compile(r"https?://\S+")


class ForgeFailed(Exception):
    """The forge's command failed. The message says what it said."""


def transient(message: str) -> bool:
    """Whether a failure may be gone when the same is tried again."""
    return _TRANSIENT.search(message) is not None


@dataclass(frozen=True, slots=True)
class Forge:
    """One forge's command, in a folder whose `origin` is the remote."""

    program: str
    remote: Remote
    folder: Path

    async def find(self, branch: str) -> str | None:
        """Address of the open request of a branch.

        Raises:
            ForgeFailed: it does not say.
        """
        if self.program == "gh":
            asked = ["pr", "list", "--head", branch, "--state", "open", "--json", "url,headRefName", "--limit", "50"]
            address, head = "url", "headRefName"
        else:
            asked = ["mr", "list", "--source-branch", branch, "--output", "json"]
            address, head = "web_url", "source_branch"
        listed = await self._run(asked)
        try:
            found: list[dict[str, Any]] = json.loads(listed.stdout or "[]") or []
        except ValueError as error:
            raise ForgeFailed(f"{self.program} {asked[0]} list answered no JSON: {listed.stdout[:200]!r}") from error
        return next((str(each[address]) for each in found if each.get(head, branch) == branch), None)

    async def create(self, input: OpenPullRequestInput) -> str:
        """Open the request, and give its address.

        Raises:
            ForgeFailed: it is not open, or there is one already.
        """
        body: str | None = None
        if self.program == "gh":
            asked = ["pr", "create", "--head", input.branch, "--title", input.title, "--body-file", "-"]
            asked += ["--base", input.base] if input.base else []
            body = input.body
        else:
            asked = ["mr", "create", "--source-branch", input.branch, "--title", input.title]
            asked += ["--description", input.body, "--yes", *(["--target-branch", input.base] if input.base else [])]
        asked += ["--draft"] if input.draft else []
        created = await self._run(asked, body)
        places = _PLACE.findall(created.stdout) or _PLACE.findall(created.stderr)
        if not places:
            raise ForgeFailed(f"{self.program} {asked[0]} create gave no address: {created.said}")
        return str(places[-1])

    async def _run(self, asked: list[str], input: str | None = None) -> Ended:
        argv = [self.program, *asked]
        if self.remote.host is not None:
            argv += ["--repo", f"https://{self.remote.host}/{self.remote.path}"]
        try:
            ended = await run(argv, cwd=self.folder, env=_QUIET, input=input)
        except OSError as error:
            raise ForgeFailed(f"{self.program} cannot be started: {error.strerror or error}") from error
        if ended.exit_code != 0:
            raise ForgeFailed(f"{self.program} {asked[0]} {asked[1]} failed: {ended.said}")
        return ended


_QUIET: Mapping[str, str] = {
    "GH_PROMPT_DISABLED": "1",
    "GH_NO_UPDATE_NOTIFIER": "1",
    "GLAB_CHECK_UPDATE": "false",
    "NO_PROMPT": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


def programs_for(remote: Remote) -> list[str]:
    """Commands to try, the likely one first, of those that are on PATH; a known forge has one."""
    host = remote.host or ""
    names = ["gh"] if "github" in host else ["glab"] if "gitlab" in host else ["gh", "glab"]
    return [name for name in names if shutil.which(name)]


def is_known(remote: Remote) -> bool:
    """Whether the host's name tells which forge it is."""
    return any(name in (remote.host or "") for name in ("github", "gitlab"))
