"""
Binaries: where a real service's programs are on this machine, and what they need around them.

Looked for in this order: a variable GATESIM_<SERVICE> that names a program or a folder, the cache of
`gatesim env install`, this Python's own programs, PATH.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from simulator.errors import SimulatorError
from simulator.installing.cache import cache_folder, folder_of, stamp_of
from simulator.installing.java import ARCHIVE, CLASS_PATH, JAVA, LOGGING, java_identity

Source = Literal["variable", "cache", "path"]


class Installed(NamedTuple):
    """
    A service that can be started here.
    """

    service: str
    version: str
    """As its stamp says; empty where it does not come from the cache."""
    source: Source
    programs: Mapping[str, Path]
    """Name to file; `java` for Kafka. All that the service needs, and those of its optional ones that are there."""
    environment: Mapping[str, str]
    """What must stand in their environment beside one's own, such as PATH or LD_LIBRARY_PATH: whole values."""
    files: Mapping[str, Path] = {}
    """Kafka's, by the names in java.py: `kafka.jsa` and `log4j2.yaml`, where they are there."""
    class_path: str = ""
    """Kafka's, for `-cp`."""

    @property
    def program(self) -> Path:
        """
        The one that the service is known by.
        """
        return next(iter(self.programs.values()))

    @property
    def place(self) -> Path:
        """
        What shows people where it is: that program, or the folder of Kafka's jars.
        """
        return Path(self.class_path.partition(os.pathsep)[0]).parent if self.class_path else self.program


class WrongPlace(SimulatorError):
    """
    A variable names a place where the service is not.
    """


class _Known(NamedTuple):
    """
    What a service consists of.
    """

    programs: tuple[str, ...]
    """All of them are needed; the first is the one that it is known by."""
    optional: tuple[str, ...] = ()


KNOWN: Mapping[str, _Known] = {
    "nats": _Known(("nats-server",)),
    "mosquitto": _Known(("mosquitto",), ("mosquitto_passwd",)),
    "rabbitmq": _Known(("rabbitmq-server", "rabbitmqctl", "erl", "epmd"), ("rabbitmq-plugins",)),
    "kafka": _Known(("java",)),
    "toxiproxy": _Known(("toxiproxy-server",)),
    "minio": _Known(("minio",)),
    # Test environments of Kubernetes' own projects come without the controllers, and serve an API all the same.
    "kubernetes": _Known(("kube-apiserver", "etcd"), ("kube-controller-manager",)),
}
"""Every service that can be found."""
_FOLDERS = (
    "bin",
    "usr/lib/rabbitmq/bin",
    "usr/lib/erlang/bin",
    "usr/lib/erlang/erts-*/bin",
    "usr/sbin",
    "usr/bin",
    "sbin",
)
"""
Where programs stand below a folder. Debian's `usr/sbin/rabbitmq-server` is a wrapper that becomes another user and
writes to the system's folders, so it comes last.
"""
_LIBRARIES = ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*")
_SYSTEM_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin", "/usr/sbin")
"""Where servers stand that are not on everybody's PATH. The first goes before PATH, see above."""


def find(service: str) -> Installed | None:
    """
    Where *service* is; None where it is not on this machine.

    Args:
        service: One of KNOWN.

    Raises:
        WrongPlace: Its variable names a place where it is not.
    """
    variable = variable_of(service)
    given = os.environ.get(variable)
    if given:
        found = _in_folder(service, Path(given).expanduser().absolute(), "variable")
        if found is None:
            wanted = "an Apache Kafka with its `libs`" if service == "kafka" else ", ".join(KNOWN[service].programs)
            raise WrongPlace(f"{variable}={given}: it must be a program, or a folder, with {wanted}")
        return found
    place = folder_of(service, cache_folder())
    stamp = stamp_of(place)
    if stamp is not None:
        found = _in_folder(service, place, "cache")
        if found is not None:
            return found._replace(version=stamp.version)
    return _on_path(service)


def variable_of(service: str) -> str:
    """
    The variable that says where *service* is.
    """
    return f"GATESIM_{service.upper()}"


def _in_folder(service: str, folder: Path, source: Source) -> Installed | None:
    """
    A service whose programs are in *folder*, or below it, or beside it where it is one of them.
    """
    first = KNOWN[service].programs[0]
    named = folder if folder.is_file() else None
    root = folder.parent if named is not None else folder
    if service == "kafka":
        return _kafka(root.parent if named is not None else root, source)
    folders = [root, *(path for pattern in _FOLDERS for path in sorted(root.glob(pattern)) if path.is_dir())]
    around: Iterable[Path] = () if source == "cache" else _path_folders()
    programs = dict(_programs(service, (*folders, *around)))
    if named is not None:
        programs = {first: named, **{name: file for name, file in programs.items() if name != first}}
    elif first in programs and not programs[first].is_relative_to(folder):
        return None
    return _complete(service, source, programs, [path for path in folders[1:] if path.name != "sbin"], root)


def _on_path(service: str) -> Installed | None:
    if service == "kafka":
        starter = shutil.which("kafka-server-start.sh") or shutil.which("kafka-server-start")
        if starter is None:
            return None
        root = Path(starter).resolve().parent.parent
        # Homebrew keeps the jars one folder further down.
        return _kafka(root, "path") or _kafka(root / "libexec", "path")
    return _complete(service, "path", dict(_programs(service, _path_folders())), [], None)


def _path_folders() -> Iterator[Path]:
    own = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
    path = (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)
    first, *last = map(Path, _SYSTEM_FOLDERS)
    return iter((first, *own, *path, *last))


def _programs(service: str, folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    wanted, optional = KNOWN[service]
    places = tuple(folders)
    for name in (*wanted, *optional):
        file = next((folder / name for folder in places if _is_program(folder / name)), None)
        if file is not None:
            yield name, file


def _is_program(file: Path) -> bool:
    return os.access(file, os.X_OK) and file.is_file()


def _complete(
    service: str, source: Source, programs: Mapping[str, Path], on_path: list[Path], root: Path | None
) -> Installed | None:
    if any(name not in programs for name in KNOWN[service].programs):
        return None
    environment: dict[str, str] = {}
    if root is not None and len(programs) > 1 and on_path:
        environment["PATH"] = _joined(on_path, "PATH")
    libraries = [path for pattern in _LIBRARIES for path in sorted(root.glob(pattern))] if root is not None else []
    if libraries:
        environment["LD_LIBRARY_PATH"] = _joined(libraries, "LD_LIBRARY_PATH")
    return Installed(service, "", source, programs, environment)


def _joined(folders: Iterable[Path], variable: str) -> str:
    """
    *folders* before whatever the variable holds.
    """
    return os.pathsep.join((*map(str, folders), *filter(None, [os.environ.get(variable)])))


def _kafka(root: Path, source: Source) -> Installed | None:
    """
    The jars below *root*, as this project installs them or as an Apache Kafka that was unpacked has them.
    """
    java = shutil.which("java")
    jars = sorted((root / "libs").glob("*.jar"))
    if java is None or not any(jar.name.startswith("kafka_") for jar in jars):
        return None
    programs, environment = {"java": Path(java)}, dict[str, str]()
    if not (root / CLASS_PATH).is_file():
        return Installed("kafka", "", source, programs, environment, {}, os.pathsep.join(map(str, jars)))
    class_path = (root / CLASS_PATH).read_text(encoding="utf-8").strip()
    files = {LOGGING: root / LOGGING}
    # Another Java cannot use the archive, and says so at each start.
    if (root / JAVA).is_file() and (root / JAVA).read_text(encoding="utf-8") == java_identity():
        files[ARCHIVE] = root / ARCHIVE
    return Installed("kafka", "", source, programs, environment, files, class_path)
