"""
YAML text to plain values, and the place of every key and value, by the rules of YAML 1.2.

No tags, no merge keys, no duplicate keys, one document. Made from the events of PyYAML's C parser, which is the
fastest way to have both values and places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from simulator.errors import ScenarioError, ScenarioProblem
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.source_text import SourceText
from simulator.scenario_file.yaml_words import DEPTH_MAX, TOO_DEEP, syntax_problem

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The pure Python parser stands in where the C extension is absent."""

DIGITS_MAX = 400
"""A longer number is text: nothing could count with it."""
EXPANSION_MAX = 100_000
"""Values that aliases may add to a document; more is an alias bomb."""

CLOSE_AMONG = 500
"""A slip is looked for among so many names; a file with more of them was made by a machine."""

Path = tuple[str | int, ...]


class Tree(NamedTuple):
    """
    Where one value stands, and its parts. Marks count from 0.
    """

    source: SourceText
    start: Any
    end: Any
    parts: dict[str, Tree] | list[Tree] | None = None
    keys: dict[str, Tree] | None = None
    """Of a mapping: where each key stands."""

    @property
    def line(self) -> int:
        """
        Counted from 1.
        """
        return int(self.start.line) + 1

    @property
    def column(self) -> int:
        """
        Counted from 1.
        """
        return int(self.start.column) + 1

    def part(self, name: str | int) -> Tree | None:
        """
        The part under *name*; None where there is none.
        """
        found: Tree | None = None
        if isinstance(self.parts, dict) and isinstance(name, str):
            found = self.parts.get(name)
        elif isinstance(self.parts, list) and isinstance(name, int) and name < len(self.parts):
            found = self.parts[name]
        return found

    def at(self, path: Path) -> Tree:
        """
        The part at *path*, or the nearest around it that the text has.
        """
        found = self
        for name in path:
            inner = found.part(name)
            if inner is None:
                break
            found = inner
        return found

    def value_problem(self, path: Path, problem: str, hint: str = "") -> ScenarioProblem:
        """
        *problem* with the value at *path*.
        """
        spot = self.at(path)
        return _problem(spot.source, (spot.start, spot.end), problem, hint, path)

    def key_problem(self, path: Path, problem: str, hint: str = "") -> ScenarioProblem:
        """
        *problem* with the key that *path* ends in; with the value where the text has no such key.
        """
        spot = (self.at(path[:-1]).keys or {}).get(path[-1]) if path and isinstance(path[-1], str) else None
        if spot is None:
            return self.value_problem(path, problem, hint)
        return _problem(spot.source, (spot.start, spot.end), problem, hint, path)


class Document(NamedTuple):
    """
    What a YAML text holds.
    """

    value: Any
    tree: Tree
    problems: tuple[ScenarioProblem, ...]
    """Duplicate keys, tags and the like; the value goes without what they name."""


def shown_path(path: Path) -> str:
    """
    *path* as people read it: `steps[2].publish.count`.
    """
    return "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in path).lstrip(".")


def _problem(source: SourceText, marks: tuple[Any, Any], problem: str, hint: str, path: Path) -> ScenarioProblem:
    start, end = marks
    line = source.line(start.line + 1)
    last = end.column if end.line == start.line else len(line.rstrip())
    column = start.column + 1
    return source.problem(start.line + 1, column, max(column, last + 1), problem, hint=hint, key_path=shown_path(path))


def parse(source: SourceText) -> Document:
    """
    The one document in *source*.

    Raises:
        ScenarioError: It is not YAML, empty, or more than one document.
    """
    builder = Builder(source)
    try:
        return builder.document()
    except yaml.YAMLError as error:
        raise ScenarioError([*builder.problems, syntax_problem(source, error)]) from None


_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER_START = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")


def plain_value(text: str) -> Any:
    """
    What *text* without quotes means.

    Source: YAML 1.2.2, section 10.3.2 (core schema).
    """
    if text[:1] in _NUMBER_START:
        return _number(text)
    if text in _NULL:
        return None
    return _BOOL.get(text, text)


def _number(text: str) -> Any:
    if len(text) > DIGITS_MAX:
        return text
    if _INT.match(text):
        return int(text)
    if _OCTAL.match(text):
        return int(text[2:], 8)
    if _HEX.match(text):
        return int(text[2:], 16)
    if _FLOAT.match(text):
        return float(text)
    return float(text.replace(".", "", 1)) if _SPECIAL.match(text) else text


class _Anchor(NamedTuple):
    value: Any
    tree: Tree
    size: int


class Builder:
    """
    Makes documents from the parser's events. Recursion is bounded by DEPTH_MAX, which the parser itself does not do.

    Args:
        source: The text.

    Attributes:
        problems: What was found so far.
    """

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.events: Iterator[Any] = yaml.parse(source.text, Loader=LOADER)
        self.anchors: dict[str, _Anchor | None] = {}
        self._size = 0
        self._expanded = 0
        self.problems = Problems()

    def document(self) -> Document:
        """
        The document; everything up to the end of the stream is read.
        """
        next(self.events)
        start = next(self.events)
        if type(start) is StreamEndEvent:
            raise self._empty()
        value, tree = self.node(next(self.events), (), 0)
        if value is None:
            raise self._empty()
        next(self.events)
        second = next(self.events)
        if type(second) is DocumentStartEvent:
            hint = "a file holds one document; put it into a file of its own"
            problem = _problem(self.source, (second.start_mark, second.end_mark), "a second document", hint, ())
            raise ScenarioError([*self.problems, problem])
        return Document(value, tree, tuple(self.problems))

    def _empty(self) -> ScenarioError:
        hint = "a scenario begins with `apiVersion: gatesim/v1`"
        return ScenarioError([*self.problems, self.source.problem(1, 1, 1, "the file is empty", hint=hint)])

    def node(self, event: Any, path: Path, depth: int) -> tuple[Any, Tree]:
        """
        The value that begins with *event*; its events are used up.
        """
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event, path)
        if event.tag is not None:
            self.refuse_tag(event, path)
        if kind is ScalarEvent:
            return self.scalar(event)
        if depth >= DEPTH_MAX:
            problem = self._at(event, path, TOO_DEEP, "a scenario is flatter than that")
            raise ScenarioError([*self.problems, problem])
        before = self._size
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self._size += 1
        value, tree = (
            self.mapping(event, path, depth) if kind is MappingStartEvent else self._sequence(event, path, depth)
        )
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(value, tree, self._size - before)
        return value, tree

    def scalar(self, event: Any) -> tuple[Any, Tree]:
        """
        The value of a scalar.
        """
        text = event.value
        value = plain_value(text) if event.implicit[0] else text
        tree = Tree(self.source, event.start_mark, event.end_mark)
        size = 1 + len(text) // 64
        self._size += size
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(value, tree, size)
        return value, tree

    def _sequence(self, event: Any, path: Path, depth: int) -> tuple[list[Any], Tree]:
        values: list[Any] = []
        parts: list[Tree] = []
        for inner in self.events:
            if type(inner) is SequenceEndEvent:
                break
            value, tree = self.node(inner, (*path, len(values)), depth + 1)
            values.append(value)
            parts.append(tree)
        return values, Tree(self.source, event.start_mark, inner.end_mark, parts)

    def mapping(self, event: Any, path: Path, depth: int) -> tuple[dict[str, Any], Tree]:
        """
        The mapping that *event* starts.
        """
        values: dict[str, Any] = {}
        parts: dict[str, Tree] = {}
        keys: dict[str, Tree] = {}
        for inner in self.events:
            if type(inner) is MappingEndEvent:
                break
            key = self._key(inner, path, depth, keys)
            value, tree = self.node(next(self.events), path if key is None else (*path, key), depth + 1)
            if key is not None:
                values[key] = value
                parts[key] = tree
                keys[key] = Tree(self.source, inner.start_mark, inner.end_mark)
        return values, Tree(self.source, event.start_mark, inner.end_mark, parts, keys)

    def _key(self, event: Any, path: Path, depth: int, keys: dict[str, Tree]) -> str | None:
        """
        The key that *event* is; None where its value cannot be kept.
        """
        if type(event) is not ScalarEvent:
            self.problems.append(self._at(event, path, "a key must be text", ""))
            self.node(event, path, depth + 1)
            return None
        key: str = event.value
        if event.tag is not None:
            self.refuse_tag(event, path)
        if event.anchor is not None:
            self.scalar(event)
        if key == "<<" and event.implicit[0]:
            self.problems.append(self._at(event, (*path, key), "merge keys (`<<`) do not exist here", _MERGE_HINT))
            return None
        if key in keys:
            first = keys[key].line
            problem = f"`{_cut(key)}` is there twice; the first is on line {first}"
            self.problems.append(self._at(event, (*path, key), problem, "give each key once"))
            return None
        if not key:
            self.problems.append(self._at(event, path, "a key is missing before this `:`", ""))
            return None
        return key

    def _alias(self, event: Any, path: Path) -> tuple[Any, Tree]:
        name = event.anchor
        if name not in self.anchors:
            known = close_to(name, list(self.anchors))
            hint = f"did you mean `*{known}`?" if known else f"`&{name}` must stand before it"
            problem = f"nothing is called `&{_cut(name)}`"
        elif (anchor := self.anchors[name]) is None:
            problem = f"`*{_cut(name)}` stands inside `&{_cut(name)}` and would contain itself"
            hint = "write out what is meant"
        else:
            self._size += anchor.size
            self._expanded += anchor.size
            if self._expanded <= EXPANSION_MAX:
                return anchor.value, anchor.tree
            problem, hint = "aliases make this document too large", f"they may add {EXPANSION_MAX:,} values at most"
            raise ScenarioError([*self.problems, self._at(event, path, problem, hint)])
        self.problems.append(self._at(event, path, problem, hint))
        return None, Tree(self.source, event.start_mark, event.end_mark)

    def refuse_tag(self, event: Any, path: Path) -> None:
        """
        Note the tag of *event* as a problem.
        """
        start, line = event.start_mark, self.source.line(event.start_mark.line + 1)
        tag = re.match(r"(?:&\S+\s+)?(!\S*)", line[start.column :])
        shown = tag.group(1) if tag else "a tag"
        column = start.column + (tag.start(1) if tag else 0) + 1
        self.problems.append(
            self.source.problem(
                start.line + 1,
                column,
                column + (len(shown) if tag else 1),
                f"tags such as `{_cut(shown)}` do not exist here",
                hint="leave it out; quote what must be text",
                key_path=shown_path(path),
            )
        )

    def _at(self, event: Any, path: Path, problem: str, hint: str) -> ScenarioProblem:
        return _problem(self.source, (event.start_mark, event.end_mark), problem, hint, path)


_MERGE_HINT = "share parts by `use: [FILE#NAME]`, or write `*name` as a whole value"


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def close_to(name: str, known: Sequence[str]) -> str:
    """
    The one of *known* that *name* is most likely a slip of; empty for none.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    lower = {text.lower(): text for text in known[:CLOSE_AMONG]}
    found = get_close_matches(name.lower()[:100], lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else ""
