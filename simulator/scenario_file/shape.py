"""
Shape: what all models of a scenario file have in common, and the scalars that they are made of.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, PlainValidator, Strict, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from simulator.scenario_file.durations import PATTERN, DurationError, parse_duration
from simulator.scenario_file.key_rules import KeyRule, RulePoint


class Shape(BaseModel):
    """
    A mapping in a scenario file. Keys are camelCase in the file; nothing is coerced, unknown keys are errors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel, defer_build=True)

    key_rules: ClassVar[tuple[KeyRule, ...]] = ()
    """Which keys go together. The loader checks them, so that their problems come together with all others."""
    may_be_empty: ClassVar[frozenset[str]] = frozenset()
    """Keys whose value may be nothing (null), because that says something."""

    @classmethod
    def rule_points(cls, raw: Mapping[str, Any]) -> Iterator[RulePoint]:
        """
        What *raw*'s keys break of this shape's rules.
        """
        for rule in cls.key_rules:
            yield from rule.broken_by(raw)


def wrong(problem: str, hint: str = "") -> PydanticCustomError:
    """
    What a validator raises, with *problem* and *hint* as the author shall read them.
    """
    return PydanticCustomError("gatesim", "{problem}", {"problem": problem, "hint": hint})


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        example = f": `{value}s`" if type(value) in (int, float) and value >= 0 else ", such as `30s`"
        raise wrong(f"must be a duration, not {kind_of(value)}", f"a duration carries its unit{example}")
    try:
        return parse_duration(value)
    except DurationError as error:
        raise wrong(error.problem, error.hint) from None


_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    hint = "write date, time and zone: `2018-10-07T12:00:00Z`"
    if not isinstance(value, str):
        raise wrong(f"must be an instant, not {kind_of(value)}", hint)
    match = _INSTANT.match(value)
    if not match:
        raise wrong(f"`{value[:40]}` is no instant", hint)
    whole, fraction, zone = match.groups()
    try:
        return datetime.fromisoformat(whole + (fraction or "")[:7] + zone.replace("Z", "+00:00"))
    except ValueError as error:
        raise wrong(f"`{value[:40]}` is no instant: {error}", hint) from None


def _port(value: Any) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,5}", value, re.ASCII) else value
    if type(number) is not int:
        raise wrong(f"must be a port number, not {kind_of(value)}", "write a number from 1 to 65535")
    if not 1 <= number <= 65535:
        raise wrong(f"{number} is no port", "write a number from 1 to 65535")
    return number


def _base64(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise wrong(f"must be base64 text, not {kind_of(value)}")
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(f"is not base64: {error}", "use the standard alphabet with padding: `aGVsbG8=`") from None


def _json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise wrong("has no JSON form: JSON knows no `.nan` and no `.inf`", "write the number as text") from None
    return value


def kind_of(value: Any) -> str:
    """
    What *value* is in the words of someone who writes YAML.
    """
    names = {str: "text", bool: f"`{str(value).lower()}`", int: "a number", float: "a number", dict: "a mapping"}
    if value is None:
        return "empty"
    return names.get(type(value), "a list" if isinstance(value, list | tuple) else "something else")


_DURATION_SCHEMA = {"type": "string", "pattern": PATTERN, "examples": ["250ms", "30s", "1m30s", "2h"]}
_INSTANT_SCHEMA = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$",
    "examples": ["2018-10-07T12:00:00Z"],
}
_PORT_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": r"^\d{1,5}$"},
    ],
    "examples": [12000],
}

Duration = Annotated[float, PlainValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
"""Seconds."""
Instant = Annotated[datetime, PlainValidator(_instant), WithJsonSchema(_INSTANT_SCHEMA)]
"""Aware."""
Port = Annotated[int, PlainValidator(_port), WithJsonSchema(_PORT_SCHEMA)]
Bytes = Annotated[bytes, PlainValidator(_base64), WithJsonSchema({"type": "string"})]
"""Written as base64."""
Json = Annotated[Any, PlainValidator(_json), WithJsonSchema({})]
"""Any value that has a JSON form."""
Texts = Annotated[tuple[str, ...], Strict(False)]
TextMap = dict[str, str]


def json_bytes(value: Any) -> bytes:
    """
    *value* as the JSON that goes over the wire: UTF-8, no spaces, keys in the order given.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
