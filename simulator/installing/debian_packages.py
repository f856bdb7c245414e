"""
DebianPackages: programs out of packages of this machine's Debian or Ubuntu, unpacked and never installed.

No root is needed, nothing is configured or started, and the system stays as it is. What a package depends on is
unpacked beside it, unless the system has it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from simulator.installing.tool import InstallError, ToolFailed, Tools

_DEPENDS = re.compile(r"\s*(?P<or>\|?)(?:Pre)?Depends: (?P<name>\S+)$")
_NO_CHOICE = tuple(f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"))
_NO_SANDBOX = ("-o", "APT::Sandbox::User=root")
"""Without it apt, run by root, warns that its own user cannot write to our folder."""
INTEGRATION = frozenset(
    {
        *("adduser", "debconf", "dpkg", "init-system-helpers", "install-info", "logrotate", "lsb-base", "openssl"),
        *("passwd", "perl", "procps", "python3", "socat", "sysvinit-utils", "systemd", "ucf"),
    }
)
"""What packages depend on to become part of a system, and their programs do not need to run."""
_VERSION = re.compile(r"(?:\d+:)?(?P<upstream>[0-9.]+)")


@dataclass(frozen=True, slots=True)
class DebianPackages:
    """See Way."""

    source: ClassVar[str] = "Debian packages"

    packages: tuple[str, ...]
    """The first is the one whose version counts."""
    rewritten: tuple[tuple[str, str], ...] = ()
    """Files, as patterns, and a path in them that is to become one below the folder of the service."""

    @property
    def tools(self) -> tuple[str, ...]:
        """See Way."""
        return "apt-get", "apt-cache", "dpkg-deb", "dpkg-query"

    def obstacle(self) -> str:
        """See Way."""
        return ""

    def fingerprint(self) -> str:
        """See Way. The version is whatever the distribution holds, so it says nothing here."""
        return " ".join((*self.packages, *(f"{pattern}:{path}" for pattern, path in self.rewritten)))

    def build(self, folder: Path, place: Path, tools: Tools) -> str:
        """See Way."""
        downloads = folder / "downloads"
        downloads.mkdir()
        try:
            self._download(downloads, (), tools)
        except ToolFailed:
            # The system's lists are absent, as in most images, or so old that what they name is gone.
            tools.said("the system's package lists are absent or stale; fetching some of our own")
            shutil.rmtree(downloads)
            downloads.mkdir()
            lists = _own_lists(folder / "apt")
            tools.run("apt-get", *_NO_SANDBOX, *lists, "update", folder=folder)
            self._download(downloads, lists, tools)
            shutil.rmtree(folder / "apt")
        version = ""
        for package in sorted(downloads.glob("*.deb")):
            tools.run("dpkg-deb", "-x", str(package), str(folder), folder=folder)
            if package.name.startswith(f"{self.packages[0]}_"):
                version = tools.run("dpkg-deb", "-f", str(package), "Version", folder=folder).strip()
        if not version:
            raise InstallError(f"the package {self.packages[0]} was not among those that apt-get fetched")
        shutil.rmtree(downloads)
        self._rewrite(folder, place)
        match = _VERSION.match(version)
        return match["upstream"].rstrip(".") if match else version

    def finish(self, place: Path, tools: Tools) -> None:
        """See Way."""

    def _download(self, downloads: Path, lists: tuple[str, ...], tools: Tools) -> None:
        wanted = sorted(_with_dependencies(self.packages, lists, downloads, tools))
        tools.said(f"fetching {len(wanted)} packages")
        tools.run("apt-get", *_NO_SANDBOX, *lists, "download", *wanted, folder=downloads)

    def _rewrite(self, folder: Path, place: Path) -> None:
        for pattern, path in self.rewritten:
            for file in folder.glob(pattern):
                text = file.read_text(encoding="utf-8")
                file.write_text(text.replace(path, f"{place}{path}"), encoding="utf-8")


def _own_lists(folder: Path) -> tuple[str, ...]:
    """
    Options by which apt keeps its lists in *folder*, which needs no root; its sources stay the system's.
    """
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True)
    return "-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"


def _with_dependencies(packages: tuple[str, ...], lists: tuple[str, ...], folder: Path, tools: Tools) -> set[str]:
    """
    *packages* and whatever they need that this system has not.
    """
    there = tools.run("dpkg-query", "-W", "-f", r"${db:Status-Status} ${Package}\n", folder=folder, quiet=True)
    installed = {line.partition(" ")[2] for line in there.splitlines() if line.startswith("installed ")}
    wanted: set[str] = set()
    next_ones = list(packages)
    while next_ones:
        wanted.update(next_ones)
        said = tools.run("apt-cache", *lists, "depends", *_NO_CHOICE, *next_ones, folder=folder, quiet=True)
        settled = installed | INTEGRATION | wanted
        next_ones = list(dict.fromkeys(name for name in _needed(said, settled) if name not in settled))
    return wanted


def _needed(said: str, settled: set[str] | frozenset[str]) -> Iterator[str]:
    """
    One package of each dependency in what `apt-cache depends` said; of alternatives, one that is settled or the first.
    Virtual ones, in angle brackets, are provided by what is named beside them.
    """
    alternatives: list[str] = []
    for line in said.splitlines():
        match = _DEPENDS.match(line)
        if match is None:
            continue
        if not match["name"].startswith("<"):
            alternatives.append(match["name"])
        if not match["or"]:
            yield from [name for name in alternatives if name in settled][:1] or alternatives[:1]
            alternatives = []
