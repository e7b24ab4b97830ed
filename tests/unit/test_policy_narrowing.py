"""An agent can only narrow: whatever its lists say, nothing is allowed that was refused before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.workflows.policy.decide import Rules
from tenuto.workflows.policy.globs import ANY, meets
from tenuto.workflows.policy.rules import RuleError
from tenuto.workflows.setup_contracts import Policy

from .policy_play import WORKSPACE, bash, file, rules

RULES = [
    *("Read", "Write", "Edit", "Glob", "Grep", "Bash", "WebSearch", "WebFetch", "mcp__a", "mcp__a__x", "mcp__b__*"),
    *("Bash(npm test:*)", "Bash(npm *)", "Bash(git commit:*)", "Bash(git:*)", "Bash(* --version)", "Bash(rm -rf /)"),
    *("Read(./src/**)", "Edit(./docs/**)", "Write(*.md)", "Read(.env)", "Edit(//ws/project/src/**)", "Grep(./lib)"),
    *("WebFetch(domain:a.org)", "WebFetch(domain:*.a.org)", "Network(a.org)", "Network(*.a.org)", "Network(*)"),
]
CALLS: list[tuple[str, dict[str, Any]]] = [
    *(
        (tool, {"file_path": path})
        for tool in ("Read", "Write", "Edit")
        for path in ("src/a", "docs/b.md", ".env", "/x")
    ),
    *(("Grep", {"pattern": "x", "path": path}) for path in ("src", "lib", ".")),
    *(("Glob", {"pattern": pattern}) for pattern in ("src/*.py", "**")),
    *(
        ("Bash", {"command": command})
        for command in (
            "npm test",
            "npm i && npm test",
            "git commit -m x",
            "git push",
            "node --version",
            "$X",
            "rm -rf /",
        )
    ),
    *(("WebFetch", {"url": f"https://{host}/"}) for host in ("a.org", "b.a.org", "c.org")),
    *((tool, {}) for tool in ("WebSearch", "mcp__a__x", "mcp__a__y", "mcp__b__z", "Unknown")),
]
HOSTS = ["a.org", "b.a.org", "c.org", "*"]
lists = st.lists(st.sampled_from(RULES), max_size=6)
entries = st.lists(
    st.one_of(st.sampled_from(RULES), st.sampled_from(RULES).map("!{}".format), st.just("*")), max_size=5
)


def allowed(judged: Rules) -> set[int]:
    return {
        2 * index + shared
        for index, (tool, input) in enumerate(CALLS)
        for shared in (False, True)
        if judged.decide(tool, input, workspace=WORKSPACE, shared=shared) is None
    }


@settings(max_examples=60, deadline=None)
@given(lists, lists, st.one_of(st.none(), entries), lists, st.one_of(st.none(), entries))
def test_narrowing_never_widens(
    allow: list[str], deny: list[str], first: list[str] | None, disallowed: list[str], second: list[str] | None
) -> None:
    run = Rules.of(Policy(allow=allow, deny=deny))
    agent = run.narrowed(first, disallowed)
    call = agent.narrowed(second)
    assert allowed(call) <= allowed(agent) <= allowed(run)
    for wider, narrower in ((run, agent), (agent, call)):
        assert all(wider.allows_host(host) for host in HOSTS if narrower.allows_host(host))
        assert all(wider.offers(tool) for tool, _ in CALLS if narrower.offers(tool))
        domains = wider.web_domains()
        assert domains is None or set(narrower.web_domains() or ()) <= set(domains)
    # A fetch may be allowed by the rules and still not be offered: the API cannot except a part of a domain.
    callable_tools = {CALLS[index // 2][0] for index in allowed(call)} - {"WebFetch"}
    assert all(call.offers(tool) for tool in callable_tools), "what is not shown cannot be called"


@settings(max_examples=40, deadline=None)
@given(lists, lists, st.sampled_from(RULES))
def test_a_rule_more_that_denies_never_allows_more(allow: list[str], deny: list[str], more: str) -> None:
    assert allowed(Rules.of(Policy(allow=allow, deny=[*deny, more]))) <= allowed(
        Rules.of(Policy(allow=allow, deny=deny))
    )


@settings(max_examples=40, deadline=None)
@given(lists, lists, st.sampled_from(RULES))
def test_a_rule_more_that_allows_never_allows_less(allow: list[str], deny: list[str], more: str) -> None:
    assert allowed(Rules.of(Policy(allow=[*allow, more], deny=deny))) >= allowed(
        Rules.of(Policy(allow=allow, deny=deny))
    )


texts = st.text(alphabet=["a", "b", ANY], max_size=6)


def fits(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == ANY:
        return any(fits(pattern[1:], text[cut:]) for cut in range(len(text) + 1))
    return bool(text) and text[0] == pattern[0] and fits(pattern[1:], text[1:])


@given(texts, st.text(alphabet="ab", max_size=8))
def test_a_pattern_without_gaps_in_the_text_is_plain_matching(pattern: str, text: str) -> None:
    assert meets(pattern, text) == fits(pattern, text)


@given(texts, texts, st.text(alphabet="ab", max_size=8))
def test_two_patterns_that_share_a_text_meet(left: str, right: str, text: str) -> None:
    assert meets(left, right) == meets(right, left)
    if fits(left, text) and fits(right, text):
        assert meets(left, right)


# ---------------------------------------------------------------------------------------------------- lists


def test_a_bare_list_names_the_only_tools_there_are() -> None:
    agent = rules(["WebSearch"]).narrowed(["Read", "Bash(npm test:*)"])
    assert [tool for tool in ("Read", "Grep", "Write", "Bash", "WebSearch") if agent.offers(tool)] == ["Read", "Bash"]
    assert bash(agent, "npm test") is None
    assert bash(agent, "npm i") is not None


def test_a_list_of_denials_takes_away_from_everything() -> None:
    agent = rules(["WebSearch"]).narrowed(["!Bash(git:*)", "!Write"])
    assert agent.offers("WebSearch")
    assert bash(agent, "npm i") is None
    assert bash(agent, "git log") is not None
    assert file(agent, "Write", "a") is not None
    assert file(agent, "Edit", "a") is None


def test_an_empty_list_leaves_nothing_and_no_list_leaves_all() -> None:
    assert not any(rules().narrowed([]).offers(tool) for tool in ("Read", "Bash"))
    assert rules().narrowed(None).offers("Bash")
    assert rules().narrowed(["*"]).offers("Bash")
    assert not rules().narrowed(["*", "!Bash"]).offers("Bash")
    assert not rules().narrowed(None, ["Bash"]).offers("Bash")


def test_denying_stands_before_allowing_in_a_list_too() -> None:
    agent = rules().narrowed(["Bash(npm:*)", "!Bash(npm publish:*)"])
    assert bash(agent, "npm test") is None
    assert bash(agent, "npm publish") is not None


def test_lists_of_other_programs_may_name_tools_that_are_not_here() -> None:
    listed = ["Read", "TodoWrite", "Task(Explore)", "NotebookEdit"]
    with pytest.raises(RuleError, match="TodoWrite"):
        rules().narrowed(listed)
    agent = rules().narrowed(listed, ["Skill", "Write"], foreign=True)
    assert agent.offers("Read")
    assert not agent.offers("Bash")
    assert not rules().narrowed(["TodoWrite"], foreign=True).offers("Read"), "still a list of the only tools"


def test_an_entry_that_is_no_text_is_told() -> None:
    with pytest.raises(RuleError, match="expected a text"):
        rules().narrowed([3])  # type: ignore[list-item]
