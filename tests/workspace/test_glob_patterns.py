"""Which paths a glob pattern matches."""

from __future__ import annotations

import time

import pytest

from tenuto.activities.workspace.glob_patterns import compile_glob

CASES = [
    ("a.py", ["a.py"], ["b/a.py", "a.pyc", "xa.py"]),
    ("*.py", ["a.py", ".py", ".hidden.py"], ["b/a.py", "a.pyc"]),
    ("**/*.py", ["a.py", "b/a.py", "b/c/a.py", ".x/a.py"], ["a.pyc", "b/a.py/c"]),
    ("**", ["a", "a/b", ".x/y"], []),
    ("**/", ["a", "a/b"], []),
    ("src/**", ["src/a", "src/b/c"], ["src", "srcs/a", "x/src/a"]),
    ("src/", ["src/a", "src/b/c"], ["src", "x/src/a"]),
    ("./src//*.ts", ["src/a.ts"], ["src/b/a.ts"]),
    ("src/**/test/**/*.py", ["src/test/a.py", "src/x/test/y/z/a.py"], ["src/a.py", "test/a.py", "src/testx/a.py"]),
    ("**/test/*", ["test/a", "x/test/a", "test/test/a"], ["test", "test/a/b"]),
    ("**/a/b/**/c", ["a/b/c", "a/x/a/b/y/c", "a/a/b/c"], ["a/c", "b/c", "a/b"]),
    ("a/**/b/**/c", ["a/b/c", "a/x/b/b/c", "a/b/x/c"], ["a/c", "a/x/c"]),
    ("a?c", ["abc", "a.c"], ["ac", "a/c", "abbc"]),
    ("[abc]x", ["ax", "cx"], ["dx", "x"]),
    ("[!a-c]x", ["dx"], ["ax", "bx", "/x"]),
    ("[^a]x", ["bx"], ["ax"]),
    ("[]a]x", ["]x", "ax"], ["bx"]),
    ("[!]a]x", ["bx"], ["]x", "ax"]),
    ("[a-]x", ["ax", "-x"], ["bx"]),
    ("[z-a]x", [], ["ax", "zx", "mx"]),
    ("[x", ["[x"], ["x"]),
    ("*.{ts,tsx}", ["a.ts", "a.tsx"], ["a.js", "a.{ts,tsx}"]),
    ("{src,lib}/**/*.py", ["src/a.py", "lib/b/a.py"], ["x/a.py"]),
    ("a{b,c{d,e}}f", ["abf", "acdf", "acef"], ["acf", "adf"]),
    ("{a,b}{1,2}", ["a1", "a2", "b1", "b2"], ["a", "1"]),
    ("x{,y}", ["x", "xy"], ["y"]),
    ("{a}", ["{a}"], ["a"]),
    ("{a,b", ["{a,b"], ["a", "b"]),
    ("a}b", ["a}b"], []),
    (r"\*.py", ["*.py"], ["a.py"]),
    (r"\{a,b\}", ["{a,b}"], ["a", "b"]),
    ("*a*b*", ["ab", "xaybz", "aab"], ["ba", "a/b"]),
    ("*ab", ["ab", "abab", "aab"], ["aba"]),
    ("a*b/c*d", ["ab/cd", "axb/cyd", "abb/cdd"], ["ab/c/d", "a/b/cd"]),
    ("**a", ["a", "xa"], ["x/a"]),
    ("a.b+c(d)$^|", ["a.b+c(d)$^|"], ["axb+c(d)$^|"]),
    ("é*", ["é", "éa"], ["e"]),
    ("line\n*", ["line\nx"], ["line"]),
    ("[a\nb]*", ["\nx", "ax"], ["x"]),
    ("", ["a", "a/b"], []),
]


@pytest.mark.parametrize(("pattern", "matching", "others"), CASES, ids=lambda value: repr(value)[:30])
def test_a_pattern_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    patterns = compile_glob(pattern)
    matches = {path for path in [*matching, *others] if any(one.matches(path) for one in patterns)}
    assert matches == set(matching)


@pytest.mark.parametrize("pattern", ["*a" * 40 + "b", "**/*a*a*a*a*a*a*b/**/" * 5 + "x", "?" * 200 + "*" * 40 + "z"])
def test_no_pattern_takes_long(pattern: str) -> None:
    (compiled,) = compile_glob(pattern)
    began = time.perf_counter()
    assert not compiled.matches(("a" * 250 + "/") * 16 + "a")
    assert time.perf_counter() - began < 1


def test_braces_are_bounded() -> None:
    with pytest.raises(ValueError, match="alternatives"):
        compile_glob("{a,b}" * 40)
    assert len(compile_glob("{a,b}" * 8)) == 256


def test_the_parts_before_the_first_wildcard_are_fixed() -> None:
    (compiled,) = compile_glob("src/./deep//*.py")
    assert compiled.fixed == ("src", "deep")
    (compiled,) = compile_glob("a/b.py")
    assert compiled.fixed == ("a", "b.py") and compiled.rest is None
