"""Tests, skip markers and assertions in the text of a test file, by language. Text only: nothing is run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tenuto.workflows.gate_contracts import TestCounts


@dataclass(frozen=True, slots=True)
class Language:
    """How one language writes tests. Patterns are looked for line by line, comments taken out."""

    comment: re.Pattern[str]
    test: re.Pattern[str]
    skip: re.Pattern[str]
    assertion: re.Pattern[str]
    hollow: re.Pattern[str]
    """Assertions that cannot fail."""


def _of(comment: str, test: str, skip: str, assertion: str, hollow: str) -> Language:
    flags = re.MULTILINE
    return Language(*(re.compile(pattern, flags) for pattern in (comment, test, skip, assertion, hollow)))


_HASH, _SLASHES = r"^[ \t]*#[^\n\[!]*$", r"^[ \t]*//[^\n]*$|/\*(?:[^*]|\*(?!/))*\*/"

PYTHON = _of(
    r"^[ \t]*#[^\n]*$",
    r"^[ \t]*(?:async[ \t]+)?def[ \t]+test\w*[ \t]*\(",
    r"@[\w.]*\b(?:skip|skipif|skipIf|skipUnless|xfail|expectedFailure)\b|\b(?:pytest|unittest|self|raise[ \t]+\w+)\."
    r"(?:skip|skipTest|xfail|SkipTest|importorskip)\b|\bpytestmark\b[^\n]*\b(?:skip|skipif|xfail)\b"
    r"|\bmark\.(?:skip|skipif|xfail)\b|__test__[ \t]*=[ \t]*False|\bSkipTest\(|\bcollect_ignore",
    r"^[ \t]*assert\b|\bself\.(?:assert\w+|fail)\(|\b(?:raises|warns|deprecated_call)\(|\bassert_\w+\(",
    r"^[ \t]*assert[ \t(]*(?:True|1|not[ \t]+False)[ \t)]*(?:,[^\n]*)?$|\bself\.assertTrue\([ \t]*True\b",
)
JAVASCRIPT = _of(
    _SLASHES,
    r"(?<![\w.$])(?:it|test|specify|fit|xit|xtest|Deno\.test)(?:\.\w+)*[ \t]*(?:\([ \t]*['\"`]|\.?each\b|`)",
    r"(?<![\w.$])(?:it|test|describe|context|specify|suite)(?:\.\w+)*\.(?:skip|only|todo|failing|fails|skipIf|runIf)\b"
    r"|(?<![\w.$])(?:xit|xdescribe|xtest|xcontext|fit|fdescribe|pending)[ \t]*\(|\bt\.skip\(|\bthis\.skip\(\)"
    r"|\b(?:skip|todo|only)[ \t]*:[ \t]*(?:true|['\"`])",
    r"\bexpect(?:\.\w+)*[ \t]*\(|\bassert(?:\.\w+)*[ \t]*\(|\.should\b"
    r"|\bt\.(?:is|deepEqual|true|false|throws|equal|ok)\(",
    r"\bexpect\([ \t]*(true|1)[ \t]*\)\.(?:toBe|toEqual)\([ \t]*\1[ \t]*\)|\bassert(?:\.ok)?\([ \t]*(?:true|1)[ \t]*\)",
)
GO = _of(
    _SLASHES,
    r"^func[ \t]+(?:Test|Fuzz|Example)\w*[ \t]*\(|\bt\.Run\(",
    r"\b[tb]\.(?:Skip|SkipNow|Skipf)\(|^//[ \t]*\+build[ \t]+ignore|^//go:build[ \t]+ignore",
    r"\b[tb]\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\(|\b(?:assert|require)\.\w+\(",
    r"(?!)",
)
RUST = _of(
    _SLASHES,
    r"^[ \t]*#\[(?:\w+::)*test\b[^\]]*\]|^[ \t]*#\[rstest\b",
    r"^[ \t]*#\[ignore\b|#\[cfg\((?:any\(\)|FALSE|never)\)\]",
    r"\b(?:assert|assert_eq|assert_ne|panic|matches)!|#\[should_panic",
    r"\bassert!\([ \t]*true\b",
)
JVM = _of(
    _SLASHES,
    r"@(?:Test|ParameterizedTest|RepeatedTest|TestFactory|Fact|Theory|TestMethod|TestCase)\b"
    r"|\[(?:Test|Fact|Theory|TestMethod|TestCase)\b",
    r"@(?:Disabled|Ignore|DisabledIf\w*|EnabledIf\w*)\b|\[Ignore\b|\bSkip[ \t]*="
    r"|\bassume(?:True|False|That)\(|\bAssert\.Ignore\(",
    r"\bassert\w*[ \t]*\(|\bAssert\.\w+\(|\.Should\(|\bverify\(|\bfail\(",
    r"\bassertTrue\([ \t]*true[ \t]*\)|\bAssert\.True\([ \t]*true[ \t]*\)",
)
RUBY = _of(
    _HASH,
    r"^[ \t]*(?:it|test|specify|xit|fit)[ \t(]+['\"]|^[ \t]*def[ \t]+test_\w+",
    r"^[ \t]*(?:xit|xdescribe|xcontext|fit|fdescribe|pending|skip)\b|\bskip:[ \t]*(?:true|['\"])|\bfocus:[ \t]*true",
    r"\bexpect[ \t(]|\bassert\w*[ \t(]|\brefute\w*[ \t(]|\.should\b|\.must_\w+",
    r"\bassert[ \t(]+true\b",
)
PHP = _of(
    _SLASHES,
    r"\bfunction[ \t]+test\w*[ \t]*\(|@test\b|#\[Test\]|^[ \t]*(?:it|test)\([ \t]*['\"]",
    r"\bmarkTest(?:Skipped|Incomplete)\(|->(?:skip|todo|only)\(",
    r"\bassert\w*[ \t]*\(|\bexpect\w*[ \t]*\(",
    r"\bassertTrue\([ \t]*true[ \t]*\)",
)
SHELL = _of(
    _HASH,
    r"^[ \t]*@test[ \t]|^[ \t]*(?:function[ \t]+)?test\w*[ \t]*\(\)",
    r"^[ \t]*(?:skip|startSkipping)\b",
    r"^[ \t]*(?:\[\[?[ \t]|test[ \t]|assert\w*[ \t])",
    r"(?!)",
)

LANGUAGES: dict[str, Language] = {
    **dict.fromkeys(("py", "pyi"), PYTHON),
    **dict.fromkeys(("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte"), JAVASCRIPT),
    "go": GO,
    "rs": RUST,
    **dict.fromkeys(("java", "kt", "kts", "scala", "groovy", "cs", "fs", "swift"), JVM),
    "rb": RUBY,
    "php": PHP,
    **dict.fromkeys(("sh", "bash", "bats"), SHELL),
}
"""By the end of a file's name."""


def language_of(path: str) -> Language | None:
    """The language of a file by its name; `None` where tests in it cannot be counted."""
    return LANGUAGES.get(path.rsplit("/", 1)[-1].rpartition(".")[2].lower())


def count(path: str, text: str) -> TestCounts | None:
    """What a file holds; `None` for a language that is not known."""
    language = language_of(path)
    if language is None:
        return None
    # Build constraints of Go are comments, so skips are looked for before those are taken out.
    ignored_builds = len(re.findall(r"^//go:build[ \t]+ignore", text, re.MULTILINE)) if language is GO else 0
    bare = language.comment.sub("", _without_doc_blocks(text) if language is PYTHON else text)
    found = len(language.assertion.findall(bare)) - len(language.hollow.findall(bare))
    return TestCounts(
        tests=len(language.test.findall(bare)),
        skips=len(language.skip.findall(bare)) + ignored_builds,
        assertions=max(0, found),
    )


def _without_doc_blocks(text: str) -> str:
    """Python without texts in triple quotes that stand alone: a test inside of one is commented out."""
    return re.sub(r"^([ \t]*)(\"\"\"|''')(?:(?!\2)[\s\S])*?\2", "", text, flags=re.MULTILINE)
