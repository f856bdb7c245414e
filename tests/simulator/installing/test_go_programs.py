"""
Go: programs out of modules, under the names that we know them by, pinned, and small.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from simulator.installing.go_programs import GoModule, GoProgram
from simulator.installing.recipes import RECIPES
from simulator.installing.tool import InstallError, ToolFailed, Tools
from tests.simulator.installing.fake_tools import FakeTools

INSTALL = """
Path(os.environ['GOBIN'], 'server').write_text(' '.join(sys.argv[1:]))
assert os.environ['CGO_ENABLED'] == '0' and 'GOOS' not in os.environ
assert Path(os.environ['GOTMPDIR']).is_dir()
"""
BUILD = """
Path(sys.argv[sys.argv.index('-o') + 1]).write_text(Path('go.mod').read_text())
"""
PROGRAM = GoProgram("example.org/x/server", "v1.2.3", "x-server", variables=(("x.Version", "1.2.3"),))


def test_a_program_is_pinned_and_gets_our_name(
    fakes: FakeTools, folder: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    fakes.add("go", INSTALL)
    PROGRAM.build(folder, folder, tools)
    command = (folder / "bin" / "x-server").read_text()
    assert command.startswith("install ")
    assert "-ldflags -s -w -X x.Version=1.2.3 example.org/x/server@v1.2.3" in command
    assert [file.name for file in folder.iterdir()] == ["bin"]


def test_what_the_compiler_says_in_the_end_is_told(fakes: FakeTools, folder: Path, tools: Tools) -> None:
    fakes.add("go", "print('go: requires go >= 1.26.0'); sys.exit(1)")
    with pytest.raises(ToolFailed) as failure:
        PROGRAM.build(folder, folder, tools)
    assert failure.value.lines == ("go: requires go >= 1.26.0",)


def test_a_go_that_made_nothing_is_an_error(fakes: FakeTools, folder: Path, tools: Tools) -> None:
    fakes.add("go", "")
    with pytest.raises(InstallError, match="was to make one program and made 0"):
        PROGRAM.build(folder, folder, tools)


@pytest.fixture
def module(tmp_path: Path) -> GoModule:
    folder = tmp_path / "module"
    folder.mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        (folder / name).write_text(f"the {name}")
    return GoModule(folder, ("etcd", "kube-apiserver"))


def test_a_module_becomes_one_program_with_several_names(
    fakes: FakeTools, folder: Path, tools: Tools, module: GoModule, tmp_path: Path
) -> None:
    fakes.add("go", BUILD)
    module.build(folder, folder, tools)
    shutil.move(folder, tmp_path / "moved")
    programs = tmp_path / "moved" / "bin"
    assert {file.name for file in programs.iterdir() if file.is_symlink()} == {"etcd", "kube-apiserver"}
    assert (programs / "etcd").read_text() == "the go.mod"
    assert os.listdir(tmp_path / "moved") == ["bin"]


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_a_module_that_has_changed_is_another_recipe(module: GoModule, name: str) -> None:
    before = module.fingerprint()
    (module.folder / name).write_text("changed")
    assert module.fingerprint() != before


def test_the_module_that_is_shipped_holds_the_version_in_the_table() -> None:
    recipe = RECIPES["kubernetes"]
    assert isinstance(recipe.way, GoModule)
    lines = (recipe.way.folder / "go.mod").read_text().splitlines()
    assert f"\tk8s.io/kubernetes v{recipe.version}" in lines
    replaced = [line for line in lines if line.startswith("\tk8s.io/") and " => " in line]
    assert replaced
    assert all(line.endswith(f" v0.{recipe.version.partition('.')[2]}") for line in replaced)
    main = (recipe.way.folder / "main.go").read_text()
    assert all(f'case "{program}":' in main for program in recipe.way.programs)
