"""
Secrets: the values that a scenario keeps out of every output, found by the keys that its `secrets` names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from simulator.errors import ScenarioProblem
from simulator.reports.redactor import Redactor
from simulator.scenario_file.draft import Draft
from simulator.scenario_file.wording import Check

_SHORTEST = 3
"""A shorter value would mask half of every output."""


def secret_texts(draft: Draft, check: Check) -> frozenset[str]:
    """
    The text of every scalar under a key that `secrets` names, in the file and in its configuration texts, and every
    value of a gateway's own Secrets.

    A name that is no key anywhere is reported to *check*.
    """
    held = {text for placed in draft.gateways for data in placed.gateway.secrets.values() for text in data.values()}
    found: dict[str, set[str]] = {name: set() for name in draft.head.secrets}
    named: set[str] = set()
    for source in (_without_secrets(draft), *(text.parsed for text in draft.texts)):
        for key, value in _keys_in(source):
            if key in found:
                named.add(key)
                found[key].update(_scalars_in(value))
    for number, name in enumerate(draft.head.secrets):
        if name not in named:
            hint = "name a key of this file or of its configurations, such as `password`"
            check.value(("secrets", number), f"no key is called `{name[:60]}`", hint)
    return frozenset(text for texts in (held, *found.values()) for text in texts if len(text) >= _SHORTEST)


def masked(problems: Iterable[ScenarioProblem], value: Any, text: str) -> list[ScenarioProblem]:
    """
    *problems* with every secret masked: what stands under a key that `secrets` names, and passwords in URLs.

    Args:
        value: The document as far as it could be read; anything.
        text: Its source.
    """
    names = value.get("secrets") if isinstance(value, dict) else None
    secrets: set[str] = set()
    for name in names if isinstance(names, list) else ():
        if isinstance(name, str) and name:
            secrets.update(re.findall(rf"{re.escape(name)}[\"']?\s*:[ \t]*[\"']?([^\"',}}\s]+)", text))
            secrets.update(each for key, inner in _keys_in(value) if key == name for each in _scalars_in(inner))
    for gateway in _gateways_in(value):
        secrets.update(_scalars_in(gateway.get("secrets")))
    redactor = Redactor(secret for secret in secrets if len(secret) >= _SHORTEST)
    return [
        problem._replace(
            problem=redactor.text(problem.problem),
            hint=redactor.text(problem.hint),
            source_line=_masked_line(problem.source_line, redactor),
        )
        for problem in problems
    ]


def _gateways_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        several = value.get("gateways")
        for each in (value.get("gateway"), *(several if isinstance(several, list) else ())):
            if isinstance(each, dict):
                yield each


def _masked_line(line: str, redactor: Redactor) -> str:
    """
    *line* with what the redactor takes out replaced in place, so that carets still point to the right column.
    """
    redacted = redactor.text(line)
    if redacted == line:
        return line
    same = range(min(len(line), len(redacted)))
    first = next((n for n in same if line[n] != redacted[n]), len(same))
    last = next((n for n in same if line[-1 - n] != redacted[-1 - n]), len(same))
    end = max(first, len(line) - last)
    return line[:first] + "*" * (end - first) + line[end:]


def _without_secrets(draft: Draft) -> dict[str, Any]:
    return {key: value for key, value in draft.raw.items() if key != "secrets"}


def _keys_in(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _keys_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys_in(inner)


def _scalars_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _scalars_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars_in(inner)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
