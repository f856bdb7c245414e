"""
Templates: `${{ i }}` and `${{ matrix.x }}` in a scenario file, replaced by values; there are no other expressions.

A text that is exactly one template becomes the value with its type; inside longer text its text stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from simulator.errors import ScenarioProblem
from simulator.scenario_file.key_rules import listed
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.yaml_source import Path, Tree, close_to, shown_path

OPENING = "${{"
ROUND = "i"
"""The name of a repeat's round."""

_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
_ONLY = re.compile(r"\s*\$\{\{((?:(?!\}\}).)*)\}\}\s*\Z", re.DOTALL)

Names = Mapping[str, Any]
"""What may stand in a template, `i` or `matrix.NAME`, to its value."""


class Templates:
    """
    Replaces the templates of one document.

    Args:
        names: What may stand in a template.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self.problems = Problems()

    def replace(self, value: Any, tree: Tree, path: Path = ()) -> tuple[Any, Tree]:
        """
        *value* with its templates replaced, and the places of its parts under their new names.

        What holds no template comes back as the same object. Unknown names end up in `problems`.
        """
        if isinstance(value, str):
            return (self._text(value, tree, path) if OPENING in value else value), tree
        if isinstance(value, dict):
            return self._mapping(value, tree, path)
        if isinstance(value, list):
            return self._list(value, tree, path)
        return value, tree

    def _mapping(self, value: dict[str, Any], tree: Tree, path: Path) -> tuple[Any, Tree]:
        new: dict[str, Any] = {}
        parts: dict[str, Tree] = {}
        keys: dict[str, Tree] = {}
        changed = False
        for key, inner in value.items():
            spot, inner_path = tree.part(key) or tree, (*path, key)
            new_key = key
            if OPENING in key:
                new_key = text_of(self._text(key, (tree.keys or {}).get(key, tree), inner_path))
            if new_key in new:
                problem = f"a key `{new_key[:60]}` is there already, made from a template"
                hint = "each key stands once"
                self.problems.append(tree.key_problem((key,), problem, hint)._replace(key_path=shown_path(inner_path)))
            new[new_key], parts[new_key] = self.replace(inner, spot, inner_path)
            changed = changed or new_key is not key or new[new_key] is not inner
            if tree.keys and key in tree.keys:
                keys[new_key] = tree.keys[key]
        return (new, tree._replace(parts=parts, keys=keys)) if changed else (value, tree)

    def _list(self, value: list[Any], tree: Tree, path: Path) -> tuple[Any, Tree]:
        pairs = [self.replace(inner, tree.part(n) or tree, (*path, n)) for n, inner in enumerate(value)]
        if all(new is old for (new, _), old in zip(pairs, value, strict=True)):
            return value, tree
        return [new for new, _ in pairs], tree._replace(parts=[part for _, part in pairs])

    def _text(self, text: str, tree: Tree, path: Path) -> Any:
        only = _ONLY.match(text)
        if only:
            found, value = self._value(only.group(1), tree, path)
            return value if found else text
        if text.count(OPENING) > len(_TEMPLATE.findall(text)):
            self.problems.append(_problem(tree, path, OPENING, "a template is not closed", "write `${{ i }}`"))
            return text
        return _TEMPLATE.sub(lambda match: self._as_text(match, tree, path), text)

    def _as_text(self, match: re.Match[str], tree: Tree, path: Path) -> str:
        found, value = self._value(match.group(1), tree, path)
        return text_of(value) if found else match.group()

    def _value(self, expression: str, tree: Tree, path: Path) -> tuple[bool, Any]:
        name = expression.strip()
        if name in self._names:
            return True, self._names[name]
        self.problems.append(self._unknown(name, expression, tree, path))
        return False, None

    def _unknown(self, name: str, expression: str, tree: Tree, path: Path) -> ScenarioProblem:
        known = sorted(self._names)
        close = close_to(name, known)
        if close:
            hint = f"did you mean `{close}`?"
        elif not _NAME.match(name):
            hint = "a template holds one name; there are no other expressions"
        elif name == ROUND:
            hint = "`i` counts the rounds of a `repeat` and exists only in its steps"
        else:
            offered = listed(tuple(known)) if known else "nothing, for there is no `matrix`"
            hint = f"in a template may stand {offered}"
        return _problem(tree, path, f"{OPENING}{expression}}}}}", f"nothing is called `{name[:60]}`", hint)


def _problem(tree: Tree, path: Path, written: str, problem: str, hint: str) -> ScenarioProblem:
    """
    *problem* with the first place at or behind *tree*'s start where *written* stands.
    """
    first, last = tree.line, int(tree.end.line) + 1
    for number in range(first, last + 1):
        line = tree.source.line(number)
        column = line.find(written, tree.column - 1 if number == first else 0)
        if column >= 0:
            return tree.source.problem(
                number, column + 1, column + 1 + len(written), problem, hint=hint, key_path=shown_path(path)
            )
    return tree.value_problem((), problem, hint)._replace(key_path=shown_path(path))


def text_of(value: Any) -> str:
    """
    *value* as text: scalars as YAML writes them, the rest as JSON.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}"
    return json.dumps(value, ensure_ascii=False)


def names_in(value: Any) -> Iterator[str]:
    """
    The name of each template in *value*, in order.
    """
    if isinstance(value, str):
        if OPENING in value:
            yield from (name.strip() for name in _TEMPLATE.findall(value))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from names_in(key)
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)
