"""
Durations as people write them, `250ms` or `1m30s`, to seconds and back.
"""

from __future__ import annotations

import re

_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
"""Nanoseconds: whole numbers, so that every written duration has one meaning."""
_PART = r"\d{1,12}(?:\.\d{1,9})?(?:ms|[smhd])"
PATTERN = rf"^(?:{_PART})+$"
"""What a duration looks like, for schemas."""
_WHOLE = re.compile(PATTERN.replace("$", r"\Z"), re.ASCII)
_PARTS = re.compile(r"([\d.]+)(ms|[smhd])", re.ASCII)
_LONGEST_S = 100 * 366 * 86400.0


class DurationError(ValueError):
    """
    A text is no duration.

    Attributes:
        problem: What is wrong with it.
        hint: What would be right.
    """

    def __init__(self, problem: str, hint: str) -> None:
        self.problem = problem
        self.hint = hint
        super().__init__(f"{problem}; {hint}")


def parse_duration(text: str) -> float:
    """
    The seconds that *text* means: numbers with the units ms, s, m, h and d, the largest first, each at most once.

    Raises:
        DurationError: It means none.
    """
    if not _WHOLE.match(text):
        raise DurationError(f"`{text[:40]}` is no duration", _hint(text))
    parts = _PARTS.findall(text)
    sizes = [_UNITS[unit] for _, unit in parts]
    if sizes != sorted(set(sizes), reverse=True):
        raise DurationError(f"`{text[:40]}` is no duration", "write each unit once, the largest first: `1m30s`")
    seconds = sum(_nanoseconds(number, unit) for number, unit in parts) / 10**9
    if seconds > _LONGEST_S:
        raise DurationError(f"`{text[:40]}` is longer than 100 years", "a scenario's time goes no further")
    return seconds


def _nanoseconds(number: str, unit: str) -> int:
    whole, _, fraction = number.partition(".")
    return int(whole + fraction.ljust(9, "0")) * _UNITS[unit] // 10**9


def _hint(text: str) -> str:
    bare = text.strip()
    if re.fullmatch(r"\d{1,12}(\.\d+)?", bare, re.ASCII):
        return f"a duration carries its unit: `{bare}s` or `{bare}ms`"
    if bare.startswith("-"):
        return "a duration is never negative"
    squeezed = bare.replace(" ", "").lower()
    if _WHOLE.match(squeezed):
        return f"did you mean `{squeezed}`?"
    return "write `250ms`, `30s`, `1m30s`, `2h` or `1d`"


def format_duration(seconds: float) -> str:
    """
    *seconds* as a duration that parses to the same, to the microsecond: `90.0` gives `1m30s`, `0.25` gives `250ms`.
    """
    left = round(seconds * 1_000_000)
    if left < 1_000_000:
        return f"{_shortest(left, 1_000)}ms" if left else "0s"
    parts = []
    for unit in ("d", "h", "m"):
        size = _UNITS[unit] // 1_000
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    if left:
        parts.append(f"{_shortest(left, 1_000_000)}s")
    return "".join(parts)


def _shortest(number: int, size: int) -> str:
    """
    *number* / *size*, a power of ten, in as few digits as it takes.
    """
    whole, rest = divmod(number, size)
    fraction = f"{rest:0{len(str(size)) - 1}}".rstrip("0")
    return f"{whole}.{fraction}" if fraction else str(whole)
