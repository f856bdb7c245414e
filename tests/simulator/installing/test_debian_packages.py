"""
Debian packages: which are fetched, that they are only unpacked, and what happens where the system has no lists.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.installing.debian_packages import DebianPackages
from simulator.installing.tool import ToolFailed, Tools
from tests.simulator.installing.fake_tools import FakeTools

DEPENDS = """
said = {
    'server': ['Depends: adduser', '|Depends: first-choice', '  Depends: there-already', 'Depends: library',
               'Depends: <virtual>', '    provider'],
    'library': ['PreDepends: deeper', '|Depends: taken', '  Depends: not-taken'],
    'deeper': ['Depends: library', 'Depends: <virtual-base>'],
    'taken': [],
}
for package in [name for name in sys.argv[1:] if name in said]:
    print(package)
    print('\\n'.join('  ' + line for line in said[package]))
"""
DOWNLOAD = """
if 'download' in sys.argv:
    for package in sys.argv[sys.argv.index('download') + 1:]:
        Path(f'{package}_1_all.deb').write_text(package)
"""
UNPACK = """
if sys.argv[1] == '-f':
    print('2:3.10.8-1+deb12u1')
else:
    package = Path(sys.argv[2]).read_text()
    target = Path(sys.argv[3]) / 'usr' / 'bin' / package
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text('ROOT=/usr/lib/x')
"""


@pytest.fixture
def apt(fakes: FakeTools) -> FakeTools:
    fakes.add("apt-cache", DEPENDS)
    fakes.add("apt-get", DOWNLOAD)
    fakes.add("dpkg-deb", UNPACK)
    fakes.add("dpkg-query", "print('installed there-already'); print('config-files library')")
    return fakes


def unpacked(folder: Path) -> set[str]:
    return {file.name for file in (folder / "usr" / "bin").iterdir()}


@pytest.mark.usefixtures("apt")
def test_what_the_system_has_not_is_unpacked_beside_the_server(folder: Path, tools: Tools) -> None:
    version = DebianPackages(("server",)).build(folder, folder, tools)
    assert version == "3.10.8"
    assert unpacked(folder) == {"server", "library", "deeper", "taken"}
    assert [file.name for file in folder.iterdir()] == ["usr"]


@pytest.mark.usefixtures("apt")
def test_a_path_in_a_script_becomes_one_below_its_place(folder: Path, tools: Tools) -> None:
    DebianPackages(("server",), rewritten=(("usr/bin/server", "/usr/lib/x"),)).build(folder, Path("/place"), tools)
    assert (folder / "usr" / "bin" / "server").read_text() == "ROOT=/place/usr/lib/x"
    assert (folder / "usr" / "bin" / "library").read_text() == "ROOT=/usr/lib/x"


def test_a_system_without_package_lists_gets_some_for_this_alone(apt: FakeTools, folder: Path, tools: Tools) -> None:
    own = "any(option.startswith('Dir::State::Lists=') for option in sys.argv)"
    updated = "Path(next(o for o in sys.argv if o.startswith('Dir::State::Lists=')).partition('=')[2]) / 'made'"
    apt.add("apt-cache", f"if not {own}: sys.exit('E: No packages found')\nassert ({updated}).exists()\n{DEPENDS}")
    apt.add("apt-get", f"if 'update' in sys.argv: ({updated}).write_text('')\n{DOWNLOAD}")
    DebianPackages(("server",)).build(folder, folder, tools)
    assert "server" in unpacked(folder)
    assert [file.name for file in folder.iterdir()] == ["usr"]


def test_what_apt_says_in_the_end_is_told(apt: FakeTools, folder: Path, tools: Tools) -> None:
    apt.add("apt-get", "print('E: Unable to locate package server'); sys.exit(100)")
    with pytest.raises(ToolFailed) as failure:
        DebianPackages(("server",)).build(folder, folder, tools)
    assert failure.value.lines == ("E: Unable to locate package server",)
