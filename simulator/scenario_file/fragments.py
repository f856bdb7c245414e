"""
Fragments: parts of a head that several scenario files share, merged under each file's own keys.

A fragments file is a mapping of names to partial heads; `use: [FILE#NAME]` takes one in. Mappings merge key by key
and the scenario's own key wins; tags, requirements, secrets and steps of the fragment come before the scenario's own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from simulator.errors import ScenarioError, ScenarioProblem
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.source_text import decode, read_bytes
from simulator.scenario_file.yaml_source import Document, Tree, close_to, parse

_JOINED = frozenset({"tags", "requirements", "secrets", "steps"})
_OWN = ("apiVersion", "scenario", "use")


def merge_fragments(
    value: dict[str, Any], tree: Tree, folder: FilePath, problems: Problems
) -> tuple[dict[str, Any], Tree]:
    """
    *value* with what its `use` names merged in, the first named nearest to the scenario's own keys.

    Args:
        folder: Names of fragments files are relative to it.
        problems: Takes what is wrong with `use` and the fragments' files.
    """
    used = value.get("use")
    if not isinstance(used, list):
        return value, tree
    for number, name in enumerate(used):
        if isinstance(name, str):
            found = _fragment(name, tree, number, folder, problems)
            if found is not None:
                value, tree = _merged((value, tree), found, top=True)
    return value, tree


def _fragment(
    name: str, tree: Tree, number: int, folder: FilePath, problems: Problems
) -> tuple[dict[str, Any], Tree] | None:
    place = ("use", number)
    file, mark, fragment = name.partition("#")
    if not (file and mark and fragment):
        problems.append(tree.value_problem(place, f"`{name[:60]}` names no fragment", "write `FILE#NAME`"))
        return None
    try:
        document = _document(folder / file)
    except ScenarioError as error:
        if error.problems[0].source_line:
            problems.extend(error.problems)
        else:
            problems.append(tree.value_problem(place, f"`{file}`: {error.problems[0].problem}"))
        return None
    problems.extend(document.problems)
    if not isinstance(document.value, dict) or fragment not in document.value:
        known = [str(each) for each in document.value] if isinstance(document.value, dict) else []
        problems.append(tree.value_problem(place, f"`{file}` has no fragment `{fragment}`", _meant(fragment, known)))
        return None
    return _usable(document, fragment, problems)


def _usable(document: Document, fragment: str, problems: Problems) -> tuple[dict[str, Any], Tree] | None:
    part, spot = document.value[fragment], document.tree.part(fragment) or document.tree
    if not isinstance(part, dict):
        problems.append(document.tree.value_problem((fragment,), f"fragment `{fragment}` must be a mapping"))
        return None
    for key in _OWN:
        if key in part:
            hint = "each scenario file says that itself"
            problems.append(document.tree.key_problem((fragment, key), f"a fragment has no `{key}`", hint))
    return {key: inner for key, inner in part.items() if key not in _OWN}, spot


def _meant(name: str, known: Sequence[str]) -> str:
    close = close_to(name, known)
    if close:
        return f"did you mean `{close}`?"
    return f"there are {', '.join(f'`{each}`' for each in known)}" if known else ""


def _document(path: FilePath) -> Document:
    if not os.path.isfile(path):
        raise ScenarioError([ScenarioProblem(str(path), 1, 1, 1, "there is no such file")])
    stamp = path.stat()
    return _cached(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=64)
def _cached(path: FilePath, modified_ns: int, size: int) -> Document:
    """
    The document at *path*; read again only where the file changed.
    """
    return parse(decode(str(path), read_bytes(path)))


def _merged(
    own: tuple[dict[str, Any], Tree], shared: tuple[dict[str, Any], Tree], *, top: bool
) -> tuple[dict[str, Any], Tree]:
    own_value, own_tree = own
    shared_value, shared_tree = shared
    value = {**shared_value, **own_value}
    parts = {**_parts(shared_tree), **_parts(own_tree)}
    for key in value:
        if key in own_value and key in shared_value:
            value[key], parts[key] = _both(
                key,
                (own_value[key], _parts(own_tree).get(key, own_tree)),
                (shared_value[key], _parts(shared_tree).get(key, shared_tree)),
                top=top,
            )
    keys = {**(shared_tree.keys or {}), **(own_tree.keys or {})}
    return value, own_tree._replace(parts=parts, keys=keys)


def _both(key: str, own: tuple[Any, Tree], shared: tuple[Any, Tree], *, top: bool) -> tuple[Any, Tree]:
    """
    What two values under one key make together.
    """
    if isinstance(own[0], dict) and isinstance(shared[0], dict):
        return _merged(own, shared, top=False)
    if top and key in _JOINED and isinstance(own[0], list) and isinstance(shared[0], list):
        both = [*_entries(shared[1]), *_entries(own[1])]
        return [*shared[0], *own[0]], own[1]._replace(parts=both)
    return own


def _parts(tree: Tree) -> dict[str, Tree]:
    return tree.parts if isinstance(tree.parts, dict) else {}


def _entries(tree: Tree) -> list[Tree]:
    return tree.parts if isinstance(tree.parts, list) else []
