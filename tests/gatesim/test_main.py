"""
The door: finds commands, imports only what it needs, and tells its user's mistakes from its own.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import gatesim.__main__ as door
from gatesim.packages import foreign_package


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(door.COMMANDS)
    assert all(len(line) <= 80 for line in lines)


def test_without_a_command_the_help_is_shown_and_the_code_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main([]) == 4
    assert capsys.readouterr().out.startswith("usage: gatesim COMMAND")


@pytest.mark.parametrize("name", door.COMMANDS)
def test_every_command_is_there_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.util.find_spec(door.COMMANDS[name].module) is not None
    with pytest.raises(SystemExit) as exit:
        door.main([name, "--help"])
    assert exit.value.code == 0
    assert f"usage: gatesim {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "gatesim: there is no command `rnu`; did you mean `run`?"),
        (["--verison"], "gatesim: there is no option `--verison`; --help shows what there is"),
    ],
)
def test_an_unknown_command_is_answered_with_what_was_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(arguments) == 4
    assert capsys.readouterr().err == f"{message}\n"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """
    What serves `gatesim run` here.
    """
    served = SimpleNamespace(add_arguments=lambda parser: None, main=lambda arguments: 11)
    monkeypatch.setattr(door, "import_module", lambda name: served)
    return served


@pytest.mark.usefixtures("command")
def test_the_command_s_code_is_the_exit_code() -> None:
    assert door.main(["run"]) == 11


def test_a_fault_of_ours_shows_its_traceback(command: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(arguments: object) -> int:
        raise KeyError("x")

    command.main = broken
    assert door.main(["run"]) == 3
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "a fault of gatesim itself" in error


def test_an_interruption_is_no_fault(command: SimpleNamespace) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    command.main = interrupted
    assert door.main(["run"]) == 2


def run(*arguments: str, folder: Path, script: bool = False) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("gatesim"))] if script else [sys.executable, "-m", "gatesim"]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["simulator", "gateways"])
def test_a_folder_that_hides_ours_is_told_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('never imported')")
    result = run("list", folder=tmp_path)
    assert result.returncode == 4
    assert result.stderr.count("\n") == 1
    assert f"`{name}` is imported from {tmp_path / name}" in result.stderr


def test_the_version_is_told(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path, script=True).stdout.startswith("gatesim 0.")


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    command = f"{sys.executable} -m gatesim explain | head -1"
    result = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stderr == ""


HEAVY = (
    "asyncio",
    "pydantic",
    "yaml",
    "nats",
    "croniter",
    "prometheus_client",
    "rich",
    "uvloop",
    "simulator.scenario_file.scenario",
)


@pytest.mark.parametrize("module", ["simulator", "gatesim.__main__", "gatesim.command_line"])
def test_importing_the_door_or_the_simulator_imports_nothing_heavy(module: str, tmp_path: Path) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(result.stdout.split())


def test_our_packages_are_ours() -> None:
    assert foreign_package("simulator") is None
