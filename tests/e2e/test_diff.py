"""`diff` says what resuming with a script would reuse, and a resumed run then does exactly that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .repository import tally
from .served import Served, ended, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]  # many commands each, on a machine that may be busy

SCRIPTS = {
    "py": """from tenuto import Meta, agent, parallel, review, vote
meta = Meta(name="chain", description="Found, then worked on", phases=["Find", "Fix"])
async def main(args):
    found = await parallel([agent(f"{args['name']} find {i}", phase="Find", label=f"find {i}") for i in range(4)])
    fixed = await parallel([agent(f"fix {text}", phase="Fix") for text in found])
    agreed = await vote("all good?", n=2)
    return [fixed, agreed["live"], await agent("sum up " + " ".join(text or "" for text in fixed), effort="low")]
""",
    "js": """export const meta = {name: "chain-js", description: "Found, then worked on", phases: [{title: "Find"}]}
phase("Find")
const found = await parallel([0, 1, 2, 3].map(i => () => agent(`${args.name} find ${i}`, {label: `find ${i}`})))
phase("Fix")
const fixed = await parallel(found.map(text => () => agent(`fix ${text}`)))
const agreed = await vote("all good?", {n: 2})
return [fixed, agreed.live, await agent("sum up " + fixed.join(" "), {effort: "low"})]
""",
}


def first(served: Served, name: str, dialect: str, source: str, *words: str, code: int = 0) -> dict[str, Any]:
    served.tenuto.script(f"{name}.{dialect}", source)
    args = json.dumps({"name": name})
    return ended(
        served.follow("run", f"{name}.{dialect}", "--args", args, "--id", f"wf_{name}", "--json", *words), code
    )


def diff(served: Served, name: str, dialect: str, source: str) -> dict[str, Any]:
    served.tenuto.script(f"{name}-edited.{dialect}", source)
    asked = len(served.api.requests())
    found = served.tenuto.json("diff", f"wf_{name}", f"{name}-edited.{dialect}")
    assert len(served.api.requests()) == asked
    return dict(found)


def resumed(served: Served, name: str, dialect: str, *words: str) -> dict[str, Any]:
    args = json.dumps({"name": name})
    line = ("run", f"{name}-edited.{dialect}", "--args", args, "--resume-from", f"wf_{name}", "--json", *words)
    out, err = served.follow(*line).communicate(timeout=50)
    assert out, err
    return dict(json.loads(out))


def made(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [call for call in found["calls"] if call["verdict"] == "run"]


@pytest.mark.parametrize("dialect", ["py", "js"])
def test_the_same_script_reuses_all_and_labels_change_nothing(served: Served, dialect: str) -> None:
    name = f"same-{dialect}"
    first(served, name, dialect, SCRIPTS[dialect])
    edited = SCRIPTS[dialect].replace('"Find"', '"Renamed"').replace("label", "label")
    found = diff(served, name, dialect, edited)
    assert (found["reuse"], found["run"], found["complete"], found["unused"]) == (11, 0, True, [])
    assert found["ended"]["how"] == "finished"
    report = resumed(served, name, dialect)
    assert (report["census"]["cached"], report["census"]["done"]) == (11, 0)
    served.tenuto("down")
    assert served.tenuto.json("diff", f"wf_{name}", f"{name}-edited.{dialect}") == found
    served.tenuto.json("up")


@pytest.mark.parametrize("dialect", ["py", "js"])
def test_an_edit_is_named_and_what_rests_on_its_result_is_marked(served: Served, dialect: str) -> None:
    name = f"edit-{dialect}"
    first(served, name, dialect, SCRIPTS[dialect])
    edited = SCRIPTS[dialect].replace("effort", "model").replace('"low"', '"haiku"')
    edited = edited.replace(" find {i}", " look {i}") if dialect == "py" else edited.replace(" find ${i}", " look ${i}")
    found = diff(served, name, dialect, edited)
    # The four are certain. What is fixed depends on what they find, and is taken as before.
    assert found["certain"] == {"reuse": 0, "run": 4}
    assert (found["reuse"], found["run"], found["complete"]) == (6, 5, False)
    assert [call["changed"] for call in made(found)] == [["prompt"]] * 4 + [["model", "effort"]]
    assert [call["nearest"] for call in made(found)] == ["a1", "a2", "a3", "a4", "a11"]
    assert ("look" in made(found)[0]["after"], "find" in made(found)[0]["before"]) == (True, True)
    told = served.tenuto("diff", f"wf_{name}", f"{name}-edited.{dialect}").stdout
    assert "reuse 6, run 5" in told
    assert "changed: prompt (was a1)" in told
    only_last = diff(served, name, dialect, SCRIPTS[dialect].replace('"low"', '"high"'))
    # All calls are certain; whether its result leads to others cannot be.
    assert (only_last["certain"], only_last["complete"]) == ({"reuse": 10, "run": 1}, False)
    assert made(only_last)[0]["changed"] == ["effort"]
    report = resumed(served, name, dialect)
    assert (report["census"]["cached"], report["census"]["done"]) == (10, 1)


def test_a_call_that_failed_one_that_is_new_and_one_that_went_are_told_apart(served: Served) -> None:
    served.api.control(rules=[{"match": {"prompt_contains": "find 2"}, "fault": {"status": 400}}])
    source = SCRIPTS["py"].replace("for text in found]", "for text in found if text]")
    first(served, "told", "py", source, code=3)
    edited = source.replace("range(4)", "range(1, 4)").replace(
        "    agreed", '    await agent("12345 67890")\n    agreed'
    )
    found = diff(served, "told", "py", edited)
    failed, new = made(found)[:2]
    assert "it has no value there: invalid_request_error" in failed["why"]
    assert (failed["nearest"], new["label"], "new" in new["why"]) == ("a3", "12345 67890", True)
    assert {"agent": "a1", "label": "find 0", "phase": "Find"} in found["unused"]
    assert found["complete"] is False


def test_what_nobody_can_know_is_not_guessed(served: Served) -> None:
    source = SCRIPTS["py"].replace('"{args', '"{args')
    first(served, "honest", "py", source)
    edited = source.replace("    fixed =", '    more = await agent("something else entirely: 12345")\n    fixed =')
    edited = edited.replace("for text in found]", "for text in [more]]")
    found = diff(served, "honest", "py", edited)
    assert (found["reuse"], found["run"]) == (4, 1)
    assert (found["ended"]["how"], found["complete"]) == ("waits", False)
    assert "something else entirely" in found["ended"]["waits_for"][0]
    assert "depends on results" in served.tenuto("diff", "wf_honest", "honest-edited.py").stdout


def test_files_and_steps_of_the_workspace_count(served: Served, tmp_path: Path) -> None:
    folder = tally(tmp_path / "tally")
    reply = {"tool_use": [{"name": "Write", "input": {"file_path": "made.txt", "content": "made"}}]}
    served.api.control(rules=[{"match": {"prompt_contains": "write it.", "turn": 1}, "reply": reply}])
    source = """from tenuto import Meta, agent, gate, glob, read, sh, write
meta = Meta(name="steps", description="Steps too")
async def main(args):
    await agent("write it.")
    for path in await glob("*.md"):
        await agent("look at " + path + await read(path))
    await write("note.txt", "x")
    out = await sh("echo hi")
    await agent("with inputs " + out["stdout"], inputs=["README.md"])
    g = await gate("true")
    return await agent(f"last {g['passed']}")
"""
    first(served, "steps", "py", source, "--workspace", str(folder))
    found = diff(served, "steps", "py", source)
    calls = len(found["calls"])
    assert (found["run"], found["reuse"], found["ended"]["how"]) == (0, calls, "finished")
    assert found["complete"] is False
    assert found["again"] == {"gate": 1}  # a gate never comes from an earlier run; the command still holds
    (folder / "README.md").write_text("other")
    (folder / "made.txt").write_text("by hand")
    changed = diff(served, "steps", "py", source)
    assert changed["again"] == {"sh": 1, "gate": 1}
    whys = {call["label"]: (call["changed"], call["why"]) for call in made(changed)}
    assert "made.txt no longer has the content" in whys["write it."][1]
    assert whys["with inputs hi"][0] == ["inputs"] or "inputs" in whys["with inputs hi"][1]
    assert any(changed_parts == ["prompt"] for changed_parts, _ in whys.values())


@pytest.mark.parametrize("dialect", ["py", "js"])
def test_votes_revisions_and_answers_count_as_a_resumed_run_takes_them(served: Served, dialect: str) -> None:
    name = f"voted-{dialect}"
    verdicts = {"pass": {"verdict": "pass", "objections": [], "evidence": ["e"]}}
    verdicts["fail"] = {"verdict": "fail", "objections": ["no"], "evidence": ["e"]}
    rules = [
        {"match": {"prompt_contains": "<work>\nthe mended"}, "reply": {"text": json.dumps(verdicts["pass"])}},
        {"match": {"prompt_contains": "<work>\nthe draft"}, "reply": {"text": json.dumps(verdicts["fail"])}},
        {"match": {"prompt_contains": "write a draft", "turn": 2}, "reply": {"text": "the mended"}},
        {"match": {"prompt_contains": "write a draft"}, "reply": {"text": "the draft"}},
    ]
    served.api.control(rules=rules)
    source = {
        "py": """from tenuto import Meta, agent, ask, review
meta = Meta(name="voted", description="Reviewed")
async def main(args):
    held = await review(await agent("write a draft"), revise="Mend it.")
    answer = await ask("Ship it?", options=["yes", "no"])
    return [held["verdict"], answer, await agent(f"ship {held['final']} {answer}")]
""",
        "js": """export const meta = {name: "voted-js", description: "Reviewed"}
const held = await review(await agent("write a draft"), {revise: "Mend it."})
const answer = await ask("Ship it?", {options: ["yes", "no"]})
return [held.verdict, answer, await agent(`ship ${held.final} ${answer}`)]
""",
    }[dialect]
    served.tenuto.script(f"{name}.{dialect}", source)
    follower = served.follow(
        "run", f"{name}.{dialect}", "--args", json.dumps({"name": name}), "--id", f"wf_{name}", "--json"
    )
    until(lambda: '"state": "open"' in served.tenuto("show", f"wf_{name}", "--json").stdout)
    served.tenuto.json("answer", f"wf_{name}", "yes")
    report = ended(follower)
    assert report["result"][:2] == ["confirmed", "yes"]
    found = diff(served, name, dialect, source)
    assert (found["reuse"], found["run"], found["complete"]) == (report["census"]["agents"], 0, True)
    edited = diff(served, name, dialect, source.replace("ship ", "send "))
    assert (edited["run"], made(edited)[0]["certain"], made(edited)[0]["changed"]) == (1, True, ["prompt"])
    again = resumed(served, name, dialect)
    assert (again["census"]["cached"], again["census"]["done"]) == (report["census"]["agents"] - 1, 1)
    other = diff(served, name, dialect, source.replace("write a draft", "write another draft"))
    assert (other["certain"], other["complete"]) == ({"reuse": 0, "run": 1}, False)


def test_what_the_sides_of_a_disputed_work_say_is_in_a_later_prompt_as_a_run_has_it(served: Served) -> None:
    said = {"verdict": "pass", "objections": [], "evidence": ["it runs"]}
    against = {"verdict": "fail", "objections": ["it leaks"], "evidence": []}
    rules = [
        {"match": {"prompt_contains": f"lens: {lens}"}, "reply": {"text": json.dumps(answer)}}
        for lens, answer in (("alpha", said), ("beta", against))
    ]
    served.api.control(rules=rules)
    source = """from tenuto import Meta, agent, review
meta = Meta(name="sides", description="Two sides")
async def main(args):
    held = await review("the work", lenses=["alpha", "beta"])
    return [held["objections"], await agent("settle: " + "; ".join(held["objections"]))]
"""
    served.tenuto.script("sides.py", source)
    report = ended(served.follow("run", "sides.py", "--id", "wf_sides", "--json"))
    assert report["result"][0] == ["it leaks", "passed (alpha): it runs"]
    found = served.tenuto.json("diff", "wf_sides", "sides.py")
    assert (found["reuse"], found["run"], found["complete"]) == (3, 0, True)


def test_bad_input_is_one_line(served: Served) -> None:
    served.tenuto.script("bad.py", "nonsense(")
    first(served, "plain", "py", SCRIPTS["py"])
    assert served.tenuto("diff", "wf_never", "plain.py").returncode == 2
    assert served.tenuto("diff", "wf_plain", "absent.py").returncode == 2
    assert served.tenuto("diff", "wf_plain", "bad.py").returncode == 2
