"""
GoProgram and GoModule: servers written in Go, compiled from their modules; Go's own caches let a build go on.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from simulator.installing.tool import InstallError, Tools

_FLAGS = ("-v", "-buildvcs=false", "-trimpath")
_SMALL = "-s -w"
"""Without symbols, which nobody would debug with."""


@dataclass(frozen=True, slots=True)
class GoProgram:
    """
    One program out of one module, as `go install` makes it; see Way.
    """

    source: ClassVar[str] = "Go modules"

    package: str
    version: str
    """Of its module."""
    program: str
    """What it is called here."""
    variables: tuple[tuple[str, str], ...] = ()
    """Variables of its packages, and what they are set to when it is linked."""
    tags: str = ""

    @property
    def tools(self) -> tuple[str, ...]:
        """See Way."""
        return ("go",)

    def obstacle(self) -> str:
        """See Way."""
        return ""

    def fingerprint(self) -> str:
        """See Way."""
        return f"{self.package}@{self.version} {self.program} {_link_flags(self.variables)} {self.tags}"

    def build(self, folder: Path, place: Path, tools: Tools) -> str:
        """See Way."""
        made = folder / "made"
        made.mkdir()
        command = ("go", "install", *_FLAGS, "-tags", self.tags, "-ldflags", _link_flags(self.variables))
        environment = {**_environment(folder), "GOBIN": str(made)}
        tools.run(*command, f"{self.package}@{self.version}", folder=folder, environment=environment)
        built = list(made.iterdir())
        if len(built) != 1:
            raise InstallError(f"go install {self.package} was to make one program and made {len(built)}")
        (folder / "bin").mkdir()
        built[0].rename(folder / "bin" / self.program)
        made.rmdir()
        shutil.rmtree(folder / _TEMPORARY)
        return ""

    def finish(self, place: Path, tools: Tools) -> None:
        """See Way."""


@dataclass(frozen=True, slots=True)
class GoModule:
    """
    A main module of our own, kept with its go.sum: one program that is several by its name; see Way.
    """

    source: ClassVar[str] = "Go modules"

    folder: Path
    """A folder with go.mod, go.sum and main.go."""
    programs: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def tools(self) -> tuple[str, ...]:
        """See Way."""
        return ("go",)

    def obstacle(self) -> str:
        """See Way."""
        return ""

    def fingerprint(self) -> str:
        """See Way."""
        digest = hashlib.sha256()
        for name in _MODULE_FILES:
            digest.update((self.folder / name).read_bytes())
        return f"{' '.join(self.programs)} {digest.hexdigest()[:16]} {_link_flags(self.variables)}"

    def build(self, folder: Path, place: Path, tools: Tools) -> str:
        """See Way."""
        module, programs = folder / "module", folder / "bin"
        module.mkdir()
        programs.mkdir()
        for name in _MODULE_FILES:
            shutil.copyfile(self.folder / name, module / name)
        whole = programs / "all-in-one"
        flags = (*_FLAGS, "-mod=readonly", "-ldflags", _link_flags(self.variables))
        tools.run("go", "build", *flags, "-o", str(whole), ".", folder=module, environment=_environment(folder))
        if not whole.is_file():
            raise InstallError("go build made no program")
        for name in self.programs:
            (programs / name).symlink_to(whole.name)
        shutil.rmtree(module)
        shutil.rmtree(folder / _TEMPORARY)
        return ""

    def finish(self, place: Path, tools: Tools) -> None:
        """See Way."""


_MODULE_FILES = ("go.mod", "go.sum", "main.go")
_TEMPORARY = "temporary"


def _environment(folder: Path) -> dict[str, str]:
    """
    A build of this machine's kind, whatever else its user builds; what it leaves when killed goes with *folder*.
    """
    temporary = folder / _TEMPORARY
    temporary.mkdir()
    return {"CGO_ENABLED": "0", "GOWORK": "off", "GOOS": "", "GOARCH": "", "GOTMPDIR": str(temporary)}


def _link_flags(variables: tuple[tuple[str, str], ...]) -> str:
    return " ".join((_SMALL, *(f"-X {name}={value}" for name, value in variables)))
