"""
YAML text to values and the place of each, by the YAML 1.1 rules of the decoder that the historic gateways used.

Only what matters here is taken over: `yes`, `on` and their like are booleans, `017` is octal, timestamps stay text,
merge keys work, the last of two equal keys wins, and numbers become text by that decoder's own format.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

DEPTH_MAX = 100
EXPANSION_MAX = 100_000
"""Values that aliases and merge keys may add to one document; more is an alias bomb."""


class Place(NamedTuple):
    """
    Where something stands in a text; both count from 1.
    """

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"

    @property
    def in_file(self) -> str:
        """`line:column`, to follow a file's name."""
        return f"{self.line}:{self.column}"


class Node(NamedTuple):
    """
    One value: None, bool, int, float, text, a list of Nodes, or a dict of Nodes by the text of their keys.
    """

    value: Any
    place: Place
    raw: str = ""
    """Of a scalar: its text as written, without quotes."""
    keys: dict[str, Place] | None = None
    """Of a mapping: where each key stands."""


class YamlProblem(Exception):
    """
    The text is not YAML, or holds what cannot be used.

    Attributes:
        problem: What is wrong.
        hint: What would be right; may be empty.
        advice: Both.
        place: Where.
    """

    def __init__(self, place: Place, problem: str, hint: str = "") -> None:
        self.place = place
        self.problem = problem
        self.hint = hint
        self.advice = f"{problem}; {hint}" if hint else problem
        super().__init__(f"{place}: {self.advice}")


def documents(text: str) -> Iterator[Node]:
    """
    Each document of *text*, read as it is asked for; one without content is a Node of None.

    Raises:
        YamlProblem: A document is not YAML. Those before it were given out.
    """
    import yaml  # noqa: PLC0415 - a gateway that reads no YAML starts without it

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        builder = _Builder(yaml.parse(text, Loader=loader))
        while (document := builder.document()) is not None:
            yield document
    except UnicodeEncodeError as error:
        raise YamlProblem(_place_of(text, error.start), "half of a surrogate pair is no character") from None
    except yaml.YAMLError as error:
        raise _complaint(error, text) from None


def plain(node: Node) -> Any:
    """
    *node* as Python values without places. Shared parts are shared no more; the builder bounds how much that is.
    """
    if isinstance(node.value, dict):
        return {key: plain(inner) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [plain(inner) for inner in node.value]
    return node.value


def kind_of(node: Node) -> str:
    """
    What *node* is, for people.
    """
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the boolean `{node.raw}`"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names[type(value)]


_BOOLEANS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_SPECIAL = re.compile(r"(?:\.(?:nan|NaN|NAN)|[-+]?\.(?:inf|Inf|INF))\Z")
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)\Z")
_BINARY = re.compile(r"-?0b[01]+\Z")
_FLOAT = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+][0-9]+)?\Z")
_POINT_FLOAT = re.compile(r"\.[0-9]+(?:[eE][-+]?[0-9]+)?\Z")
_SIGNS_AND_DIGITS = frozenset("+-0123456789")


def scalar_value(text: str) -> Any:
    """
    What *text* without quotes means.

    Source: the resolver of yaml.v2 2.2 for Go, which differs from YAML 1.1: no base 60, an exponent needs its sign.
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _SPECIAL.match(text):
        return float(text.replace(".", "", 1))
    if text[0] == ".":
        return _finite(text) if _POINT_FLOAT.match(text) else text
    return _number(text) if text[0] in _SIGNS_AND_DIGITS else text


def _number(text: str) -> Any:
    digits = text.replace("_", "")
    if (_INTEGER.match(digits) or _BINARY.match(digits)) and (integer := _integer(digits)) is not None:
        return integer
    found = _finite(digits) if _FLOAT.match(digits) else None
    return text if found is None or isinstance(found, str) else found


def _integer(digits: str) -> int | None:
    """
    The integer that *digits* mean; None where it has none that fits into 64 bits.
    """
    negative, bare = digits.startswith("-"), digits.lstrip("+-")
    base = {"0x": 16, "0X": 16, "0b": 2}.get(bare[:2], 8 if bare[0] == "0" else 10)
    if (base == 10 and len(bare) > 20) or (base == 8 and not set(bare) <= set("01234567")):
        return None
    number = int(bare[2:] if base in (2, 16) else bare, base)
    if negative:
        return -number if number <= 1 << 63 else None
    return number if number < 1 << 64 else None


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def text_of(value: Any) -> str:
    """
    The text that a boolean, number or text becomes where text is wanted.

    Source: ghodss/yaml 1.0, which formats fractions as 32-bit floats: seven digits, an exponent from a million on.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return _float_text(value) if isinstance(value, float) else str(value)


def _float_text(value: float) -> str:
    try:
        single = struct.pack("f", value)
    except OverflowError:
        single = struct.pack("f", math.copysign(math.inf, value))
    (rounded,) = struct.unpack("f", single)
    if not math.isfinite(rounded):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(rounded)]
    shortest = next(shown for places in range(9) if struct.pack("f", float(shown := f"{rounded:.{places}e}")) == single)
    mantissa, _, exponent = shortest.partition("e")
    if not -4 <= int(exponent) < 6:
        return shortest
    places = len(mantissa.lstrip("-").replace(".", "")) - 1 - int(exponent)
    return f"{rounded:.{max(0, places)}f}"


class _Anchor(NamedTuple):
    node: Node
    size: int


class _Builder:
    """
    Makes Nodes from a parser's events. Recursion is bounded by DEPTH_MAX.
    """

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, _Anchor | None] = {}
        self._size = 0
        self._added = 0

    def document(self) -> Node | None:
        """
        The next document; None at the end of the stream.
        """
        from yaml.events import DocumentStartEvent, StreamEndEvent  # noqa: PLC0415 - see documents

        for event in self._events:
            if type(event) is StreamEndEvent:
                return None
            if type(event) is DocumentStartEvent:
                self._anchors.clear()
                self._added = 0
                return self._node(next(self._events), 0)
        return None

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event)
        if depth >= DEPTH_MAX:
            raise YamlProblem(_start(event), f"nested deeper than {DEPTH_MAX} levels")
        before = self._size
        self._size += 1
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if kind == "ScalarEvent":
            node = Node(_scalar(event), _start(event), event.value)
        else:
            node = self._mapping(event, depth) if kind == "MappingStartEvent" else self._sequence(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(node, self._size - before)
        return node

    def _alias(self, event: Any) -> Node:
        name = event.anchor
        shown = name if len(name) <= 20 else f"{name[:17]}..."
        if name not in self._anchors:
            hint = "put a value that begins with `*` in quotes"
            raise YamlProblem(_start(event), f"nothing is called `&{shown}`", hint)
        anchor = self._anchors[name]
        if anchor is None:
            raise YamlProblem(_start(event), f"`*{shown}` stands inside `&{shown}` and would contain itself")
        self._grow(anchor.size, event)
        return anchor.node._replace(place=_start(event))

    def _grow(self, by: int, event: Any) -> None:
        self._size += by
        self._added += by
        if self._added > EXPANSION_MAX:
            problem = f"aliases add more than {EXPANSION_MAX:,} values"
            raise YamlProblem(_start(event), problem, "write out what is meant")

    def _sequence(self, event: Any, depth: int) -> Node:
        values: list[Node] = []
        for inner in self._events:
            if type(inner).__name__ == "SequenceEndEvent":
                break
            values.append(self._node(inner, depth + 1))
        return Node(values, _start(event))

    def _mapping(self, event: Any, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for inner in self._events:
            if type(inner).__name__ == "MappingEndEvent":
                break
            key = self._node(inner, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if _is_merge(inner):
                self._merge(value, inner, values, keys)
                continue
            name = _key_text(key)
            values[name], keys[name] = value, key.place
        return Node(values, _start(event), keys=keys)

    def _merge(self, node: Node, event: Any, values: dict[str, Node], keys: dict[str, Place]) -> None:
        """
        Take over the entries of *node*, a mapping or a list of mappings of which the first counts most.
        """
        parts = reversed(node.value) if isinstance(node.value, list) else (node,)
        for part in parts:
            if not isinstance(part.value, dict):
                raise YamlProblem(node.place, f"`<<` takes a mapping or a list of mappings, not {kind_of(part)}")
            self._grow(len(part.value), event)
            values.update(part.value)
            keys.update(part.keys or {})


def _start(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


_TAGGED: dict[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (float, int), "null": (type(None),)}


def _scalar(event: Any) -> Any:
    tag = (event.tag or "").removeprefix("tag:yaml.org,2002:")
    if not tag:
        return scalar_value(event.value) if event.implicit[0] else event.value
    if tag == "binary":
        return _binary(event)
    if tag not in _TAGGED:
        return event.value
    value: Any = scalar_value(event.value)
    if not isinstance(value, _TAGGED[tag]) or (isinstance(value, bool) and tag != "bool"):
        raise YamlProblem(_start(event), f"this is no `!!{tag}`", "leave the tag out")
    return float(value) if tag == "float" and isinstance(value, int) else value


def _binary(event: Any) -> str:
    try:
        return base64.b64decode("".join(event.value.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        raise YamlProblem(_start(event), "this `!!binary` is not base64 of UTF-8 text", "leave the tag out") from None


def _is_merge(event: Any) -> bool:
    if type(event).__name__ != "ScalarEvent" or event.value != "<<":
        return False
    return bool(event.implicit[0]) or event.tag == "tag:yaml.org,2002:merge"


def _key_text(key: Node) -> str:
    if key.value is None:
        raise YamlProblem(key.place, "a key is missing before this `:`")
    if isinstance(key.value, list | dict):
        raise YamlProblem(key.place, f"a key must be text, not {kind_of(key)}", "quote it")
    text = text_of(key.value)
    return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(text, text) if isinstance(key.value, float) else text


_COMPLAINTS = (
    ("mapping values are not allowed", "a `:` stands where no key can be", "keys of one mapping start in one column; "
     "put text that holds `: ` in quotes"),
    ("cannot start any token", "a value cannot start with this character", "put it in quotes, and indent with spaces"),
    ("alphabetic or numeric", "a value that begins with `*` or `&` must be in quotes", 'for instance "*/5 * * * *"'),
    ("unexpected end of stream", "a quote is never closed", "close it"),
    ("found unknown escape", "an unknown escape", "write `\\\\` for a backslash, or use single quotes"),
    ("expected ':'", "this line is no `key: value`", "a key is followed by `: `"),
    ("expected ',' or", "a bracket is not closed, or a comma is missing", "close it"),
    ("expected key", "this does not fit what stands before it", "keys of one mapping start in one column, and nothing "
     "follows a closing quote"),
    ("expected <block end>", "this does not fit what stands before it", "keys of one mapping start in one column"),
    ("expected '-' indicator", "this does not fit the list above", "entries of one list start with `- ` in one column"),
    ("sequence entries are not allowed", "a list cannot start here", "begin it on a line of its own"),
    ("node content", "a value is missing, or a bracket is not closed", "close it"),
    ("maximum nesting", f"nested deeper than {DEPTH_MAX} levels", ""),
    ("control characters", "a control character", "write it as an escape in double quotes"),
    ("special characters", "a control character", "write it as an escape in double quotes"),
)  # fmt: skip


def _complaint(error: Any, text: str) -> YamlProblem:
    """
    The parser's *error* in our words. Never shows the value it is about, which may be a secret.
    """
    raw = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable")
    mark = getattr(error, "problem_mark", None)
    if "alphabetic or numeric" in raw or "unexpected end of stream" in raw or "expected ':'" in raw:
        mark = getattr(error, "context_mark", None) or mark
    place = Place(mark.line + 1, mark.column + 1) if mark else _place_of(text, getattr(error, "position", 0) or 0)
    lines = text.splitlines()
    if place.line > len(lines) > 0:
        place = Place(len(lines), len(lines[-1]) + 1)
    known = next(((problem, hint) for part, problem, hint in _COMPLAINTS if part in raw), None)
    problem, hint = known or (f"this is not YAML: {raw}", "")
    return YamlProblem(place, problem, hint)


def _place_of(text: str, position: int) -> Place:
    before = text[:position]
    return Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
