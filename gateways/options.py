"""
Options: the text of one configuration, read into typed values by the coercion rules of the historic decoder.

Unknown keys are passed over, keys match whatever their case, numbers and booleans become text where text is wanted.
"""

from __future__ import annotations

import re
from typing import Self

from gateways.errors import ConfigurationError
from gateways.yaml_nodes import Node, YamlProblem, documents, kind_of, text_of

_EMPTY = "configuration must be non empty"
_INTEGERS = range(-(1 << 63), 1 << 63)


class OptionReader:
    """
    The options of one mapping, each asked for by its name and type.

    Every method treats an option without a value as if it were absent.

    Args:
        node: The mapping.
        path: Name of the option that holds it; empty for the whole text.

    Source: R-CFG-12.
    """

    def __init__(self, node: Node, path: str = "") -> None:
        self._options: dict[str, Node] = node.value
        self._path = path

    @classmethod
    def from_text(cls, text: str) -> Self:
        """
        The options in *text*, of which only the first YAML document is read.

        Raises:
            ConfigurationError: It is empty, no YAML, or no mapping; says where and what would be right.
        """
        try:
            document = next(documents(text), None)
        except YamlProblem as error:
            raise _failure(str(error)) from None
        if document is None or document.value is None:
            raise ConfigurationError(_EMPTY)
        if not isinstance(document.value, dict):
            problem = f"must be a mapping such as `interval: 10s`, not {kind_of(document)}"
            raise _failure(f"{document.place}: {problem}")
        return cls(document)

    def has(self, name: str) -> bool:
        """
        Whether the option *name* is there with a value; `{}` is one.
        """
        return self._find(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """
        The text of *name*. Numbers and booleans are taken as text.

        Raises:
            ConfigurationError: It is a list or a mapping.
        """
        node = self._find(name)
        return default if node is None else self._text_of(node, name)

    def texts(self, name: str) -> list[str]:
        """
        The list of texts *name*; empty where it is absent.

        Raises:
            ConfigurationError: It is no list, or has an entry that is no text.
        """
        node = self._find(name)
        if node is None:
            return []
        if not isinstance(node.value, list):
            raise self._wrong(node, name, "a list of texts")
        return [self._text_of(entry, f"{name}[{number}]") for number, entry in enumerate(node.value)]

    def flag(self, name: str, default: bool = False) -> bool:
        """
        The boolean *name*.

        Raises:
            ConfigurationError: It is anything else, the text "true" included.
        """
        node = self._find(name)
        if node is None:
            return default
        if not isinstance(node.value, bool):
            raise self._wrong(node, name, "true or false")
        return node.value

    def integer(self, name: str, default: int) -> int:
        """
        The whole number *name*.

        Raises:
            ConfigurationError: It is anything else, or needs more than 64 bits.
        """
        node = self._find(name)
        if node is None:
            return default
        number = node.value
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int) or number not in _INTEGERS:
            raise self._wrong(node, name, "a whole number such as 10")
        return number

    def mapping(self, name: str) -> OptionReader | None:
        """
        A reader for the options inside *name*; None where it is absent.

        Raises:
            ConfigurationError: It is no mapping.
        """
        node = self._mapping(name)
        return None if node is None else OptionReader(node, self._full(name))

    def text_map(self, name: str) -> dict[str, str] | None:
        """
        The mapping *name* of names to texts, in the order of the text; None where it is absent.

        Raises:
            ConfigurationError: It is no mapping, or has a value that is no text.
        """
        node = self._mapping(name)
        if node is None:
            return None
        return {key: self._text_of(value, f"{name}.{key}") for key, value in node.value.items()}

    def _find(self, name: str) -> Node | None:
        node = self._options.get(name)
        if node is not None and node.value is not None:
            return node
        folded = name.lower()
        alike = (self._options[key] for key in reversed(self._options) if key.lower() == folded)
        return next((node for node in alike if node.value is not None), None)

    def _mapping(self, name: str) -> Node | None:
        node = self._find(name)
        if node is not None and not isinstance(node.value, dict):
            raise self._wrong(node, name, "a mapping")
        return node

    def _text_of(self, node: Node, name: str) -> str:
        if isinstance(node.value, list | dict):
            raise self._wrong(node, name, "text")
        return "" if node.value is None else text_of(node.value)

    def _wrong(self, node: Node, name: str, wanted: str) -> ConfigurationError:
        return _failure(f"{node.place}: `{self._full(name)}` must be {wanted}, not {kind_of(node)}")

    def _full(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def _failure(problem: str) -> ConfigurationError:
    return ConfigurationError(f"failed to parse configuration: {problem}")


_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_LONGEST_NS = (1 << 63) - 1
_DIGITS_MAX = 40
"""Of one number; more than that is no duration anybody means."""


def go_duration(text: str) -> float:
    """
    The seconds that *text* means as a Go duration, such as `1m30s`, `-5s`, `1.5h`, `100ms` or `0`.

    Raises:
        ConfigurationError: It means none; says why and what would be right.

    Source: time.ParseDuration of Go; R-CAL-11.
    """
    shown = f"`{' '.join(text[:40].split())}`"
    bare = text[1:] if text[:1] in ("+", "-") else text
    if bare == "0":
        return 0.0
    if not bare:
        raise ConfigurationError(f"invalid duration {shown}: write a number and its unit, such as `10s`")
    total, rest = 0, bare
    while rest:
        match = _PART.match(rest)
        assert match is not None
        total += _part_ns(match, shown)
        rest = rest[match.end() :]
    if total > _LONGEST_NS:
        raise ConfigurationError(f"invalid duration {shown}: it is longer than 292 years")
    return (-total if text.startswith("-") else total) / 1_000_000_000


def _part_ns(match: re.Match[str], shown: str) -> int:
    whole, fraction, unit = match[1], match[2] or "", match[3]
    if not whole and not fraction:
        raise ConfigurationError(f"invalid duration {shown}: write a number and its unit, such as `10s`")
    if not unit:
        raise ConfigurationError(f"missing unit in duration {shown}: write `{match[0][:20]}s` for seconds")
    if unit not in _NANOSECONDS:
        raise ConfigurationError(f"unknown unit `{unit[:10]}` in duration {shown}: units are h, m, s, ms, us and ns")
    if len(whole.lstrip("0")) > _DIGITS_MAX:
        raise ConfigurationError(f"invalid duration {shown}: it is longer than 292 years")
    scale, digits = _NANOSECONDS[unit], fraction[:_DIGITS_MAX]
    part: int = int(digits or 0) * scale // 10 ** len(digits)
    return int(whole or 0) * scale + part
