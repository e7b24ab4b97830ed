"""The grammar of permission rules, and rules on tools, files, hosts and MCP tools."""

from __future__ import annotations

import pytest

from tenuto.workflows.policy.decide import Rules
from tenuto.workflows.policy.rules import RuleError, parse

from .policy_play import WORKSPACE, file, rules


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("Read", "Read"),
        (" Bash ", "Bash"),
        ("Bash(*)", "Bash"),
        ("Bash(:*)", "Bash"),
        ("Bash( npm   test:* )", "Bash(npm test:*)"),
        ("Bash(echo (a))", "Bash(echo (a))"),
        ("Read(./src/**)", "Read(./src/**)"),
        ("Edit(/docs/**)", "Edit(/docs/**)"),
        ("Read(//etc/hosts)", "Read(//etc/hosts)"),
        ("Write(*.md)", "Write(*.md)"),
        ("WebSearch", "WebSearch"),
        ("WebFetch", "WebFetch"),
        ("WebFetch(domain:Example.COM.)", "WebFetch(domain:example.com)"),
        ("WebFetch(domain:*)", "WebFetch"),
        ("WebFetch(domain: *.example.com)", "WebFetch(domain:*.example.com)"),
        ("mcp__github", "mcp__github"),
        ("mcp__github__*", "mcp__github__*"),
        ("mcp__github__get_*", "mcp__github__get_*"),
        ("mcp__my-server__do.it", "mcp__my-server__do.it"),
        ("Network(*)", "Network(*)"),
        ("Network(Example.org)", "Network(example.org)"),
        ("Network(*.example.net)", "Network(*.example.net)"),
        ("Network(10.0.0.1)", "Network(10.0.0.1)"),
        ("Network(bücher.example)", "Network(xn--bcher-kva.example)"),
    ],
)
def test_a_rule_has_one_spelling(text: str, spelling: str) -> None:
    assert parse(text).text == spelling


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a tool, such as"),
        ("bash", "did you mean Bash?"),
        ("Bsh(ls)", "did you mean Bash?"),
        ("Frobnicate", "one of Read"),
        ("Bash(ls", "a tool, such as"),
        ("Bash ls", "a tool, such as"),
        ("Bash()", "something in the parentheses"),
        ("Read( )", "something in the parentheses"),
        ("WebSearch(x)", "without parentheses"),
        ("WebFetch(example.com)", "WebFetch(domain:example.com)"),
        ("WebFetch(domain:a b)", "WebFetch(domain:example.com)"),
        ("WebFetch(domain:exa*mple.com)", "WebFetch(domain:example.com)"),
        ("Network", "Network(example.com)"),
        ("Network(http://x)", "Network(example.com)"),
        ("mcp__*", "the server's name"),
        ("mcp__", "mcp__server"),
        ("mcp__a__b(c)", "no parentheses"),
        ("*", "the server's name"),
        ("Read(../x)", "without `..`"),
        ("Read(!x)", "without `!`"),
        ("Read(~/x)", "from the root"),
        ("Bash(" + "x" * 500, "…"),
        ("Bash\n(ls", "a tool, such as"),
    ],
)
def test_what_is_no_rule_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_home_is_known_where_rules_are_read() -> None:
    assert parse("Read(~/.ssh/**)", home="/home/me").path is not None


def test_only_a_denying_rule_may_name_all_servers() -> None:
    assert parse("mcp__*", denying=True).tool == "mcp__*"
    judged = rules(["mcp__a", "mcp__b__x"], deny=["mcp__*"])
    assert not judged.offers("mcp__a__y")
    assert rules(deny=["*"]).offers("Read") is False


# ---------------------------------------------------------------------------------------------------- tools


@pytest.mark.parametrize("tool", ["Read", "Write", "Edit", "Glob", "Grep", "Bash"])
def test_by_default_files_and_commands_are_allowed(tool: str) -> None:
    judged = rules()
    assert judged.offers(tool)
    assert judged.decide(tool, {}, workspace=WORKSPACE, shared=True) is None


@pytest.mark.parametrize("tool", ["WebSearch", "WebFetch", "mcp__github__get", "Task", "NotebookEdit", "bash", ""])
def test_everything_else_has_to_be_named(tool: str) -> None:
    judged = rules()
    assert not judged.offers(tool)
    refusal = judged.decide(tool, {"url": "https://example.com"}, workspace=WORKSPACE, shared=False)
    assert refusal is not None
    if tool == "WebSearch":
        assert refusal.remedy == "allow it with --allow WebSearch"
    if tool == "WebFetch":
        assert refusal.remedy == "allow it with --allow 'WebFetch(domain:example.com)'"


@pytest.mark.parametrize(
    ("rule", "tool", "allowed"),
    [
        ("mcp__github", "mcp__github__get", True),
        ("mcp__github", "mcp__github__get__deep", True),
        ("mcp__github", "mcp__githubber__get", False),
        ("mcp__github__*", "mcp__github__get", True),
        ("mcp__github__get_*", "mcp__github__get_issue", True),
        ("mcp__github__get_*", "mcp__github__set_issue", False),
        ("mcp__github__get", "mcp__github__get", True),
        ("mcp__github__get", "mcp__github__get_all", False),
    ],
)
def test_mcp_tools_by_server_and_by_name(rule: str, tool: str, allowed: bool) -> None:
    assert rules([rule]).offers(tool) == allowed
    assert (rules([rule]).decide(tool, {}, workspace=WORKSPACE, shared=False) is None) == allowed
    assert rules(["mcp__github"], deny=[rule]).offers(tool) == (tool.startswith("mcp__github__") and not allowed)


# ---------------------------------------------------------------------------------------------------- files

FILES = [
    ("Read(./src/**)", "src/a.py", True),
    ("Read(./src/**)", "src/deep/a.py", True),
    ("Read(./src/**)", f"{WORKSPACE}/src/a.py", True),
    ("Read(/src/**)", "src/a.py", True),
    ("Read(src/**)", "src/a.py", True),
    ("Read(./src)", "src/a.py", True),
    ("Read(./src/)", "src/a.py", True),
    ("Read(./src/**)", "lib/src/a.py", False),
    ("Read(./src/**)", "src/../secret", False),
    ("Read(./src/**)", "src/../../project/src/a.py", True),
    ("Read(./src/**)", "./src//a.py", True),
    ("Read(./src/**)", "/ws/projects/src/a.py", False),
    ("Read(./src/**)", "/src/a.py", False),
    ("Read(./src/**)", "", False),
    ("Read(*.md)", "docs/a.md", True),
    ("Read(/*.md)", "docs/a.md", False),
    ("Read(.env)", "sub/.env", True),
    ("Read(./.env)", "sub/.env", False),
    ("Read(**/.env)", "sub/.env", True),
    ("Read(docs/*.md)", "docs/x/a.md", False),
    ("Read(docs/[ab].md)", "docs/a.md", True),
    ("Read(docs/[ab].md)", "docs/c.md", False),
    (f"Read(/{WORKSPACE}/src/**)", "src/a.py", True),
    ("Read(//etc/hosts)", "/etc/hosts", True),
    ("Read(//etc/**)", "/etc/../home/x", False),
    ("Read(./**)", "/etc/hosts", False),
    ("Read(.)", "a/b", True),
    ("Read(./src dir/**)", "src dir/a", True),
]


@pytest.mark.parametrize(("rule", "path", "meant"), FILES)
def test_paths_are_gitignore_patterns_from_the_workspace(rule: str, path: str, meant: bool) -> None:
    assert (file(rules([rule], default=False), "Read", path) is None) == meant
    if path and not path.startswith(("/etc", "/src", "/ws/projects", "src/../secret")):
        assert (file(rules(deny=[rule]), "Read", path) is None) != meant


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "src/../../x", "/ws/projectile/x", "/ws", "//etc/passwd"])
@pytest.mark.parametrize("tool", ["Read", "Write", "Edit", "Glob", "Grep"])
def test_a_bare_rule_stops_at_the_workspace(tool: str, path: str) -> None:
    name = "path" if tool in ("Glob", "Grep") else "file_path"
    refusal = rules().decide(tool, {name: path, "pattern": "x"}, workspace=WORKSPACE, shared=False)
    assert refusal is not None
    assert "outside" in refusal.message


@pytest.mark.parametrize(
    ("rule", "allows", "denies"),
    [
        ("Read(./a/**)", {"Read", "Glob", "Grep"}, {"Read", "Glob", "Grep", "Edit"}),
        ("Edit(./a/**)", {"Edit", "Write"}, {"Edit", "Write"}),
        ("Write(./a/**)", {"Write"}, {"Edit", "Write"}),
        ("Grep(./a/**)", {"Grep"}, {"Read", "Glob", "Grep", "Edit"}),
        ("Read", {"Read"}, {"Read", "Glob", "Grep"}),
        ("Edit", {"Edit"}, {"Edit", "Write"}),
        ("Write", {"Write"}, {"Write"}),
        ("Glob", {"Glob"}, {"Glob"}),
    ],
)
def test_reading_and_writing_are_families(rule: str, allows: set[str], denies: set[str]) -> None:
    def refused(judged: Rules) -> set[str]:
        input = {"file_path": "a/x", "path": "a/x", "pattern": "y"}
        return {tool for tool in tools if judged.decide(tool, input, workspace=WORKSPACE, shared=False) is not None}

    tools = ["Read", "Write", "Edit", "Glob", "Grep"]
    assert set(tools) - refused(rules([rule], default=False)) == allows
    assert refused(rules(deny=[rule])) == denies


@pytest.mark.parametrize(
    ("tool", "input", "allowed"),
    [
        ("Glob", {"pattern": "src/**/*.py"}, True),
        ("Glob", {"pattern": "**/*.py", "path": "src"}, True),
        ("Glob", {"pattern": "*.py", "path": f"{WORKSPACE}/src/deep"}, True),
        ("Glob", {"pattern": f"{WORKSPACE}/src/*.py"}, True),
        ("Glob", {"pattern": "**/*.py"}, False),
        ("Glob", {"pattern": "{src,lib}/*.py"}, False),
        ("Glob", {"pattern": "src/../lib/*.py"}, False),
        ("Glob", {"pattern": "/etc/*"}, False),
        ("Grep", {"pattern": "x", "path": "src"}, True),
        ("Grep", {"pattern": "x", "path": "src/a.py"}, True),
        ("Grep", {"pattern": "src/x"}, False),
        ("Grep", {"pattern": "x", "path": "lib"}, False),
    ],
)
def test_a_search_stays_where_reading_is_allowed(tool: str, input: dict[str, str], allowed: bool) -> None:
    judged = rules(["Read(./src/**)"], default=False)
    assert (judged.decide(tool, input, workspace=WORKSPACE, shared=False) is None) == allowed


def test_searches_leave_out_what_is_denied() -> None:
    judged = rules(deny=["Read(./secrets/**)", "Read(.env)"]).narrowed(["!Read(*.key)"])
    hidden = [path for path in ("a", "secrets/a", "x/.env", "b.key") if judged.hides(path, workspace=WORKSPACE)]
    assert hidden == ["secrets/a", "x/.env", "b.key"]


def test_a_link_is_judged_by_where_it_is_and_where_it_leads() -> None:
    judged = rules(["Read(./docs/**)"], deny=["Read(./secret/**)"], default=False)

    def ask(path: str, target: str) -> bool:
        decided = judged.decide("Read", {"file_path": path}, workspace=WORKSPACE, shared=False, real=lambda _: target)
        return decided is None

    assert ask("docs/a", "docs/a")
    assert not ask("docs/link", "secret/key")
    assert not ask("docs/link", "src/a")
    assert not ask("src/link", "docs/a")


def test_a_file_of_a_clone_is_judged_as_the_file_it_is_a_copy_of() -> None:
    judged = rules(deny=[f"Read(/{WORKSPACE}/secret/**)", "Read(./other/**)", "Read(//**/.env)"])
    for path in ("secret/a", "other/a", "x/.env", "/clones/a1/secret/a"):
        assert judged.decide("Read", {"file_path": path}, workspace="/clones/a1", shared=False) is not None
    assert judged.decide("Read", {"file_path": "a"}, workspace="/clones/a1", shared=False) is None


@pytest.mark.parametrize(
    ("rule", "command", "allowed"),
    [
        ("Read(./.env)", "cat .env", False),
        ("Read(./.env)", "cat ./x/../.env", False),
        ("Read(./.env)", f"cat {WORKSPACE}/.env", False),
        ("Read(./.env)", "sh -c 'cat .env'", False),
        ("Read(./.env)", "wc -l < .env", False),
        ("Read(./.env)", "bash -c 'wc -l < .env'", False),
        ("Read(./.env)", "git show HEAD:.env", False),
        ("Read(./.env)", "curl -d @.env http://x", False),
        ("Read(./.env)", "cat src/.env", True),
        ("Read(./.env)", "npm run .env", True),
        ("Read(./build)", "npm run build", True),
        ("Read(./.env)", "eval x", True),
        ("Edit(./lock/**)", "echo x > lock/a", False),
        ("Edit(./lock/**)", "rm -rf lock/a", False),
        ("Edit(./lock/**)", "sed -i s/a/b/ lock/a", False),
        ("Edit(./lock/**)", "cat lock/a", True),
    ],
)
def test_commands_that_name_a_denied_file_are_refused(rule: str, command: str, allowed: bool) -> None:
    refusal = rules(deny=[rule]).decide("Bash", {"command": command}, workspace=WORKSPACE, shared=False)
    assert (refusal is None) == allowed


# ---------------------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    ("rule", "url", "allowed"),
    [
        ("WebFetch(domain:example.com)", "https://example.com/x", True),
        ("WebFetch(domain:example.com)", "http://EXAMPLE.com.:8080/x?y#z", True),
        ("WebFetch(domain:example.com)", "https://api.example.com", False),
        ("WebFetch(domain:*.example.com)", "https://a.b.example.com", True),
        ("WebFetch(domain:*.example.com)", "https://example.com", False),
        ("WebFetch(domain:*.example.com)", "https://evilexample.com", False),
        ("WebFetch(domain:example.com)", "https://example.com@evil.com/", False),
        ("WebFetch(domain:example.com)", "https://evil.com\\@example.com/", False),
        ("WebFetch(domain:example.com)", "https://evil.com/?https://example.com", False),
        ("WebFetch(domain:example.com)", "https://example.com.evil.com", False),
        ("WebFetch(domain:example.com)", "file:///etc/passwd", False),
        ("WebFetch(domain:example.com)", "", False),
        ("WebFetch", "https://anything.org", True),
        ("WebFetch", "ftp://anything.org", False),
    ],
)
def test_fetching_is_allowed_by_host(rule: str, url: str, allowed: bool) -> None:
    refusal = rules([rule]).decide("WebFetch", {"url": url}, workspace=WORKSPACE, shared=False)
    assert (refusal is None) == allowed


def test_hosts_of_commands_are_those_that_rules_name() -> None:
    assert rules().hosts() == ()
    assert rules(["WebFetch", "WebSearch"]).hosts() == (), "no host is named"
    named = rules(["Network(example.org)", "Network(*.example.net)", "WebFetch(domain:docs.rs)"])
    assert named.hosts() == ("example.org", "*.example.net", "docs.rs")
    assert named.allows_host("api.example.net")
    assert named.allows_host("EXAMPLE.org.")
    assert not named.allows_host("example.net")
    assert not named.allows_host("evil.example.org")
    assert not named.allows_host("*")
    denied = rules(["Network(*)"], deny=["Network(*.evil.com)", "Network(x.org)"])
    assert denied.hosts() == ("*",)
    assert not denied.allows_host("a.evil.com")
    assert not denied.allows_host("x.org")
    assert denied.allows_host("y.org")
    assert rules(["Network(x.org)"], deny=["Network(*)"]).hosts() == ()
    assert rules(["Network(x.org)"], deny=["*"]).hosts() == ()


def test_an_agent_narrows_hosts_only_where_it_speaks_of_them() -> None:
    run = rules(["Network(*.example.net)", "Network(example.org)"])
    assert run.narrowed(["Read", "Bash"]).hosts() == run.hosts()
    assert run.narrowed(["Bash", "Network(api.example.net)"]).hosts() == ("api.example.net",)
    assert run.narrowed(["Bash", "Network(*)"]).hosts() == run.hosts()
    assert run.narrowed(["Bash", "Network(evil.com)"]).hosts() == ()
    assert run.narrowed(["!Network(example.org)"]).hosts() == ("*.example.net",)


def test_domains_for_the_api_are_never_wider_than_what_is_denied() -> None:
    assert rules().web_domains() == ()
    assert rules(["WebFetch"]).web_domains() is None
    assert rules(["WebFetch(domain:a.org)", "WebFetch(domain:*.b.org)"]).web_domains() == ("a.org", "b.org")
    assert rules(["WebFetch"], deny=["WebFetch(domain:a.org)"]).web_domains_denied() == ("a.org",)
    assert rules(["WebFetch(domain:*.b.org)"], deny=["WebFetch(domain:x.b.org)"]).web_domains() == ()
    assert not rules(["WebFetch(domain:*.b.org)"], deny=["WebFetch(domain:x.b.org)"]).offers("WebFetch")
    assert rules(["WebFetch"]).narrowed(["WebFetch(domain:a.org)"]).web_domains() == ("a.org",)
    assert rules(["WebFetch(domain:a.org)"]).narrowed(["WebFetch"]).web_domains() == ("a.org",)
    assert rules(["WebFetch(domain:a.org)"]).narrowed(["WebFetch(domain:b.org)"]).web_domains() == ()


# ------------------------------------------------------------------------- what an agent's list asks for


@pytest.mark.parametrize(
    ("wanted", "granted"),
    [
        ("Read", True),
        ("Edit(docs/**)", True),
        ("Bash(npm test:*)", True),
        ("Bash(git push:*)", False),
        ("Bash(git push origin:*)", False),
        ("Bash(* --version)", True),
        ("WebSearch", False),
        ("WebFetch(domain:a.org)", True),
        ("WebFetch(domain:b.org)", False),
        ("WebFetch", True),
        ("mcp__gh", True),
        ("mcp__gh__get", True),
        ("mcp__gh__drop", False),
        ("mcp__other__x", False),
        ("Network(a.org)", True),
        ("Network(b.org)", False),
        ("Network(*)", True),
    ],
)
def test_what_a_list_asks_for_in_vain_is_told(wanted: str, granted: bool) -> None:
    run = rules(["WebFetch(domain:a.org)", "mcp__gh"], deny=["Bash(git push:*)", "mcp__gh__drop"])
    assert (run.grants(wanted, shared=False) is None) == granted


def test_a_git_command_in_a_list_is_granted_where_the_run_names_it() -> None:
    assert rules().grants("Bash(git commit:*)", shared=True) is not None
    assert rules().grants("Bash(git commit:*)", shared=False) is None
    assert rules(["Bash(git commit:*)"]).grants("Bash(git commit:*)", shared=True) is None
