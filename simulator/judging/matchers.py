"""
Matchers: whether an event, or any value, meets what a scenario expects, and if not, where they differ.

Pure. Matching is by subset: a mapping may hold more than is expected of it; lists match element by element.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from simulator.cloudevents_spec import ReceivedEvent

ABSENT = "(absent)"
PLACEHOLDERS = ("$regex", "$type", "$absent")
TYPES = ("int", "number", "text", "bool", "uuid", "time", "bytes")


class Mismatch(NamedTuple):
    """
    One place where what came differs from what was expected.
    """

    path: str
    """`data.id`, `subject`, `[2]`; empty for the whole."""
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path or 'it'}: expected {self.expected}, got {self.got}"


def match_event(expected: Mapping[str, Any], event: ReceivedEvent) -> list[Mismatch]:
    """
    Where *event* differs from *expected*: CloudEvents attributes by name, `data`, `base64`, `mode`, and
    `message`, which is where it stood in a broker.

    Returns:
        Empty where it matches.
    """
    found: list[Mismatch] = []
    for name, wanted in expected.items():
        if name == "data":
            found += _match_data(wanted, event.data)
        elif name == "base64":
            if _decoded(wanted) != event.data:
                found.append(Mismatch("data", f"bytes {_show_base64(wanted)}", _show_bytes(event.data)))
        elif name == "mode":
            found += match_value(wanted, event.mode, "mode")
        elif name == "message":
            for key, text in wanted.items():
                found += _match_attribute(key, text, event.message, "message.")
        else:
            found += _match_attribute(name, wanted, event.attributes)
    return found


def match_value(expected: Any, got: Any, path: str = "") -> list[Mismatch]:
    """
    Where *got* differs from *expected*; plain data from YAML and JSON, placeholders included.
    """
    if is_placeholder(expected):
        ((name, argument),) = expected.items()
        return _match_placeholder(name, argument, got, path)
    if isinstance(expected, Mapping):
        return _match_mapping(expected, got, path)
    if isinstance(expected, Sequence) and not isinstance(expected, str | bytes):
        return _match_sequence(expected, got, path)
    if isinstance(expected, bool) or isinstance(got, bool):
        return [] if expected is got else [_differs(path, expected, got)]
    return [] if expected == got else [_differs(path, expected, got)]


def is_placeholder(expected: Any) -> bool:
    """
    Whether *expected* is a mapping such as `{$regex: ...}`, which says what a value must be like.
    """
    return isinstance(expected, Mapping) and len(expected) == 1 and next(iter(expected)) in PLACEHOLDERS


def _match_mapping(expected: Mapping[Any, Any], got: Any, path: str) -> list[Mismatch]:
    if not isinstance(got, Mapping):
        return [_differs(path, expected, got)]
    found: list[Mismatch] = []
    for key, wanted in expected.items():
        at = f"{path}.{key}" if path else str(key)
        if key in got:
            found += match_value(wanted, got[key], at)
        elif not _wants_absent(wanted):
            found.append(Mismatch(at, show(wanted), ABSENT))
    return found


def _match_sequence(expected: Sequence[Any], got: Any, path: str) -> list[Mismatch]:
    if not isinstance(got, Sequence) or isinstance(got, str | bytes):
        return [_differs(path, expected, got)]
    if len(expected) != len(got):
        return [Mismatch(path, f"{len(expected)} elements", f"{len(got)} elements: {show(got)}")]
    found: list[Mismatch] = []
    for index, (wanted, element) in enumerate(zip(expected, got, strict=True)):
        found += match_value(wanted, element, f"{path}[{index}]")
    return found


def _wants_absent(expected: Any) -> bool:
    return isinstance(expected, Mapping) and expected.get("$absent") is True and len(expected) == 1


def _match_placeholder(name: str, argument: Any, got: Any, path: str) -> list[Mismatch]:
    if name == "$absent":
        return [] if not argument else [Mismatch(path, ABSENT, show(got))]
    if name == "$regex":
        text = got if isinstance(got, str) else json.dumps(got)
        return [] if _compiled(str(argument)).search(text) else [Mismatch(path, f"/{argument}/", show(got))]
    return [] if _is_type(str(argument), got) else [Mismatch(path, f"a value of type {argument}", show(got))]


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _is_type(name: str, got: Any) -> bool:
    match name:
        case "int":
            return isinstance(got, int) and not isinstance(got, bool)
        case "number":
            return isinstance(got, int | float) and not isinstance(got, bool)
        case "bool":
            return isinstance(got, bool)
        case "text":
            return isinstance(got, str)
        case "uuid":
            return _parses(lambda: UUID(got)) if isinstance(got, str) else False
        case "time":
            return instant_of(got) is not None
        case "bytes":
            return isinstance(got, str) and _decoded(got) is not None
    return False


def _parses(read: Any) -> bool:
    try:
        read()
    except ValueError:
        return False
    return True


def _match_attribute(name: str, expected: Any, attributes: Mapping[str, str], within: str = "") -> list[Mismatch]:
    path = f"{within}{name}"
    if name not in attributes:
        return [] if _wants_absent(expected) else [Mismatch(path, show(expected), ABSENT)]
    got = attributes[name]
    if name == "time" and not isinstance(expected, Mapping):
        wanted = instant_of(expected)
        return [] if wanted is not None and wanted == instant_of(got) else [Mismatch(name, show(expected), show(got))]
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        expected = str(expected)
    return match_value(expected, got, path)


def instant_of(value: Any) -> datetime | None:
    """
    The instant that *value* names: an RFC 3339 text with a zone, or a datetime; None for anything else.
    """
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def _match_data(expected: Any, data: bytes) -> list[Mismatch]:
    if is_placeholder(expected):
        return match_value(expected, _text_form(data), "data")
    if isinstance(expected, str):
        return [] if expected in (_text_form(data), _json_text(data)) else [_data_differs(expected, data)]
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return [Mismatch("data", f"JSON {show(expected)}", f"no JSON: {_show_bytes(data)}")]
    return match_value(expected, value, "data")


def _text_form(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _json_text(data: bytes) -> str | None:
    """
    The text that *data* is where it is a JSON string.
    """
    if data[:1] != b'"':
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def _data_differs(expected: str, data: bytes) -> Mismatch:
    return Mismatch("data", show(expected), _show_bytes(data))


def _differs(path: str, expected: Any, got: Any) -> Mismatch:
    return Mismatch(path, show(expected), show(got))


def _decoded(text: Any) -> bytes | None:
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError:
        return None


def _show_base64(text: Any) -> str:
    decoded = _decoded(text)
    return show(text) if decoded is None else _show_bytes(decoded)


def _show_bytes(data: bytes) -> str:
    try:
        return _clipped(json.dumps(data.decode(), ensure_ascii=False))
    except UnicodeDecodeError:
        return _clipped("base64 " + base64.b64encode(data).decode())


def show(value: Any) -> str:
    """
    *value* as a person would write it, clipped.
    """
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return _clipped(json.dumps(value, ensure_ascii=False, default=str))


def _clipped(text: str, length: int = 160) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
