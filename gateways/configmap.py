"""
ConfigMap: the configurations of a gateway, how one is told from another, and where they come from.

Sources yield the whole current set whenever it changes; only the gateway compares.
"""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Protocol

from gateways.clock import Clock, SystemClock, Wakeup
from gateways.manifest import config_map_data, objects_in
from gateways.yaml_nodes import YamlProblem

_log = logging.getLogger("gateways")

Data = Mapping[str, str]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    One named entry of a gateway's ConfigMap. Equal where key and text are: ids of different ones may collide.
    """

    key: str
    text: str

    @property
    def id(self) -> str:
        """
        See configuration_id.
        """
        return configuration_id(self.key, self.text)


def configuration_id(key: str, text: str) -> str:
    """
    The identity of a configuration: FNV-1a with 32 bits over the UTF-8 bytes of key and text, in decimal.

    Source: R-CFG-2.
    """
    number = 2166136261
    for byte in (key + text).encode("utf-8", "surrogatepass"):
        number = (number ^ byte) * 16777619 & 0xFFFF_FFFF
    return str(number)


_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")


def configurations(data: Data, report: Report = _log.warning) -> list[Configuration]:
    """
    The configurations in *data*, in key order. Keys that Kubernetes would not take are reported and passed over.
    """
    for key in data:
        if not _KEY.match(key):
            report(f"key {key[:60]!r} is passed over: a key is 1 to 253 letters, digits, `-`, `_` and `.`")
    return [Configuration(key, data[key]) for key in sorted(data) if _KEY.match(key)]


def diff(
    current: Iterable[Configuration], wanted: Iterable[Configuration]
) -> tuple[list[Configuration], list[Configuration]]:
    """
    What must go from *current* and what must be added to it so that it becomes *wanted*, each in key order.

    A changed text or a renamed key is one of each; what is the same on both sides is in neither.

    Source: R-CFG-4, R-CFG-6.
    """
    old, new = set(current), set(wanted)
    return _in_order(old - new), _in_order(new - old)


def _in_order(found: Iterable[Configuration]) -> list[Configuration]:
    return sorted(found, key=lambda entry: (entry.key, entry.text))


class ConfigurationSource(Protocol):
    """
    Where a gateway's configurations come from.
    """

    def changes(self) -> AsyncIterator[Data | None]:
        """
        Yield the whole current data at once, and again after every change.

        None: there is no ConfigMap. The gateway then keeps what runs; empty data stops all.

        Source: R-CFG-7, R-CFG-8.
        """


class MemorySource:
    """
    A ConfigMap in memory, for whoever has a gateway in its own process. Serves one gateway.

    Args:
        data: What is there at first; None for no ConfigMap.
        clock: The gateway's. Without it the source waits as under the machine's time.
    """

    def __init__(self, data: Data | None, clock: Clock | None = None) -> None:
        clock = clock or SystemClock(UTC)
        self._data = data
        self._version = 0
        self._applied = 0
        self._is_watched = False
        self._changed = Wakeup(clock)
        self._taken = Wakeup(clock)

    async def set(self, data: Data | None) -> None:
        """
        Change the data (None: delete the ConfigMap). Returns when the gateway has taken it in; at once where none runs.
        """
        self._data = data
        self._version += 1
        wanted = self._version
        self._changed.set()
        while self._is_watched and self._applied < wanted:
            self._taken.clear()
            await self._taken.wait()

    async def changes(self) -> AsyncIterator[Data | None]:
        """See ConfigurationSource."""
        self._is_watched = True
        try:
            while True:
                self._changed.clear()
                version = self._version
                yield self._data
                self._applied = version
                self._taken.set()
                await self._changed.wait()
        finally:
            self._is_watched = False
            self._taken.set()


POLL_S = 0.25
_CONFIRMING_POLLS = 8
"""Looks after a change that read the content even where its stamp stands still: some file systems count in seconds."""
_FILE_BYTES_MAX = 4 * 1024 * 1024
"""Kubernetes refuses a ConfigMap over 1 MiB; a file may hold a few."""

_Content = bytes | Mapping[str, bytes] | str | None
"""Of a path: a file, a folder by file name, why it cannot be read, or nothing there."""


class FileSource:
    """
    A ConfigMap in files, watched: a manifest among others, or a folder with one file a key (a mounted volume).

    A change is taken once two looks in a row, 250 ms apart, see the same: a file that is being written is left alone.
    What cannot be read or used is reported once, and what was there before goes on. A folder is the ConfigMap
    whatever its name; its entries that start with `..` are Kubernetes' own, its files that are not UTF-8 stand for
    `binaryData`, and both are passed over.

    Looking goes by the clock, one timer at a time, and never holds time. A clock that lets years pass looks four times
    for each of their seconds; MemorySource serves better there.

    Args:
        paths: Manifest files and folders.
        name: `metadata.name` of the wanted ConfigMap.
        clock: Says when to look again.
        report: Told what cannot be used; the log where left out.
    """

    def __init__(self, paths: Sequence[Path], name: str, clock: Clock, *, report: Report = _log.warning) -> None:
        self._paths = tuple(paths)
        self._name = name
        self._clock = clock
        self._report = report

    async def changes(self) -> AsyncIterator[Data | None]:
        """See ConfigurationSource. What cannot be used at the start counts as absent."""
        stamps, content = self._stamps(), self._read()
        data, _ = self._data_in(content, _say_nothing)
        yield data
        taken: dict[Path, _Content] | None = None
        looks_left = _CONFIRMING_POLLS
        while True:
            await self._clock.sleep(POLL_S)
            stamps_before, stamps = stamps, self._stamps()
            looks_left = _CONFIRMING_POLLS if stamps != stamps_before else looks_left - 1
            if looks_left < 0:
                continue
            content_before, content = content, self._read()
            if content != content_before or content == taken:
                continue
            taken = content
            data_before, (data, problem) = data, self._data_in(content, self._report)
            if problem:
                data = data_before
                self._report(f"{problem}; what was there before goes on")
            elif data != data_before:
                yield data

    def _stamps(self) -> list[Any]:
        return [_stamp(path) for path in self._paths]

    def _read(self) -> dict[Path, _Content]:
        return {path: _content(path) for path in self._paths}

    def _data_in(self, content: Mapping[Path, _Content], report: Report) -> tuple[Data | None, str]:
        """
        The data in *content*, None where there is no ConfigMap, and why it cannot be used; empty where it can.
        """
        found: list[tuple[str, Data]] = []
        for path, held in content.items():
            if isinstance(held, str):
                return None, f"{path}: {held}"
            if isinstance(held, Mapping):
                found.append((f"{path}", _texts_in(held, path, report)))
            elif held is not None:
                in_file, problem = self._config_maps_in(held, path)
                if problem:
                    return None, problem
                found += in_file
        if len(found) > 1:
            return None, f"ConfigMap `{self._name}` is there twice: {found[0][0]} and {found[1][0]}"
        return (found[0][1] if found else None), ""

    def _config_maps_in(self, held: bytes, path: Path) -> tuple[list[tuple[str, Data]], str]:
        found: list[tuple[str, Data]] = []
        try:
            for thing in objects_in(held.decode("utf-8-sig")):
                if thing.kind == "ConfigMap" and thing.name == self._name:
                    data, problems = config_map_data(thing)
                    if problems:
                        return [], f"{path}:{problems[0]}"
                    found.append((f"{path}:{thing.node.place.line}", data))
        except UnicodeDecodeError as error:
            return [], f"{path}: not UTF-8 at byte {error.start}"
        except YamlProblem as error:
            return [], f"{path}:{error.place.in_file}: {error.advice}"
        return found, ""


def _say_nothing(_: str) -> None:
    """
    The first look may fall into the writing of a file; the second reports.
    """


def _stamp(path: Path) -> Any:
    """
    What changes when the content of *path* does; links are followed.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return [(name, _file_stamp(path / name)) for name in _entries(path)]
    except OSError:
        return None
    return _file_stamp(path)


def _file_stamp(path: Path) -> Any:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _content(path: Path) -> _Content:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _folder(path)
        return _file(path, mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _file(path: Path, mode: int) -> bytes | str:
    if not stat.S_ISREG(mode):
        return "is no regular file"
    with path.open("rb") as file:
        content = file.read(_FILE_BYTES_MAX + 1)
    return content if len(content) <= _FILE_BYTES_MAX else f"is larger than {_FILE_BYTES_MAX >> 20} MiB"


def _folder(path: Path) -> Mapping[str, bytes] | str:
    found: dict[str, bytes] = {}
    for name in _entries(path):
        try:
            mode = (path / name).stat().st_mode
        except FileNotFoundError:
            continue  # a link whose target is being swapped; the next look tells
        if stat.S_ISDIR(mode):
            continue
        content = _file(path / name, mode)
        if isinstance(content, str):
            return f"`{name}` {content}"
        found[name] = content
    return found


def _entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".."))


def _texts_in(folder: Mapping[str, bytes], path: Path, report: Report) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, content in folder.items():
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError:
            report(f"{path / name} is passed over: it is not UTF-8 text")
    return texts
