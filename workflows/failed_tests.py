"""Which tests a red check names, in the words of the runners that people use. Pure."""

from __future__ import annotations

import re

NAMES_MAX = 50
NAME_CHARS_MAX = 200
_RUNNERS = re.compile(
    r"^(?:FAILED|ERROR) (?P<pytest>\S+::.+?)(?: - .*)?$"
    r"|^(?:FAIL|ERROR): (?P<unittest>\S+ \([\w.]+\))"
    r"|^\s*--- FAIL: (?P<go>\S+)"
    r"|^test (?P<rust>\S+) \.\.\. FAILED$"
    r"|^\s*● (?P<jest>\S.* \u203a .+)$"
    r"|^\s*(?:FAIL|\u00d7)\s+(?P<vitest>\S.* > .+?)(?: \d+ms)?$"
    r"|^not ok \d+ (?:- )?(?P<tap>.+)$",
    re.MULTILINE,
)


def failed_tests(output: str) -> list[str]:
    """Names of tests that the output of a check says have failed, each once, in order; none where it names none."""
    found: dict[str, None] = {}
    for match in _RUNNERS.finditer(output):
        name = next(text for text in match.groups() if text is not None).strip()
        found[name[:NAME_CHARS_MAX]] = None
    return list(found)[:NAMES_MAX]
