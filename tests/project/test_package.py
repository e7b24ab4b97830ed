"""What is in the wheel is what is in the folders, under the names that people import."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_every_file_of_the_rings_and_nothing_else(wheel_names: set[str]) -> None:
    expected = {
        f"tenuto/{path.relative_to(ROOT)}"
        for ring in ("workflows", "activities", "worker")
        for path in (ROOT / ring).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wheel_names == expected | {"tenuto/__init__.py", "tenuto/_reviews.py", "tenuto/_steps.py", "tenuto/py.typed"}


def test_script_names_resolve_from_the_installed_package() -> None:
    code = "import tenuto; [getattr(tenuto, name) for name in tenuto.__all__]"
    subprocess.run([sys.executable, "-c", code], check=True)
