"""What defines a check is fixed before the work begins: every way around it is seen, with its evidence."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.run_setup import SetupActivities
from tenuto.activities.steps import gate_files
from tenuto.workflows import gate_rules
from tenuto.workflows.gate_contracts import LookAtGateFilesInput, LookAtGateFilesResult
from tenuto.workflows.policy.decide import DEFAULT_ALLOW
from tenuto.workflows.setup_contracts import Policy, PrepareRunInput
from tenuto.workflows.step_contracts import RunCommandResult

from .conftest import RUN, Stage

FILES = {
    "calc.py": "def add(a, b):\n    return a - b\n",
    "tests/test_calc.py": (
        "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n\n\n"
        "def test_zero():\n    assert add(0, 0) == 0\n"
    ),
    "check.sh": "#!/bin/sh\nset -e\nsh scripts/inner.sh\npython -m pytest -q\n",
    "scripts/inner.sh": "python scripts/verify.py\n",
    "scripts/verify.py": "import calc\nassert calc.add(2, 2) == 4\n",
    "package.json": '{"name": "x", "version": "1", "scripts": {"test": "sh check.sh"}}\n',
    "pyproject.toml": '[project]\nname = "x"\ndependencies = []\n\n[tool.pytest.ini_options]\naddopts = "-q"\n',
    "Makefile": "check: lint\n\tsh ci/run.sh\n\nrun:\n\tpython calc.py\n",
    "ci/run.sh": "exit 1\n",
    "README.md": "x\n",
    "spec/design.md": "d\n",
    ".gitignore": "build/\n.venv/\n",
}
COMMAND = "sh check.sh"
PASSED = RunCommandResult(exit_code=0)


@pytest.fixture
async def fixed(stage: Stage) -> Stage:
    """A workspace whose start was written down."""
    for path, text in FILES.items():
        (stage.root / path).parent.mkdir(parents=True, exist_ok=True)
        (stage.root / path).write_text(text)
    await look(stage, fix=True)
    return stage


async def look(stage: Stage, **given: Any) -> LookAtGateFilesResult:
    result = await stage.run(LookAtGateFilesInput, **{"command": COMMAND, **given})
    assert isinstance(result, LookAtGateFilesResult)
    return result


def write(path: str, text: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    return change


def replace(path: str, before: str, after: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert before in text
        (root / path).write_text(text.replace(before, after))

    return change


def remove(path: str) -> Callable[[Path], object]:
    return lambda root: (root / path).unlink()


def link(path: str, target: str) -> Callable[[Path], object]:
    return lambda root: (root / path).symlink_to(target)


def both(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        for each in changes:
            each(root)

    return change


async def test_an_untouched_tree_has_nothing_against_it_and_the_same_hash(fixed: Stage) -> None:
    first, second = await look(fixed), await look(fixed)
    assert first == second
    assert gate_rules.objections(first) == []
    assert (first.now.tests, first.now.skips, first.now.assertions) == (2, 0, 2)


HONEST = {
    "the work itself": write("calc.py", "def add(a, b):\n    return a + b\n"),
    "a new test": write("tests/test_more.py", "def test_more():\n    assert 1 + 1 == 2\n"),
    "a dependency": replace("package.json", '"version": "1"', '"version": "2"'),
    "another dependency": replace("pyproject.toml", "dependencies = []", 'dependencies = ["rich"]'),
    "what a check leaves behind": write("tests/__pycache__/test_calc.pyc", "x"),
    "documentation": remove("README.md"),
    "a document beside specifications": replace("spec/design.md", "d", "more"),
    "a package without scripts": write("web/package.json", '{"name": "web"}\n'),
    "the registry of npm": write(".npmrc", "registry=https://registry.example.org\n"),
    "a linter that the check does not run": write("ruff.toml", "line-length = 90\n"),
    "weights of a model": write("build/model.pth", "x"),
    "what was made in an ignored folder": write("build/conftest.py", "x = 1\n"),
}


@pytest.mark.parametrize("change", HONEST.values(), ids=HONEST.keys())
async def test_honest_work_has_nothing_against_it(fixed: Stage, change: Callable[[Path], object]) -> None:
    change(fixed.root)
    assert gate_rules.objections(await look(fixed)) == []


CHEATS = {
    "a test deleted": (remove("tests/test_calc.py"), "tests/test_calc.py", "fewer tests than at the start: 0"),
    "one of two tests deleted": (
        write("tests/test_calc.py", "from calc import add\n\n\ndef test_zero():\n    assert add(0, 0) == 0\n"),
        "tests/test_calc.py",
        "fewer tests than at the start: 1, there were 2",
    ),
    "a skip added": (
        replace("tests/test_calc.py", "def test_add", "@pytest.mark.skip\ndef test_add"),
        "tests/test_calc.py",
        "more skip markers than at the start: 1, there were 0",
    ),
    "a test commented out": (
        replace("tests/test_calc.py", "def test_add():\n    assert", "# def test_add():\n#     assert"),
        "tests/test_calc.py",
        "fewer tests",
    ),
    "a test in a text": (
        replace(
            "tests/test_calc.py",
            "def test_add():\n    assert add(1, 2) == 3\n",
            '"""\ndef test_add():\n    pass\n"""\n',
        ),
        "tests/test_calc.py",
        "fewer tests",
    ),
    "an assertion emptied": (
        replace("tests/test_calc.py", "assert add(1, 2) == 3", "assert True"),
        "tests/test_calc.py",
        "fewer assertions than at the start: 1, there were 2",
    ),
    "the script replaced": (write("check.sh", "exit 0\n"), "check.sh", "check.sh"),
    "a script that it calls": (write("scripts/inner.sh", "exit 0\n"), "scripts/inner.sh", "was changed"),
    "a program two calls away": (write("scripts/verify.py", "raise SystemExit(0)\n"), "scripts/verify.py", ""),
    "the scripts of a package": (
        replace("package.json", "sh check.sh", "exit 0"),
        "package.json",
        "a file that defines the check was changed",
    ),
    "the options of pytest": (replace("pyproject.toml", '"-q"', '"-q --co"'), "pyproject.toml", ""),
    "a conftest that ends it": (
        write("conftest.py", "import os\nos._exit(0)\n"),
        "conftest.py",
        "a file that decides how the check runs was added",
    ),
    "a conftest below the tests": (
        write("tests/conftest.py", "collect_ignore_glob = ['*']\n"),
        "tests/conftest.py",
        "",
    ),
    "a pytest of its own": (write("pytest.py", "print('1 passed')\n"), "pytest.py", ""),
    "a sitecustomize": (write("sitecustomize.py", "import os; os._exit(0)\n"), "sitecustomize.py", ""),
    "the Makefile": (replace("Makefile", "sh ci/run.sh", "true"), "Makefile", ""),
    "what the Makefile calls": (write("ci/run.sh", "exit 0\n"), "ci/run.sh", ""),
    "a conftest that git ignores": (
        both(write(".gitignore", "conftest.py\nbuild/\n"), write("conftest.py", "import os\nos._exit(0)\n")),
        "conftest.py",
        "was added",
    ),
    "a conftest that a nested file ignores": (
        both(write("scripts/.gitignore", "*\n!verify.py\n!inner.sh\n"), write("scripts/conftest.py", "x = 1\n")),
        "scripts/conftest.py",
        "was added",
    ),
    "a conftest that is a link": (
        both(write("build/c.py", "import os\nos._exit(0)\n"), link("conftest.py", "build/c.py")),
        "conftest.py",
        "was added",
    ),
    "a conftest that is a link out of the workspace": (link("conftest.py", "/nowhere/c.py"), "conftest.py", ""),
    "a Makefile that is a link now": (
        both(remove("Makefile"), write("build/M", "check:\n\ttrue\n"), link("Makefile", "build/M")),
        "Makefile",
        "was changed",
    ),
    "a Makefile that make prefers": (
        both(write(".gitignore", "GNUmakefile\nbuild/\n"), write("GNUmakefile", "check:\n\ttrue\n")),
        "GNUmakefile",
        "was added",
    ),
    "an ignored configuration of pytest": (
        both(write(".gitignore", "*.toml\n!pyproject.toml\n"), write(".pytest.toml", "[pytest]\n")),
        ".pytest.toml",
        "was added",
    ),
    "a pytest of its own, ignored": (
        both(write("pytest/.gitignore", "__*\n"), write("pytest/__main__.py", "print(1)\n")),
        "pytest/__main__.py",
        "was added",
    ),
    "a module that pytest imports": (write("pluggy.py", "import os; os._exit(0)\n"), "pluggy.py", "was added"),
    "a module of the standard library": (write("argparse.py", "import os\n"), "argparse.py", "was added"),
    "the shell of npm": (write(".npmrc", "script-shell=/bin/true\n"), ".npmrc", "was added"),
    "an environment that ends itself": (
        write(".venv/lib/python3.13/site-packages/sitecustomize.py", "import os; os._exit(0)\n"),
        ".venv/lib/python3.13/site-packages/sitecustomize.py",
        "was added",
    ),
}


@pytest.mark.parametrize(("change", "path", "said"), CHEATS.values(), ids=CHEATS.keys())
async def test_a_way_around_the_check_is_told_with_its_file(
    fixed: Stage, change: Callable[[Path], object], path: str, said: str
) -> None:
    change(fixed.root)
    seen = await look(fixed)
    against = gate_rules.objections(seen)
    assert any(path in each for each in against), against
    assert any(said in each for each in against), against
    assert [each.path for each in seen.changes if not each.allowed and not each.path.endswith(".gitignore")] == [path]
    mended = [each for each in gate_rules.failures(PASSED, seen) if each["file"] == path]
    assert mended[0]["kind"] == "gate_file"


async def test_a_test_hidden_from_git_is_missed(fixed: Stage) -> None:
    subprocess.run(["git", "init", "-q"], cwd=fixed.root, check=True)
    (fixed.root / ".gitignore").write_text("tests/\n")
    assert any("tests/test_calc.py" in each for each in gate_rules.objections(await look(fixed)))


async def test_what_is_allowed_to_change_is_shown_and_no_objection_but_tests_stay_counted(fixed: Stage) -> None:
    replace("tests/test_calc.py", "== 3", "== 4")(fixed.root)
    assert gate_rules.objections(await look(fixed)) != []
    allowed = await look(fixed, allow_changes=["tests/**"])
    assert [(each.path, each.how, each.allowed) for each in allowed.changes] == [
        ("tests/test_calc.py", "changed", True)
    ]
    assert gate_rules.objections(allowed) == []
    assert gate_rules.objections(await look(fixed, allow_changes=["test_calc.py"])) == []
    replace("tests/test_calc.py", "def test_add", "@pytest.mark.skip\ndef test_add")(fixed.root)
    skipped = await look(fixed, allow_changes=["tests/**"])
    assert gate_rules.objections(skipped) == ["more skip markers than at the start: 1, there were 0"]
    assert skipped.fewer == ["tests/test_calc.py: 1 skip markers, 0 at the start"]


async def test_what_the_script_writes_itself_is_its_own_definition(fixed: Stage) -> None:
    text = "exit 1\n"
    (fixed.root / "check.sh").write_text(text)
    written = {str(fixed.root / "check.sh"): hashlib.sha256(text.encode()).hexdigest()}
    assert gate_rules.objections(await look(fixed, written=written)) == []
    (fixed.root / "check.sh").write_text("exit 0\n")
    assert gate_rules.objections(await look(fixed, written=written)) != []


async def test_a_bad_pattern_fails_the_step_with_a_reason(fixed: Stage) -> None:
    message = await fixed.fails(LookAtGateFilesInput, "bad_pattern", command=COMMAND, allow_changes=[""])
    assert "gate()" in message


async def prepare(stage: Stage, source: str, **given: str) -> None:
    prepare_run = SetupActivities(stage.store, stage.home).prepare_run
    policy = Policy(allow=list(DEFAULT_ALLOW))
    input = PrepareRunInput(
        **{"run_id": RUN, "workspace": str(stage.root), "policy": policy, "gates": source, **given}  # type: ignore[arg-type]
    )
    stage.setup = (await stage.environment().run(prepare_run, input)).key


async def test_a_run_with_gates_is_prepared_with_its_start(stage: Stage) -> None:
    write("run.sh", "exit 1\n")(stage.root)
    await prepare(stage, "await gate('cd . && sh run.sh')")
    write("run.sh", "exit 0\n")(stage.root)
    seen = await look(stage, command="cd . && sh run.sh")
    assert gate_rules.objections(seen) == ["a file that defines the check was changed since the start: run.sh"]


async def test_a_run_that_resumes_another_has_the_start_of_that_one(stage: Stage) -> None:
    write("run.sh", "exit 1\n")(stage.root)
    await prepare(stage, "gate", run_id="wf_earlier")
    write("run.sh", "exit 0\n")(stage.root)
    await prepare(stage, "gate", gates_from="wf_earlier")
    assert gate_rules.objections(await look(stage, command="sh run.sh")) != []
    await prepare(stage, "gate", gates_from="wf_without_gates")
    assert gate_rules.objections(await look(stage, command="sh run.sh")) == []


READS = {
    "what a Makefile includes": ("make check", {"Makefile": "include rules.mk\ncheck:\n\t$(RUN)\n"}, "rules.mk"),
    "what an included Makefile includes": (
        "make check",
        {"Makefile": "-include a.mk\n", "a.mk": "include ci/b.mk\n"},
        "ci/b.mk",
    ),
    "what a script reads from where it lies": (
        "sh ci/go.sh",
        {"ci/go.sh": '#!/bin/sh\n. "$(dirname "$0")/lib.sh"\nrun\n'},
        "ci/lib.sh",
    ),
    "what it reads by a variable": (
        "bash ci/go.sh",
        {"ci/go.sh": 'HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"\nsource "$HERE/lib.sh"\n'},
        "ci/lib.sh",
    ),
    "a program that git ignores": (".venv/bin/check", {".venv/bin/other": "x"}, ".venv/bin/check"),
    "what a linter goes by": ("ruff check .", {}, "ruff.toml"),
}


@pytest.mark.parametrize(("command", "files", "path"), READS.values(), ids=READS.keys())
async def test_what_a_check_reads_by_name_belongs_to_it(
    stage: Stage, command: str, files: dict[str, str], path: str
) -> None:
    for each, text in {**FILES, **files, path: "first\n"}.items():
        write(each, text)(stage.root)
    await look(stage, fix=True, command="true")
    assert gate_rules.objections(await look(stage, command=command)) == []
    write(path, "second\n")(stage.root)
    assert gate_rules.objections(await look(stage, command=command)) == [
        f"a file that defines the check was changed since the start: {path}"
    ]


async def test_what_a_linter_goes_by_in_pyproject_belongs_to_the_checks_that_run_it(fixed: Stage) -> None:
    replace("pyproject.toml", "[tool.pytest", '[tool.ruff]\nexclude = ["*.py"]\n\n[tool.pytest')(fixed.root)
    assert gate_rules.objections(await look(fixed)) == []
    (said,) = gate_rules.objections(await look(fixed, command="ruff check ."))
    assert "pyproject.toml" in said


async def test_a_report_that_the_check_itself_writes_is_no_change_of_it(fixed: Stage) -> None:
    write("tests/report.xml", "<r/>\n")(fixed.root)
    await look(fixed, fix=True)
    write("tests/report.xml", "<r>2</r>\n")(fixed.root)
    command = "python -m pytest -q --junitxml=tests/report.xml"
    assert gate_rules.objections(await look(fixed, command=command)) == []
    assert gate_rules.objections(await look(fixed, command="python -m pytest -q")) != []
    write("tests/test_calc.py", "def test_add():\n    pass\n")(fixed.root)
    assert gate_rules.objections(await look(fixed, command=f"{command} > tests/test_calc.py")) != []


async def test_data_of_tests_belongs_to_them(fixed: Stage) -> None:
    for path in ("tests/data/page.md", "tests/expected.md", "tests/words.txt", "tests/test_doc.md"):
        write(path, "first\n")(fixed.root)
        await look(fixed, fix=True)
        write(path, "second\n")(fixed.root)
        assert [each.path for each in (await look(fixed)).changes] == [path]
        await look(fixed, fix=True)


async def test_a_start_without_ignored_files_says_nothing_of_them(fixed: Stage) -> None:
    """As an earlier version wrote it down."""
    key = gate_files.start_key(RUN)
    start = gate_files.Start.model_validate_json(await fixed.store.get(key))
    await fixed.store.put(key, start.model_copy(update={"by_name": False}).model_dump_json().encode())
    both(write(".gitignore", "conftest.py\nbuild/\n.venv/\n"), write("conftest.py", "x = 1\n"))(fixed.root)
    assert gate_rules.objections(await look(fixed)) == []


HOME = {
    "the shell of npm": (".npmrc", "script-shell=/bin/true\n", "npm test", True),
    "the registry of npm": (".npmrc", "registry=https://registry.example.org\n", "npm test", False),
    "what Python runs first": (".local/lib/python3.13/site-packages/usercustomize.py", "x\n", "python -m pytest", True),
    "a program that the check names": (".local/bin/verify", "#!/bin/sh\nexit 0\n", "verify .", True),
    "a program that it does not name": (".local/bin/other", "#!/bin/sh\nexit 0\n", "verify .", False),
    "a program that was installed": (
        ".local/bin/ruff",
        "#!/usr/bin/python3\nimport sys\nfrom ruff.main import main\nsys.exit(main())\n",
        "ruff check .",
        False,
    ),
    "what a login shell reads": (".profile", "exit 0\n", "bash -lc 'make'", True),
    "what this shell does not read": (".profile", "exit 0\n", "bash -c 'make'", False),
    "a cache": (".cache/pip/x", "x", "pip check", False),
}


@pytest.mark.parametrize(("path", "text", "command", "counts"), HOME.values(), ids=HOME.keys())
async def test_what_an_agent_leaves_in_the_home_of_commands_counts_where_a_check_reads_it(
    stage: Stage, path: str, text: str, command: str, counts: bool
) -> None:
    await prepare(stage, "gate")
    assert gate_rules.objections(await look(stage, command=command)) == []
    write(f"sandboxes/{RUN}/home/{path}", text)(stage.home)
    said = f"a file that decides how the check runs was added since the start: ~/{path}"
    assert gate_rules.objections(await look(stage, command=command)) == ([said] if counts else [])
    assert gate_rules.objections(await look(stage, command=command, fix=True)) == []
