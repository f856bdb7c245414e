"""
Declared divergences: the file in which a project says which scenarios differ on which provider, and why.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from simulator.errors import ScenarioError, ScenarioProblem
from simulator.parity import Declared
from simulator.providers import PROVIDERS
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.source_text import decode, read_bytes
from simulator.scenario_file.yaml_source import Document, close_to, parse

NAME = "parity.yaml"
_KEYS = ("scenario", "provider", "reason")


def declared_files(paths: Iterable[str]) -> list[Path]:
    """
    The file of each folder among *paths*, or of the one that a file among them stands in, or of those above it up to
    the current folder: the nearest.
    """
    here = Path.cwd()
    found: dict[Path, None] = {}
    for text in paths:
        path = Path(text.partition("::")[0]).absolute()
        for folder in (path, *path.parents):
            if (folder / NAME).is_file():
                found[folder / NAME] = None
                break
            if folder == here:
                break
    return list(found)


def declared_in(file: Path, known: Sequence[str], files: frozenset[str]) -> list[Declared]:
    """
    What *file* declares.

    Args:
        known: Ids of the scenarios that are compared.
        files: Those that they stand in; an id of one of these must be known.

    Raises:
        ScenarioError: Something in the file must change.
    """
    document = parse(decode(os.fspath(file), read_bytes(file)))
    problems = Problems(document.problems)
    tree = document.tree
    if document.value is None:
        return []
    if not isinstance(document.value, list):
        problems.append(tree.value_problem((), "must be a list of divergences", "each with scenario, provider, reason"))
        raise ScenarioError(problems)
    found = []
    for number, entry in enumerate(document.value):
        wrong = list(_wrong(document, number, entry, known, files))
        for problem in wrong:
            problems.append(problem)
        if not wrong:
            found.append(Declared(entry["scenario"], entry["provider"], entry["reason"]))
    if problems:
        raise ScenarioError(problems)
    return found


def _wrong(
    document: Document, number: int, entry: Any, known: Sequence[str], files: frozenset[str]
) -> Iterable[ScenarioProblem]:
    tree = document.tree
    if not isinstance(entry, dict):
        yield tree.value_problem((number,), "a divergence must be a mapping", f"with {', '.join(_KEYS)}")
        return
    for key in entry:
        if key not in _KEYS:
            yield tree.key_problem((number, key), f"unknown key `{key}`", f"there are {', '.join(_KEYS)}")
    for key in _KEYS:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            yield tree.value_problem((number, key), f"a divergence needs `{key}`, as text")
            return
    if entry["provider"] not in PROVIDERS:
        yield tree.value_problem((number, "provider"), f"`{entry['provider']}` is no provider", ", ".join(PROVIDERS))
    scenario = entry["scenario"]
    path = scenario.partition("::")[0]
    if scenario not in known and (path in files or not Path(path).is_file()):
        close = close_to(scenario, known)
        yield tree.value_problem(
            (number, "scenario"), "there is no such scenario", f"did you mean `{close}`?" if close else "PATH::NAME"
        )
