"""What a script names is found by a real parse, in both dialects, and held against the run's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.worker.precheck.calls import UNKNOWN, Call
from tenuto.worker.precheck.findings import refusals, withheld
from tenuto.worker.precheck.javascript_calls import javascript_calls
from tenuto.worker.precheck.javascript_names import GLOBALS, unknown_names
from tenuto.worker.precheck.names import missing_names, unnamed_phases
from tenuto.worker.precheck.python_calls import python_calls
from tenuto.workflows.script import javascript
from tenuto.workflows.script.protocol import Finished, LoadedScript, Phase, StepContext
from tenuto.workflows.setup_contracts import AgentDefinition

from .policy_play import WORKSPACE, rules

JAVASCRIPT = """
export const meta = { name: 'n', description: 'agent("in a string", {tools: ["WebSearch"]})' };
// agent("in a comment", {tools: ["WebSearch"]})
const TOOLS = ["Read", 'WebSearch'];
const options = { tools: TOOLS, agentType: `reviewer` };
let changed = ["Read"]; changed = ["Bash"];
await parallel(items.map(i => () => agent(`x ${i}`, { ...options, isolation: "worktree" })));
await agent("x", { "tools": ["We\\x62Search", ...TOOLS, other, "!Bash(git" + ":*)"] });
await agent("x", { tools: changed }); await agent("x");
await sh(`npm test`); await sh(`npm ${x}`);
await gate(() => true); await untilGreen("pytest" + " -q", fix, {maxRounds: 3});
await mcp("github", "get", {server: "not an option"});
const stashed = (sh)("git stash");
obj.sh("not ours"); await sh(...args);
return 1;
"""
PYTHON = '''
"""agent("in a string", tools=["WebSearch"])"""
from tenuto import Meta, agent, gate, mcp, sh as run, until_green
import tenuto

meta = Meta(name="n", description="d")
TOOLS: list[str] = ["Read", "WebSearch"]
changed = ["Read"]


async def main(args):
    # agent("in a comment", tools=["WebSearch"])
    await agent("x", tools=TOOLS, agent_type=f"{'reviewer'}", isolation="worktree")
    await agent("x", tools=["Web" "Search", *TOOLS, args, "!Bash(git" + ":*)"])
    changed = ["Bash"]
    await agent("x", tools=changed)
    await run("npm test")
    await run(f"npm {args}")
    await gate(lambda: True)
    await until_green(command="pytest" + " -q")
    await mcp("github", "get", {"server": "not an option"})
    await tenuto.sh("git stash")
    sh("not imported under this name")
'''


@pytest.mark.parametrize("calls", [javascript_calls(JAVASCRIPT), python_calls(PYTHON)], ids=["javascript", "python"])
def test_what_is_written_out_is_read_in_both_dialects(calls: list[Call]) -> None:
    agents = [call for call in calls if call.function == "agent"]
    assert agents[0].values["tools"] == ["Read", "WebSearch"]
    assert agents[0].text("agent_type") == "reviewer"
    assert agents[0].values["isolation"] == "worktree"
    assert agents[1].values["tools"] == ["WebSearch", "Read", "WebSearch", UNKNOWN, "!Bash(git:*)"]
    assert agents[2].values["tools"] is UNKNOWN
    commands = [call.text("command") for call in calls if call.function in ("sh", "gate", "until_green")]
    assert commands == ["npm test", None, None, "pytest -q", "git stash"]
    assert [(call.text("server"), call.text("tool")) for call in calls if call.function == "mcp"] == [("github", "get")]


def test_lines_are_those_of_the_calls() -> None:
    assert [call.line for call in javascript_calls("\n\nsh('a');\n\nawait agent(\n'x',\n{})\n")] == [3, 5]
    assert [call.line for call in python_calls("from tenuto import sh, agent\n\nsh('a')\nagent(\n'x')\n")] == [3, 4]


@pytest.mark.parametrize("declared", ["const sh = 1;", "function sh() {}", "xs.map(sh => sh('x'));", "const {sh} = x;"])
def test_a_name_that_the_script_gives_another_meaning_is_not_ours(declared: str) -> None:
    assert [call for call in javascript_calls(f"{declared} sh('git stash')") if call.function == "sh"] == []


def found(text: str, *, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> list[str]:
    judged = rules(allow, deny)
    return [line for call in javascript_calls(text) for line in refusals(call, judged, WORKSPACE)]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('agent("x", {tools: ["WebSearch"]})', "agent() names WebSearch, which this run does not allow"),
        ('agent("x", {tools: ["Bsh"]})', "did you mean Bash?"),
        ('agent("x", {tools: ["!Bsh"]})', "did you mean Bash?"),
        ('agent("x", {tools: ["mcp__github"]})', "names mcp__github"),
        ('agent("x", {tools: ["Bash(rm:*)"]})', "which the rule Bash(rm:*) denies"),
        ('agent("x", {tools: ["Bash(git commit:*)"]})', "checkout of its own"),
        ('agent("x", {tools: ["WebFetch(domain:b.org)"]})', "--allow 'WebFetch(domain:b.org)'"),
        ('sh("rm -rf x")', "sh() runs 'rm -rf x', which the rule Bash(rm:*) denies"),
        ('gate("git stash")', "--allow 'Bash(git stash:*)'"),
        ('untilGreen("sh -c \\"rm x\\"", f)', "untilGreen() runs"),
        ('mcp("github", "get")', "--allow mcp__github__get"),
        ('mcp("github", tool)', "--allow mcp__github"),
        ('read("../x")', "read() uses '../x'"),
        ('write("secret/x", "y")', "which the rule Edit(./secret/**) denies"),
    ],
)
def test_what_the_run_refuses_is_told_with_the_rule_that_would_allow_it(script: str, said: str) -> None:
    lines = found(script, allow=("WebFetch(domain:a.org)",), deny=("Bash(rm:*)", "Edit(./secret/**)"))
    assert len(lines) == 1
    assert said in lines[0]
    assert "\n" not in lines[0]


@pytest.mark.parametrize(
    "script",
    [
        'agent("x", {tools: ["Read", "Bash(npm test:*)", "Edit(docs/**)", "!WebSearch", "*"]})',
        'agent("x", {tools: []})',
        'agent("x", {tools: ["Bash(git commit:*)"], isolation: "worktree"})',
        'agent("x", {tools: ["Bash(git commit:*)"], isolation: where})',
        'agent("x", {tools: ["WebFetch(domain:a.org)"]})',
        'sh("npm test && git status")',
        "sh(command)",
        "gate(() => false)",
        'read("src/a"); write("a", "b"); glob("**/*.py"); grep("x", "*.py")',
    ],
)
def test_what_the_run_allows_is_not_told(script: str) -> None:
    assert found(script, allow=("WebFetch(domain:a.org)",)) == []


def test_tools_of_an_agent_definition_that_the_run_refuses_are_withheld_not_fatal() -> None:
    definitions = {
        "reviewer": AgentDefinition(
            name="reviewer", tools=["Read", "WebSearch", "TodoWrite"], path=".claude/agents/r.md"
        ),
        "plain": AgentDefinition(name="plain", tools=["Read", "*"]),
        "all": AgentDefinition(name="all"),
        "unused": AgentDefinition(name="unused", tools=["WebSearch"]),
    }
    lines = withheld({"reviewer", "plain", "all", "unknown"}, definitions, rules())
    assert lines == [
        "agent definition reviewer (.claude/agents/r.md) lists tools that this run withholds: WebSearch (allow it with "
        "--allow WebSearch); TodoWrite (it is no tool here)"
    ]


def test_names_that_are_not_there_are_told_once_with_their_first_line(tmp_path: Path) -> None:
    (tmp_path / ".claude" / "agents").mkdir(parents=True)
    (tmp_path / ".claude" / "agents" / "r.md").write_text("---\nname: reviewer\ndescription: d\n---\nReview.\n")
    (tmp_path / ".claude" / "workflows").mkdir()
    saved = "export const meta = { name: 'saved', description: 'd' };\n"
    (tmp_path / ".claude" / "workflows" / "saved.js").write_text(saved)
    script = javascript.load(
        "export const meta = { name: 'n', description: 'd' };\n"
        "await agent('a', { agentType: 'Explore' }); await agent('b', { agentType: 'reviewer' });\n"
        "await agent('c', { agentType: 'mason' });\n"
        "await agent('d', { agentType: 'mason' }); await agent('e', { agentType: pick() });\n"
        "await workflow('saved', { name: 'no name of a workflow' }); await workflow({ scriptPath: 'made/later.js' });\n"
        "await workflow('lost'); await workflow({ scriptPath: '.claude/workflows/saved.js' }, 'x');\n"
    )
    first, second, third, fourth = missing_names(script, tmp_path, tmp_path / "home")
    assert first.startswith("line 3 asks for the agent type 'mason', and there are: Explore, Plan, general-purpose,")
    assert second == "line 6 runs the workflow 'lost', and no saved workflow is named 'lost'; there are: saved"
    assert third == f"line 5 runs the script 'made/later.js', and there is no script at {tmp_path}/made/later.js"
    assert fourth.startswith("line 4 uses 'pick', which is neither")


BINDING = """export const meta = { name: 'n', description: 'd' };
const { a, b: [c = spare], ...d } = args ?? {}, [e, , ...f] = [1];
let g; var h = function inner(n) { return n && inner(n - 1) };
function i({ j, k: l }, [m], n = 1, ...o) { return [arguments, j, l, m, n, o] }
class P extends Error { #q = 1; static r = 2; get s() { return this.#q } t(u) { return super.t?.(u) } }
for (const v of [1]) v; for (const [w, x] of Object.entries({})) { w; x } for (let y = 0; y < 1; y++) y;
try { v2() } catch ({ message }) { log(message) } finally { z() }
async function* z() { yield* [] } function v2() {}
outer: for (const aa of []) { continue outer }
const bb = cc => ({ cc, dd: cc.ee, [a]: g, ff() { return h } }), gg = class Hh { static ii = Hh };
const jj = typeof process !== 'undefined' ? process.env.X : typeof fetch;
const kk = /(?<ll>x)/u.exec('x').groups.ll, spare = `${e} ${f} ${d} ${c} ${bb} ${gg} ${jj} ${kk} ${i} ${P}`;
return new Intl.NumberFormat().format(meta.name.length) + spare + new URL('https://x.example').host;
"""


def test_what_a_script_binds_or_asks_for_and_what_every_script_finds_is_known() -> None:
    assert unknown_names(BINDING) == []
    script = javascript.load(
        "export const meta = { name: 'n', description: 'd' };\nreturn Object.getOwnPropertyNames(globalThis)"
    )
    step = javascript.open_session(script, args=None, has_args=False, seed="s").start(StepContext(now=0.0))
    javascript.close_pool()
    assert isinstance(step, Finished)
    assert set(step.value) | {"Intl"} == set(GLOBALS)


def test_what_nothing_defines_is_named_with_its_first_line() -> None:
    source = "export const meta = {};\nawait fetch(x.y);\nprocess.exit(1);\nreturn { step, x: step() };\n"
    assert unknown_names(source) == [("fetch", 2), ("x", 2), ("process", 3), ("step", 4)]


def test_a_phase_with_a_ceiling_that_nobody_names_is_told() -> None:
    source = "phase('Free'); await agent(`x`, {phase: \"Late\"})"
    script = LoadedScript("javascript", source, "n", "d", (Phase("Listed"),), {})
    (line,) = unnamed_phases(script, ["Listed", "Free", "Late", "Nope"])
    assert "'Nope'" in line and "'Listed'" in line
    bare = LoadedScript("javascript", source, "n", "d", (), {})
    assert "its meta lists no phases" in unnamed_phases(bare, ["Nope"])[0]
