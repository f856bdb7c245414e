"""
Key rules: which keys of one mapping go together, each rule both checked on a file and printed into the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class RulePoint(NamedTuple):
    """
    One breach of a rule.
    """

    key: str | None
    """The key to point at; None for the mapping as a whole."""
    problem: str
    hint: str


class KeyRule(Protocol):
    """
    A statement about the keys of a mapping.
    """

    def broken_by(self, raw: Mapping[str, Any]) -> Iterator[RulePoint]:
        """
        Each breach in *raw*.
        """

    def schema(self) -> dict[str, Any]:
        """
        The same statement in JSON Schema.
        """


@dataclass(frozen=True, slots=True)
class OneOf:
    """
    Of *keys* exactly one is there; at most one where it is *optional*.
    """

    keys: tuple[str, ...]
    optional: bool = False
    what: str = ""
    """What such a key says, for the message: `a payload`."""

    def broken_by(self, raw: Mapping[str, Any]) -> Iterator[RulePoint]:
        """See KeyRule."""
        found = [key for key in raw if key in self.keys]
        if not found and not self.optional:
            yield RulePoint(None, f"lacks {self.what or 'a key'}", f"write one of {listed(self.keys)}")
        for key in found[1:]:
            yield RulePoint(key, f"has both `{found[0]}` and `{key}`", f"write one of {listed(self.keys)}")

    def schema(self) -> dict[str, Any]:
        """See KeyRule."""
        each = [{"required": [key]} for key in self.keys]
        return {"oneOf": [*each, {"not": {"anyOf": each}}]} if self.optional else {"oneOf": each}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """
    Of *keys* at least one is there.
    """

    keys: tuple[str, ...]
    what: str
    """What such a key says, for the message."""
    when: str = ""
    """The rule holds only where this key is there; empty for always."""

    def broken_by(self, raw: Mapping[str, Any]) -> Iterator[RulePoint]:
        """See KeyRule."""
        if (not self.when or self.when in raw) and not any(key in raw for key in self.keys):
            yield RulePoint(self.when or None, f"lacks {self.what}", f"write one of {listed(self.keys)}")

    def schema(self) -> dict[str, Any]:
        """See KeyRule."""
        any_of = {"anyOf": [{"required": [key]} for key in self.keys]}
        return {"if": {"required": [self.when]}, "then": any_of} if self.when else any_of


@dataclass(frozen=True, slots=True)
class Excludes:
    """
    Where *key* is, none of *others* is.
    """

    key: str
    others: tuple[str, ...]
    hint: str = ""

    def broken_by(self, raw: Mapping[str, Any]) -> Iterator[RulePoint]:
        """See KeyRule."""
        if self.key in raw:
            for other in raw:
                if other in self.others:
                    yield RulePoint(other, f"`{self.key}` excludes `{other}`", self.hint)

    def schema(self) -> dict[str, Any]:
        """See KeyRule."""
        return {"if": {"required": [self.key]}, "then": {"not": {"anyOf": [{"required": [o]} for o in self.others]}}}


@dataclass(frozen=True, slots=True)
class Needs:
    """
    Each of *keys* makes sense only beside *other*.
    """

    keys: tuple[str, ...]
    other: str
    hint: str = ""

    def broken_by(self, raw: Mapping[str, Any]) -> Iterator[RulePoint]:
        """See KeyRule."""
        if self.other not in raw:
            for key in raw:
                if key in self.keys:
                    yield RulePoint(key, f"`{key}` needs `{self.other}` beside it", self.hint)

    def schema(self) -> dict[str, Any]:
        """See KeyRule."""
        return {"dependencies": {key: [self.other] for key in self.keys}}


def listed(keys: tuple[str, ...]) -> str:
    """
    *keys* as a sentence has them: "`a`, `b` and `c`".
    """
    quoted = [f"`{key}`" for key in keys]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
