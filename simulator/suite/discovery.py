"""
Discovery: from PATH, PATH:LINE and PATH::NAME to the scenarios that a run is about, in a stable order.

A scenario that is found and left out is counted with the reason; files that cannot be run as written come together.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from simulator.errors import ScenarioError, ScenarioProblem, SimulatorError
from simulator.scenario_file.scenario import Scenario
from simulator.suite.identity import node_id, public_name
from simulator.suite.run_record import RunRecord
from simulator.suite.selection import parse_expression

SUFFIXES = (".scenario.yaml", ".scenario.yml")
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules"})

Load = Callable[[str], list[Scenario]]


class DiscoveryError(SimulatorError):
    """
    What the command was asked to play is not there.

    Attributes:
        problems: One sentence for each thing that is not.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Shard(NamedTuple):
    """
    Part *number* (from 1) of *total*.
    """

    number: int
    total: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What a run is about.
    """

    targets: tuple[str, ...] = (".",)
    """PATH, PATH:LINE or PATH::NAME each; a folder means every scenario file below it."""
    keywords: str = ""
    """An expression over names, files, tags and requirements; words match anywhere in them, in any case."""
    tags: str = ""
    """An expression over tags; words are whole tags."""
    shard: Shard | None = None
    last_failed: bool = False
    providers: frozenset[str] = frozenset({"embedded"})


@dataclass(frozen=True, slots=True)
class Found:
    """
    What a run will play, and what it will not.
    """

    scenarios: tuple[Scenario, ...] = ()
    problems: tuple[ScenarioProblem, ...] = ()
    """Of all files that cannot be run as written."""
    deselected: Mapping[str, int] = field(default_factory=dict)
    """Why scenarios were left out, and how many."""
    files: int = 0
    looked_in: str = ""
    """The paths that were asked for."""
    notes: tuple[str, ...] = ()


class Target(NamedTuple):
    """
    One argument, taken apart.
    """

    path: str
    line: int | None = None
    name: str = ""


def parse_target(text: str) -> Target:
    """
    What *text* points at. A path that exists as it is written is a path.
    """
    if os.path.exists(text):
        return Target(text)
    path, colons, name = text.partition("::")
    if colons:
        return Target(path, name=name)
    path, colon, line = text.rpartition(":")
    if colon and path and line.isascii() and line.isdigit():
        return Target(path, line=int(line))
    return Target(text)


def scenario_files(folder: str) -> list[str]:
    """
    Every scenario file below *folder*, those of one folder together. Hidden folders and virtual environments are left
    out.
    """
    found: list[tuple[tuple[str, ...], str, str]] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_skipped(place, name))
        parts = Path(place).parts
        found += [(parts, name, os.path.join(place, name)) for name in files if name.endswith(SUFFIXES)]
    return [shown_path(path) for *_, path in sorted(found)]


def _is_skipped(place: str, name: str) -> bool:
    hidden = name.startswith(".") or name in _SKIPPED_FOLDERS
    return hidden or os.path.exists(os.path.join(place, name, "pyvenv.cfg"))


def shown_path(path: str) -> str:
    """
    *path* as everything calls it: relative where it lies below the current folder.
    """
    relative = (
        os.path.relpath(path) if os.path.splitdrive(path)[0] in ("", os.path.splitdrive(os.getcwd())[0]) else path
    )
    return path if relative.startswith("..") else relative


def discover(wanted: Wanted, *, load: Load, record: RunRecord | None = None) -> Found:
    """
    The scenarios of *wanted*.

    Args:
        load: Reads one file.
        record: What earlier runs showed; read where it is needed and not given.

    Raises:
        DiscoveryError: A path, a line or a name is not there.
        SelectionError: An expression cannot be read.
    """
    keywords = parse_expression(wanted.keywords) if wanted.keywords.strip() else None
    tags = parse_expression(wanted.tags) if wanted.tags.strip() else None
    gathered = _Gathered(load)
    for text in wanted.targets:
        gathered.add(parse_target(text))
    if gathered.missing:
        raise DiscoveryError(gathered.missing)
    narrowing = _Narrowing(gathered.scenarios)
    if keywords is not None:
        narrowing.keep("-k", lambda scenario: keywords(lambda word: _contains(scenario, word.lower())))
    if tags is not None:
        narrowing.keep("--tags", lambda scenario: tags(lambda word: word in scenario.head.tags))
    narrowing.keep_by_reason(lambda scenario: lacks(scenario, wanted.providers))
    notes = _keep_failed(narrowing, record or RunRecord.read()) if wanted.last_failed else ()
    if wanted.shard is not None:
        durations = (record or RunRecord.read()).durations()
        mine = set(_ids_of_shard([node_id(s) for s in narrowing.scenarios], wanted.shard, durations))
        narrowing.keep("other shards", lambda scenario: node_id(scenario) in mine)
    return Found(
        tuple(narrowing.scenarios),
        tuple(gathered.problems),
        narrowing.deselected,
        len(gathered.by_file),
        ", ".join(wanted.targets),
        notes,
    )


class _Gathered:
    """
    Scenarios of all arguments, each once and in the order in which it was met first.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self.by_file: dict[str, list[Scenario]] = {}
        self._chosen: dict[tuple[str, str], Scenario] = {}
        self.problems: list[ScenarioProblem] = []
        self.missing: list[str] = []

    @property
    def scenarios(self) -> list[Scenario]:
        """
        What was met.
        """
        return list(self._chosen.values())

    def add(self, target: Target) -> None:
        """
        Take in what *target* points at.
        """
        if os.path.isdir(target.path):
            if target.line is not None or target.name:
                self.missing.append(f"{target.path} is a folder; a line or a name belongs to a file")
            for path in scenario_files(target.path):
                self._choose(self._loaded(path))
        elif os.path.exists(target.path):
            self._add_file(target)
        else:
            self.missing.append(_no_such_path(target.path))

    def _add_file(self, target: Target) -> None:
        path = shown_path(target.path)
        scenarios = self._loaded(path)
        if target.line is not None:
            lines = _count_lines(path)
            if not 1 <= target.line <= lines:
                self.missing.append(f"{path} has {lines} lines, so line {target.line} is in no scenario")
                return
        if target.name and scenarios:
            named = [scenario for scenario in scenarios if _is_called(scenario, target.name)]
            if not named:
                self.missing.append(_no_such_name(path, target.name, scenarios))
            scenarios = named
        self._choose(scenarios)

    def _loaded(self, path: str) -> list[Scenario]:
        if path not in self.by_file:
            self.by_file[path] = []
            try:
                self.by_file[path] = self._load(path)
            except ScenarioError as error:
                self.problems += error.problems
        return self.by_file[path]

    def _choose(self, scenarios: Iterable[Scenario]) -> None:
        for scenario in scenarios:
            self._chosen.setdefault((scenario.file, scenario.name), scenario)


def _is_called(scenario: Scenario, name: str) -> bool:
    """
    Whether *name* is the scenario's, or that of the matrix whose cell it is.
    """
    whole = public_name(scenario)
    return name in (whole, scenario.name) or (bool(scenario.cell) and whole.startswith(f"{name}["))


def _count_lines(path: str) -> int:
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def _no_such_path(path: str) -> str:
    folder = os.path.dirname(path) or "."
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return f"there is no file or folder {path}"
    close = get_close_matches(os.path.basename(path), names, 1)
    hint = f"; did you mean {os.path.join(os.path.dirname(path), close[0])}?" if close else ""
    return f"there is no file or folder {path}{hint}"


def _no_such_name(path: str, name: str, scenarios: Sequence[Scenario]) -> str:
    names = [public_name(scenario) for scenario in scenarios]
    close = get_close_matches(name, names, 1)
    hint = f"did you mean `{close[0]}`?" if close else f"there is `{names[0]}`"
    return f"{path} has no scenario called `{name}`; {hint}"


class _Narrowing:
    """
    Scenarios that are left, and why others are not.
    """

    def __init__(self, scenarios: list[Scenario]) -> None:
        self.scenarios = scenarios
        self.deselected: dict[str, int] = {}

    def keep(self, reason: str, wanted: Callable[[Scenario], bool]) -> None:
        """
        Keep what is *wanted*; the rest is left out because of *reason*.
        """
        self.keep_by_reason(lambda scenario: "" if wanted(scenario) else reason)

    def keep_by_reason(self, reason_of: Callable[[Scenario], str]) -> None:
        """
        Keep the scenarios for which there is no reason to leave them out.
        """
        kept = []
        for scenario in self.scenarios:
            reason = reason_of(scenario)
            if reason:
                self.deselected[reason] = self.deselected.get(reason, 0) + 1
            else:
                kept.append(scenario)
        self.scenarios = kept


def _contains(scenario: Scenario, word: str) -> bool:
    head = scenario.head
    texts = (public_name(scenario), Path(scenario.file).as_posix(), *head.tags, *head.requirements)
    return any(word in text.lower() for text in texts)


def lacks(scenario: Scenario, providers: Collection[str]) -> str:
    """
    What *scenario* requires and does not have here, `requires provider local`; empty where it has all.
    """
    requires = scenario.head.requires
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    if requires is not None and requires.platform is not None and requires.platform != system:
        return f"requires platform {requires.platform}"
    wanted = requires.provider if requires is not None else None
    return f"requires provider {wanted}" if wanted is not None and wanted not in providers else ""


def _keep_failed(narrowing: _Narrowing, record: RunRecord) -> tuple[str, ...]:
    """
    Keep what failed when it was last played; everything where nothing did.
    """
    failed = record.failed()
    if narrowing.scenarios and not any(node_id(scenario) in failed for scenario in narrowing.scenarios):
        return ("--last-failed: no failure is on record, so everything is played",)
    narrowing.keep("--last-failed", lambda scenario: node_id(scenario) in failed)
    return ()


def _ids_of_shard(ids: Sequence[str], shard: Shard, durations: Mapping[str, float]) -> Iterator[str]:
    """
    Which of *ids* are in *shard*; each is in exactly one.

    With recorded durations the shards take about equally long, provided that all read the same record. Without any,
    an id's shard depends on nothing but the id.
    """
    known = sorted(durations[id] for id in ids if id in durations)
    if not known:
        for id in ids:
            if int.from_bytes(hashlib.sha256(id.encode()).digest()[:8]) % shard.total == shard.number - 1:
                yield id
        return
    median = known[len(known) // 2]
    loads = [0.0] * shard.total
    for id in sorted(ids, key=lambda id: (-durations.get(id, median), id)):
        lightest = loads.index(min(loads))
        loads[lightest] += durations.get(id, median) or 1e-6
        if lightest == shard.number - 1:
            yield id
