"""The folder tree is the architecture: imports go worker -> activities -> workflows and never back."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RINGS = ["workflows", "activities", "worker"]
SOURCES = sorted(path for ring in RINGS for path in (ROOT / ring).rglob("*.py") if "legacy_shop" not in path.parts)
PURE = [
    *("run_state.py", "details.py", "contracts.py", "models.py", "failure_kinds.py"),
    *(
        "budget.py",
        "line.py",
        "ceiling_contracts.py",
        "ceiling_words.py",
        "trip.py",
        "usage.py",
        "share_contracts.py",
        "agent_options.py",
        "truth.py",
    ),
    *("journal.py", "journal_contracts.py", "control_contracts.py"),
    *("setup_contracts.py", "step_contracts.py", "step_values.py"),
    *(
        "review_contracts.py",
        "review_prompts.py",
        "review_views.py",
        "review_details.py",
        "verdicts.py",
        "patterns.py",
        "convergence_contracts.py",
    ),
]
PURE += [f"policy/{path.name}" for path in sorted((ROOT / "workflows" / "policy").glob("*.py"))]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                names.add(node.module or "")
            else:
                package = ["tenuto", *path.relative_to(ROOT).parent.parts]
                base = package[: len(package) - node.level + 1]
                names.add(".".join([*base, *([node.module] if node.module else [])]))
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_inwards(path: Path) -> None:
    ring = RINGS.index(path.relative_to(ROOT).parts[0])
    outer = tuple(f"tenuto.{name}" for name in RINGS[ring + 1 :])
    assert not {name for name in imported(path) if outer and name.startswith(outer)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_inside_the_package_nobody_uses_a_bare_ring_name(path: Path) -> None:
    assert not {name for name in imported(path) if name.split(".")[0] in RINGS}


@pytest.mark.parametrize("name", PURE)
def test_the_pure_ring_neither_waits_nor_asks_the_world(name: str) -> None:
    tree = ast.parse((ROOT / "workflows" / name).read_text())
    banned = {"time", "random", "os", "asyncio", "socket", "subprocess", "uuid", "datetime", "pathlib"}
    assert not {found.split(".")[0] for found in imported(ROOT / "workflows" / name)} & banned
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_stays_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_no_path_of_one_machine_is_in_the_project() -> None:
    pattern = re.compile(r"(^|[^a-zA-Z0-9_.-])/(work|root|home/[a-su-z][a-z]*)/", re.MULTILINE)
    texts = [*SOURCES, ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "tests").rglob("*.py")]
    found = [str(path) for path in texts if path != Path(__file__) and pattern.search(path.read_text())]
    assert not found
