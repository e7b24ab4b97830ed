"""What a JavaScript script is refused for, where the caret is, and what is taken as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tenuto.workflows.script import javascript
from tenuto.workflows.script.protocol import (
    MAX_SOURCE_BYTES,
    InterpreterBusy,
    LoadedScript,
    Phase,
    ScriptLoadError,
    StepContext,
)

META = 'export const meta = { name: "n", description: "d" };\n'


@pytest.fixture(scope="module", autouse=True)
def _interpreters() -> Iterator[None]:
    yield
    javascript.close_pool()


def refusal(source: str) -> ScriptLoadError:
    deadline = time.monotonic() + 40
    with pytest.raises(ScriptLoadError) as caught:
        while True:
            try:
                javascript.load(source, "flow.js")
                break
            except InterpreterBusy:  # says nothing about the script: to be tried again
                assert time.monotonic() < deadline
    return caught.value


def test_all_of_meta_is_kept_with_its_known_fields_read() -> None:
    script = javascript.load(
        "export const meta = { name: 'a', description: 'b', whenToUse: 'c', model: 'x', extra: [1, -2.5, null, true],\n"
        "  phases: [{ title: 'P', detail: 'q', model: 'haiku' }, { title: 'R' }], limits: { agents: 5, usd: 1.5 } }\n"
    )
    assert script == LoadedScript(
        dialect="javascript",
        source=script.source,
        name="a",
        description="b",
        phases=(Phase("P", "q", "haiku"), Phase("R")),
        meta=script.meta,
        when_to_use="c",
        limits={"agents": 5, "usd": 1.5},
    )
    assert script.meta["extra"] == [1, -2.5, None, True]


@pytest.mark.parametrize(
    "meta",
    [
        "{ name: 'n', description: `d` }",
        "{ 'name': 'n', \"description\": 'it\\'s \\u0064 `x` ${y}', }",
        "{ /* one */ name: 'n', // two }\n description: 'd' }",
        "{ name: 'n', description: 'one ' + 'two ' +\n 'three' }",
        "{ name: ('n'), description: 'd', 3: 1, ['k']: 2, empty: {}, list: [[]] }",
    ],
)
def test_meta_may_be_any_literal(meta: str) -> None:
    assert javascript.load(f"export const meta = {meta};\nreturn 1;\n").name == "n"


@pytest.mark.parametrize(
    "head",
    [
        "",
        "// export const meta = {}\n",
        "/** a\n * b **/ /* c */\n",
        "#!/usr/bin/env tenuto\n",
        "\n\n   \t",
        "// a\u2028// b\n",
    ],
)
def test_only_comments_and_blanks_may_come_before_meta(head: str) -> None:
    script = javascript.load(head + META + "return meta.name;\n")
    session = javascript.open_session(script, args=None, has_args=False, seed=repr(head))
    assert getattr(session.start(StepContext(now=0.0)), "value", None) == "n"
    session.close()


@pytest.mark.parametrize(
    ("source", "reason", "place"),
    [
        (META + "import a from 'a';", "`import` is not available", (2, 1)),
        (META + "const a = await import('a');", "`import()`", (2, 17)),
        (META + "const here = import.meta.url;", "`import.meta`", (2, 14)),
        (META + "  export { x };", "only `meta`", (2, 3)),
        (META + "export * from 'x';", "only `meta`", (2, 1)),
        (META + "export default {};", "`export default`", (2, 1)),
        (META + "const a = require('a');", "`require()`", (2, 11)),
        (META + "module.exports = {};", "`module.exports`", (2, 1)),
        ("const x = 1;\n" + META, "must be the first statement", (2, 1)),
        ("'use strict';\n" + META, "must be the first statement", (2, 1)),
        ("export let meta = { name: 'n', description: 'd' };", "only `meta`", (1, 1)),
        ("export const meta = make();", "must be an object written out", (1, 21)),
        ("export const meta = { name: 'n', description: `d ${1}` };", "`${…}` is not", (1, 50)),
        ("export const meta = { name: 'n', description: 'd', ...more };", "`...` is not", (1, 52)),
        ("export const meta = { name: 'n', description: 'd', f() {} };", "`f() {}` is not", (1, 52)),
        ("export const meta = { name: 'n', description: 'd', short };", "`short` is not", (1, 52)),
        ("export const meta = { name: ' ', description: 'd' };", "meta.name must be", (1, 21)),
        ("export const meta = { name: 'n', description: 7 };", "meta.description must be", (1, 21)),
        ("export const meta = { name: 'n', description: 'd', phases: {} };", "meta.phases must be", (1, 21)),
        ("export const meta = { name: 'n', description: 'd', phases: [{}] };", "must have a title", (1, 21)),
        ("export const meta = { name: 'n', description: 'd', limits: { usd: 0 } };", "limits.usd", (1, 21)),
        ("def main(args):\n    return 1\n", "must be `export const meta", (1, 1)),
        (META + "const x = ;", "syntax error", (2, 11)),
        (META + "const é = 'ü😀'; const x = ;", "syntax error", (2, 27)),
        (META + "let a = 1;\nlet a = 2;", "syntax error", (3, 7)),
        (META + "if (x) {", "ends before", (2, None)),
        (META + "}); (function () {", "syntax error", None),
        (META + "}, function () {", "closes a brace", None),
    ],
)
def test_a_refusal_names_reason_and_place(source: str, reason: str, place: tuple[int, int | None] | None) -> None:
    error = refusal(source)
    assert reason in error.reason
    if place is not None:
        assert (error.line, error.column) == place
        assert error.source_line == source.split("\n")[place[0] - 1]


def test_a_refusal_is_complete_for_a_person() -> None:
    assert str(refusal(META + "const total: number = 1;")) == (
        "flow.js:2:12: syntax error: missing initializer for variable\n"
        "    const total: number = 1;\n"
        "               ^\n"
        "hint: this looks like TypeScript; scripts are plain JavaScript"
    )


@pytest.mark.parametrize(
    ("source", "reason", "hint", "line"),
    [
        ("import { agent, log } from 'tool';\n" + META, "`import` is not", "leave it out: agent, log are there", 1),
        ("import config from '../c.js';\n" + META, "`import` is not", "write what the other file gives into", 1),
        (META + "import fs from 'node:fs';", "`import` is not", "from an agent, or from read()", 2),
        (META + "const fs = require('fs');", "`require()`", "from an agent, or from read()", 2),
        (META + "export default await agent('x');", "`export default`", "write `return` in place of", 2),
        (META + "export default async ({ agent }, args) => agent(args);", "`export default`", "at the top level", 2),
        (META + "export default async function run(hooks) {}", "`export default`", "at the top level", 2),
        ("export default defineFlow({ steps: [] });", "`export default`", "plain code below `meta`", 1),
        (
            "export default defineFlow({ steps: [] });",
            "`export default`",
            "Start the script with: export const meta",
            1,
        ),
        (
            "export const metadata = { id: 'a' };\nexport default function () {}",
            "this is `metadata`",
            "export const meta",
            1,
        ),
        ("const s = schema();\ntool.defineWorkflow({ s });", "`defineWorkflow()` is of another tool", "plain code", 1),
        ("const a = await agent({ prompt: 'x' });", "must be `export const meta", "export const meta", 1),
        (META + "const a = await agent({ prompt: 'x', label: 'y' });", "takes the prompt first", "agent(prompt, {", 2),
        (META + "return phase('Find', async () => agent('x'));", "would never be called", "phase('…') by itself", 2),
    ],
)
def test_a_script_of_another_tool_is_told_how_it_becomes_one_of_ours(
    source: str, reason: str, hint: str, line: int
) -> None:
    error = refusal(source)
    assert reason in error.reason
    assert hint in (error.hint or "")
    assert error.line == line


@pytest.mark.parametrize(
    "body",
    [
        "const agent = ({ prompt }) => prompt;\nreturn agent({ prompt: 'x' });",
        "const run = (agent) => agent({ prompt: 'x' });\nreturn run(log);",
        "return agent({ text: 'the original makes text of it' });",
        "const phase = (title, run) => run();\nreturn phase('Find', () => 1);",
        "if (typeof module !== 'undefined') module.exports = { meta };\nreturn 1;",
        "const fs = typeof require === 'function' ? require('fs') : null;\nreturn fs;",
        "function Made() { return new.target }\nreturn new Made();",
    ],
)
def test_what_a_script_binds_itself_or_asks_for_first_is_its_own_affair(body: str) -> None:
    assert javascript.load(META + body).name == "n"


def test_look_alikes_in_strings_comments_and_names_are_no_trouble() -> None:
    javascript.load(
        META + "// import x from 'y'\nconst text = `export default ${'require(1)'} import('x')`;\n"
        "const require = (name) => name;\nconst exports = { module: 1 };\n"
        "return [text, require('a'), exports.module];\n"
    )


def test_a_script_up_to_512_kib_loads_and_a_longer_one_does_not() -> None:
    filler = "// " + "x" * 96 + "\n"
    body = META + filler * ((MAX_SOURCE_BYTES - len(META)) // len(filler))
    assert javascript.load(body).name == "n"
    assert "512 KiB" in refusal(body + filler).reason


@pytest.mark.parametrize("hang", ["(() => { while (true); })()", "new Array(2 ** 32 - 1).join('')"])
def test_a_script_that_hangs_the_compiler_is_refused_and_not_waited_for(hang: str) -> None:
    assert "compile" in refusal(META + "}, " + hang + ", function () {").reason
