"""
The requirement catalogue: each sentence that a gateway can be held to, with its id, level, profile and source.

Read from requirements.yaml, and only when somebody asks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from simulator.errors import ScenarioError
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.source_text import decode, read_bytes
from simulator.scenario_file.yaml_source import Document, close_to, parse

Level = Literal["MUST", "SHOULD", "MAY"]
LEVELS: tuple[Level, ...] = ("MUST", "SHOULD", "MAY")

_CATALOGUE = Path(__file__).with_name("requirements.yaml")
_ID = re.compile(r"^- id: (\S+)$", re.MULTILINE)


class Requirement(NamedTuple):
    """
    One sentence that a gateway can be held to.
    """

    id: str
    level: Level
    profile: str
    """What it belongs to: calendar, webhook, nats, configmap, pipeline, status, custom, ..."""
    sentence: str
    source: str = ""
    """Where it comes from; empty where it is ours alone."""
    holds: bool = True
    """Whether it binds the reference gateway."""
    replaced_by: tuple[str, ...] = ()
    """Ids of the sentences that hold in its place."""


@cache
def known_ids() -> frozenset[str]:
    """
    Every id of the catalogue, without reading the rest of it.
    """
    return frozenset(_ID.findall(_CATALOGUE.read_text(encoding="utf-8")))


@cache
def catalogue() -> Mapping[str, Requirement]:
    """
    The whole catalogue by id, in its order.
    """
    return {requirement.id: requirement for requirement in requirements_in(_CATALOGUE)}


def requirements_in(path: str | os.PathLike[str]) -> list[Requirement]:
    """
    The requirements of a file in the catalogue's format, so that users can declare their own.

    Raises:
        ScenarioError: Something in the file must change.
    """
    document = parse(decode(os.fspath(path), read_bytes(path)))
    problems = Problems(document.problems)
    entries = document.value if isinstance(document.value, list) else []
    if not isinstance(document.value, list):
        problems.append(document.tree.value_problem((), "must be a list of requirements", "such as `- id: OUR-1`"))
    found = [made for number, entry in enumerate(entries) if (made := _made(entry, number, document, problems))]
    if problems:
        raise ScenarioError(problems)
    return found


_KEYS = ("id", "level", "profile", "sentence", "source", "holds", "replaced_by")


def _made(entry: Any, number: int, document: Document, problems: Problems) -> Requirement | None:
    before = len(problems)
    tree = document.tree
    if not isinstance(entry, dict):
        problems.append(tree.value_problem((number,), "a requirement must be a mapping"))
        return None
    for key in entry:
        if key not in _KEYS:
            close = close_to(key, _KEYS)
            hint = f"did you mean `{close}`?" if close else ""
            problems.append(tree.key_problem((number, key), f"unknown key `{key}`", hint))
    for key in ("id", "level", "profile", "sentence"):
        if not isinstance(entry.get(key), str):
            problems.append(tree.value_problem((number, key), f"a requirement needs `{key}`, as text"))
    if isinstance(entry.get("level"), str) and entry["level"] not in LEVELS:
        problems.append(tree.value_problem((number, "level"), "`level` must be MUST, SHOULD or MAY"))
    if len(problems) > before:
        return None
    return Requirement(
        entry["id"],
        cast(Level, entry["level"]),
        entry["profile"],
        entry["sentence"],
        str(entry.get("source", "")),
        entry.get("holds", True) is not False,
        tuple(map(str, entry.get("replaced_by") or ())),
    )
