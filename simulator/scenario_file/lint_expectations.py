"""
Lint of expectations: attribute names as CloudEvents has them, values that can match at all, placeholders that exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from simulator.judging.matchers import PLACEHOLDERS, TYPES, instant_of
from simulator.scenario_file.expectation import EVENT_KEYS, PHASES, Expect, ResponseMatch
from simulator.scenario_file.shape import kind_of
from simulator.scenario_file.wording import Check
from simulator.scenario_file.yaml_source import Path, close_to

_MODES = ("structured", "binary", "legacy")
_NAME = re.compile(r"[a-z0-9]+\Z")
_STATUS_KEYS = ("id", "phase", "message")
_MESSAGE_KEYS = ("subject", "topic", "partition", "key")
_NEAR = 0.8


def lint_expectation(body: Expect, path: Path, check: Check) -> None:
    """
    Report to *check* what in the `expect` at *path* can never match.
    """
    for key, match in (("where", body.where), ("each", body.each), ("any", body.any), ("none", body.none)):
        if match is not None:
            _lint_event(match, (*path, key), check)
    for number, match in enumerate(body.in_order or ()):
        _lint_event(match, (*path, "inOrder", number), check)
    for key, names in (("same", body.same), ("distinct", body.distinct)):
        for number, name in enumerate(names or ()):
            _lint_attribute_name(name, (*path, key, number), check, at_value=True)
    if body.count is not None and body.count.max is not None and body.count.max < body.count.min:
        check.value((*path, "count"), f"`count` asks for at least {body.count.min} and at most {body.count.max}")
    if body.response is not None:
        _lint_response(body.response, (*path, "response"), check)
    for name, entry in (body.status or {}).items():
        _lint_status_entry(entry, (*path, "status", name), check)


def _lint_event(match: Mapping[str, Any], path: Path, check: Check) -> None:
    for name, value in match.items():
        at = (*path, name)
        if name == "data":
            _lint_value(value, at, check)
        elif name == "base64":
            if not isinstance(value, str):
                check.value(at, f"`base64` must be text, not {kind_of(value)}")
        elif name == "mode":
            if value not in _MODES:
                check.value(at, "`mode` must be one of " + ", ".join(f"`{mode}`" for mode in _MODES))
        elif name == "message":
            _lint_message(value, at, check)
        elif _lint_attribute_name(name, at, check):
            _lint_attribute(name, value, at, check)
    if "data" in match and "base64" in match:
        check.key((*path, "base64"), "`data` excludes `base64`", "both say what the payload is")


def _lint_message(value: Any, path: Path, check: Check) -> None:
    """
    Where an event stood in the broker that it came over.
    """
    if not isinstance(value, dict):
        hint = "such as `{subject: bus/foo}` of NATS, or `{topic: events, key: bus/foo}` of Kafka"
        check.value(path, f"`message` must be a mapping, not {kind_of(value)}", hint)
        return
    for key, wanted in value.items():
        if key not in _MESSAGE_KEYS:
            check.unknown_key((*path, key), _MESSAGE_KEYS)
        else:
            _lint_attribute(key, wanted, (*path, key), check)


def _lint_attribute_name(name: str, path: Path, check: Check, *, at_value: bool = False) -> bool:
    """
    Whether *name* can be an attribute's, reported where not. A near miss of a well-known one counts as a slip.
    """
    known = EVENT_KEYS
    if name in known:
        return True
    report = check.value if at_value else check.key
    if not _NAME.match(name):
        close = close_to(name, known)
        hint = f"did you mean `{close}`?" if close else "CloudEvents names are lower-case letters and digits"
        report(path, f"`{name[:60]}` is no attribute of an event", hint)
        return False
    close = _near_miss(name, known)
    if close:
        report(path, f"unknown attribute `{name[:60]}`", f"did you mean `{close}`?")
    return not close


def _near_miss(name: str, known: tuple[str, ...]) -> str:
    """
    The one of *known* that *name* is too like to be an extension of its own; empty for none.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only an unknown name needs it

    return next(iter(get_close_matches(name[:100], known, n=1, cutoff=_NEAR)), "")


def _lint_attribute(name: str, value: Any, path: Path, check: Check) -> None:
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in PLACEHOLDERS:
            _lint_value(value, path, check)
        else:
            key = str(next(iter(value), ""))
            problem = f"`{name}` is text, so it cannot be a mapping"
            check.value(path, problem, _placeholder_hint(key))
    elif not isinstance(value, str | int | float) or isinstance(value, bool):
        hint = "write `{$absent: true}` for an attribute that is not there" if value is None else "quote it"
        check.value(path, f"`{name}` must be text or a placeholder, not {kind_of(value)}", hint)
    elif name == "time" and instant_of(value) is None:
        check.value(path, f"`{value}` is no instant", "write date, time and zone: `2018-10-07T12:00:00Z`")


def _placeholder_hint(key: str) -> str:
    close = close_to(key, PLACEHOLDERS)
    if close and key != close:
        return f"did you mean `{close}`?"
    return f"placeholders are {', '.join(f'`{name}`' for name in PLACEHOLDERS)}"


def _lint_value(value: Any, path: Path, check: Check) -> None:
    """
    The placeholders somewhere in *value*.
    """
    if isinstance(value, dict):
        if len(value) == 1 and (name := next(iter(value))).startswith("$"):
            _lint_placeholder(name, value[name], (*path, name), check)
        else:
            for key, inner in value.items():
                _lint_value(inner, (*path, key), check)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _lint_value(inner, (*path, number), check)


def _lint_placeholder(name: str, argument: Any, path: Path, check: Check) -> None:
    if name == "$regex":
        _lint_regex(argument, path, check)
    elif name == "$type":
        if argument not in TYPES:
            close = close_to(str(argument), TYPES)
            hint = f"did you mean `{close}`?" if close else f"there are {', '.join(f'`{each}`' for each in TYPES)}"
            check.value(path, f"`$type` knows no `{str(argument)[:60]}`", hint)
    elif name == "$absent":
        if argument is not True:
            check.value(path, f"`$absent` must be `true`, not {kind_of(argument)}")
    elif close := _near_miss(name, PLACEHOLDERS):
        check.key(path, f"unknown placeholder `{name[:60]}`", f"did you mean `{close}`?")


def _lint_regex(argument: Any, path: Path, check: Check) -> None:
    if not isinstance(argument, str):
        check.value(path, f"`$regex` must be text, not {kind_of(argument)}")
        return
    try:
        re.compile(argument)
    except (re.error, OverflowError, RecursionError) as error:
        check.value(
            path, f"`$regex` is no regular expression: {error}", "Python's `re` syntax; single quotes keep `\\`"
        )


def _lint_response(match: ResponseMatch, path: Path, check: Check) -> None:
    status = match.status
    if "status" in match.model_fields_set:
        if isinstance(status, dict):
            _lint_value(status, (*path, "status"), check)
        elif type(status) is not int or not 100 <= status <= 599:
            shown = f"`{status}`" if type(status) is int else kind_of(status)
            check.value((*path, "status"), f"`status` must be an HTTP status or a placeholder, not {shown}")
    for name, value in match.headers.items():
        _lint_attribute(name, value, (*path, "headers", name), check)
    _lint_value(match.data, (*path, "data"), check)


def _lint_status_entry(entry: Any, path: Path, check: Check) -> None:
    if entry is None:
        return
    if not isinstance(entry, dict):
        hint = "such as `{phase: Running}`; nothing (null) means that there is no entry"
        check.value(path, f"`{path[-1]}` must be a mapping, not {kind_of(entry)}", hint)
        return
    for key, value in entry.items():
        if key not in _STATUS_KEYS:
            check.unknown_key((*path, key), _STATUS_KEYS)
        elif isinstance(value, dict):
            _lint_value(value, (*path, key), check)
        elif not isinstance(value, str):
            check.value((*path, key), f"`{key}` must be text or a placeholder, not {kind_of(value)}")
        elif key == "phase" and value not in PHASES:
            close = close_to(value, PHASES)
            hint = f"did you mean `{close}`?" if close else ""
            check.value((*path, key), f"`phase` must be one of {', '.join(f'`{p}`' for p in PHASES)}", hint)
