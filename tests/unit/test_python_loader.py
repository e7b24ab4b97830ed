"""What loading a Python script finds, and what it lets through."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_monty import Monty, MontyError

import tenuto
from tenuto.workflows.script import python
from tenuto.workflows.script.protocol import Phase, ScriptLoadError
from tenuto.workflows.script.python_constructs import MODULES
from tenuto.workflows.script.python_prelude import PUBLIC_NAMES

from .python_play import HEAD_LINES, result, script

MAIN = "async def main(args):\n    return 1\n"
META = 'from tenuto import Meta\nmeta = Meta(name="a", description="b")\n'

# (whole script, line, column, part of the reason, part of the hint)
WHOLE: list[tuple[str, int | None, int | None, str, str]] = [
    ("x = 1\n" + MAIN, None, None, "no `meta`", "meta = Meta("),
    ("meta = 3\n" + MAIN, 1, 8, "meta must be `Meta(…)`", "Meta("),
    ('meta = Meta("a", "b")\n' + MAIN, 1, 13, "keyword arguments", "name="),
    ('meta = Meta(name="", description="b")\n' + MAIN, 1, 8, "meta needs a name", "name="),
    ('meta = Meta(name="a")\n' + MAIN, 1, 8, "meta needs a description", "description="),
    ('meta = Meta(name=3, description="b")\n' + MAIN, 1, 18, "meta.name must be a text", ""),
    ('meta = Meta(name="a", description=f"{1}")\n' + MAIN, 1, 35, "must be a literal", "not literals"),
    ('meta = Meta(name="a", description="b", **more)\n' + MAIN, 1, 42, "must be a literal", ""),
    ('meta = Meta(name="a", description="b", phases="Find")\n' + MAIN, 1, 47, "list of titles", "phases="),
    ('meta = Meta(name="a", description="b", phases=[3])\n' + MAIN, 1, 48, "texts", ""),
    ('meta = Meta(name="a", description="b", limits={"agent": 3})\n' + MAIN, 1, 47, "meta.limits", ""),
    ('meta = Meta(name="a", description="b", limits={"agents": -3})\n' + MAIN, 1, 47, "over 0", ""),
    (META + "x = 1\n", None, None, "no `main`", "async def main(args)"),
    (META + "def main(args):\n    return 1\n", 3, 1, "must be asynchronous", "async def main"),
    (META + "async def main(a, b):\n    return 1\n", 3, 1, "one parameter", "args"),
    (META + "def f(:\n    pass\n" + MAIN, 3, 7, "syntax error", ""),
    (META + "await f()\n" + MAIN, 3, 1, "'await' outside function", ""),
    (META + "x = 'é'; return 3\n" + MAIN, 3, 10, "'return' outside function", ""),
    (META + "x = (" * 300 + "\n" + MAIN, 3, None, "syntax error", ""),
    ("#" * 600_000 + "\n" + META + MAIN, None, None, "512 KiB", "--args"),
]

# (body behind a good head, line in the body, column, part of the reason, part of the hint)
BODIES: list[tuple[str, int, int | None, str, str]] = [
    ("def f():\n    yield 1\n" + MAIN, 2, 5, "`yield`", "list"),
    ("def f():\n    é = 'é'; yield é\n" + MAIN, 2, 14, "`yield`", "list"),
    ("async def f(x):\n    async with x: pass\n" + MAIN, 2, 5, "`async with`", "finally"),
    ("async def f(x):\n    async for y in x: pass\n" + MAIN, 2, 5, "`async for`", "for"),
    ("async def f(x):\n    return [y async for y in x]\n" + MAIN, 2, 25, "asynchronous", "parallel"),
    ("class E(Exception): pass\n" + MAIN, 1, 1, "inheritance", "RuntimeError"),
    ("from typing import TypedDict\nclass T(TypedDict):\n    a: int\n" + MAIN, 2, 1, "inheritance", "dataclass"),
    ("class A:\n    @property\n    def b(self): return 1\n" + MAIN, 2, 6, "`@property`", "method"),
    ("d = {'a': 1}\ndel d['a']\n" + MAIN, 2, 1, "`del`", "pop"),
    ("import asyncio\nt = asyncio.create_task(agent('x'))\n" + MAIN, 2, 5, "create_task", "parallel"),
    ("import asyncio\ns = asyncio.Semaphore(3)\n" + MAIN, 2, 5, "Semaphore", "--concurrency"),
    (
        "import asyncio\nasync def main():\n    return await asyncio.gather(agent('x'), return_exceptions=True)\n",
        *(3, 45, "return_exceptions", "None in its slot"),
    ),
    ("import enum\n" + MAIN, 1, 1, "`enum`", "Literal"),
    ("import requests\n" + MAIN, 1, 1, "`requests`", "json"),
    ("from os import *\n" + MAIN, 1, 1, "import *", "name"),
    ("from . import x\n" + MAIN, 1, 1, "one file", ""),
    ("import tenuto\n" + MAIN, 1, 1, "import tenuto", "from tenuto import"),
    ("from tenuto import agent, nope\n" + MAIN, 1, 27, "`nope`", "pipeline"),
    ("async def main():\n    return open('x').read()\n", 2, 12, "files", "--args"),
    ("from dataclasses import asdict\n" + MAIN, 1, None, "cannot import name 'asdict'", ""),
    ("async def main():\n    from dataclasses import replace\n    return replace\n", 2, None, "'replace'", ""),
    ("import typing\nasync def main():\n    return typing.get_args(3)\n", 3, None, "get_args", ""),
    ("import os\nasync def main():\n    return os.environ['HOME']\n", 3, None, "os.environ", ""),
    ("async def main():\n    return await agent('x', labl='y')\n", 2, 29, "`labl`", ""),
    ("async def main():\n    return await agent('x', stall_ms='y')\n", 2, 29, "int", ""),
    ("async def main():\n    return undefined\n", 2, 12, "`undefined`", ""),
    ("async def main():\n    agent('x')\n", 2, 5, "not awaited", "await"),
    ("async def main():\n    return await pipeline([1], lambda x: x, lambda x: x)\n", 2, 45, "pipeline", ""),
    ("async def main():\n    x: int = 'a'\n    return x + missing\n", 2, 14, "assignable", "1 more type error follows"),
    ("x = {}['a']\n" + MAIN, 1, None, "KeyError", ""),
    (
        "import asyncio\nasync def main():\n    await agent('x')\nasyncio.run(main())\n",
        4,
        1,
        "run itself",
        "leave this line out",
    ),
]


@pytest.mark.parametrize(("source", "line", "column", "reason", "hint"), WHOLE)
def test_a_script_that_cannot_run_is_refused_with_its_place(
    source: str, line: int | None, column: int | None, reason: str, hint: str
) -> None:
    with pytest.raises(ScriptLoadError) as caught:
        python.load(source, "audit.py")
    error = caught.value
    assert reason in error.reason
    assert hint in (error.hint or "")
    assert error.line == line
    assert column is None or error.column == column
    assert str(error).startswith("audit.py:")
    assert line is None or error.source_line == source.split("\n")[line - 1]


@pytest.mark.parametrize(("body", "line", "column", "reason", "hint"), BODIES)
def test_what_the_interpreter_lacks_and_type_errors_are_found_before_the_run(
    body: str, line: int, column: int | None, reason: str, hint: str
) -> None:
    with pytest.raises(ScriptLoadError) as caught:
        python.load(script(body))
    error = caught.value
    assert reason in error.reason
    assert hint in (error.hint or "")
    assert error.line == line + HEAD_LINES
    assert column is None or error.column == column


def test_meta_is_read_as_plain_json() -> None:
    loaded = python.load(
        '"""Doc."""\nfrom tenuto import Meta, Phase\n'
        'meta: Meta = Meta(name="a-b", description="c", when_to_use="often", limits={"agents": 5, "usd": 2.5},\n'
        '    phases=["Find", Phase("Verify", detail="d", model="opus")])\n' + MAIN
    )
    assert (loaded.dialect, loaded.name, loaded.description, loaded.when_to_use) == ("python", "a-b", "c", "often")
    assert loaded.phases == (Phase("Find"), Phase("Verify", "d", "opus"))
    assert loaded.limits == {"agents": 5, "usd": 2.5}
    assert loaded.meta == {
        "name": "a-b",
        "description": "c",
        "when_to_use": "often",
        "limits": {"agents": 5, "usd": 2.5},
        "phases": [{"title": "Find"}, {"title": "Verify", "detail": "d", "model": "opus"}],
    }


IDIOMS: list[tuple[str, Any]] = [
    ("from typing import Any\nasync def main(args: Any = None) -> Any:\n    return args\n", None),
    (
        "from collections.abc import Awaitable, Callable\nfrom typing import Any, Literal, Optional, cast\n"
        "Stage = Callable[[str], Awaitable[Any]] | None\nKind = Literal['a']\nMaybe = Optional[int]\n"
        "async def main():\n    return cast('int', 3)\n",
        3,
    ),
    (
        "from tenuto import (\n    agent as ask,\n    log as say,\n); x = 5\n"
        "async def main():\n    return [x, await ask('q')]\n",
        [5, "q"],
    ),
    ("async def main():\n    from tenuto import agent as ask\n    return await ask('q')\n", "q"),
    ("import asyncio\nasync def main():\n    return 4\nif __name__ == '__main__':\n    asyncio.run(main())\n", 4),
    ("import re\nP = re.compile('\\d+')\nasync def main():\n    return P.findall('a1b22')\n", ["1", "22"]),
    (
        "import asyncio\nasync def main():\n    return await asyncio.gather(*[agent(str(i)) for i in range(2)])\n",
        ["0", "1"],
    ),
    (
        "async def main():\n    for effort in ['low', 'high']:\n"
        "        await agent('x', effort=effort)\n    return 1\n",
        1,
    ),
    (
        "from dataclasses import dataclass, field\n@dataclass\nclass P:\n"
        "    x: int\n    y: list[str] = field(default_factory=list)\n"
        "    def z(self) -> int:\n        return self.x + 1\nasync def main():\n    return [P(1), P(2).z()]\n",
        [{"x": 1, "y": []}, 3],
    ),
]


@pytest.mark.parametrize(("body", "expected"), IDIOMS)
def test_idiomatic_python_loads_and_runs(body: str, expected: Any) -> None:
    assert result(body) == expected


def test_future_annotations_may_come_first() -> None:
    source = "from __future__ import annotations\n" + script("async def main():\n    return 1\n")
    assert python.load(source).name == "test"


def test_line_numbers_survive_the_rewriting_of_imports() -> None:
    body = "from tenuto import (\n    agent as a,\n    log as b,\n)\n\nx = [][0]\n" + MAIN
    with pytest.raises(ScriptLoadError) as caught:
        python.load(script(body))
    assert caught.value.line == HEAD_LINES + 6


def test_a_loop_at_module_level_is_left_to_the_run_to_judge() -> None:
    assert python.load(script("while True: pass\n" + MAIN)).name == "test"


def test_every_module_that_may_be_imported_is_there() -> None:
    with Monty() as pool, pool.checkout() as session:
        for module in sorted(MODULES - {"tenuto", "collections.abc"}):
            try:
                session.feed_run(f"import {module}" if module != "__future__" else "from __future__ import annotations")
            except MontyError as error:
                pytest.fail(f"{module}: {error}")


def test_the_published_names_are_those_a_script_may_import() -> None:
    assert set(tenuto.__all__) == PUBLIC_NAMES


@pytest.mark.parametrize("name", ["log", "now", "phase", "failures"])
def test_outside_a_run_the_functions_say_how_to_run_a_script(name: str) -> None:
    arguments = ["x"] if name in ("log", "phase") else []
    with pytest.raises(RuntimeError, match="tenuto run FILE"):
        getattr(tenuto, name)(*arguments)


async def test_outside_a_run_an_agent_says_how_to_run_a_script() -> None:
    with pytest.raises(RuntimeError, match="tenuto run FILE"):
        await tenuto.agent("x")
    with pytest.raises(RuntimeError, match="tenuto run FILE"):
        tenuto.budget.spent()
