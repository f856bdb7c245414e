"""
Durations as people write them, `250ms` or `1m30s`, to seconds and back.
"""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
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
    seconds = round(sum(float(number) * _UNITS[unit] for number, unit in parts), 9)
    if seconds > _LONGEST_S:
        raise DurationError(f"`{text[:40]}` is longer than 100 years", "a scenario's time goes no further")
    return seconds


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
    *seconds* as a duration that parses to the same: `90.0` gives `1m30s`, `0.25` gives `250ms`.
    """
    milliseconds = round(seconds * 1000, 6)
    if milliseconds < 1000:
        return f"{milliseconds:.15g}ms" if milliseconds else "0s"
    whole, rest = divmod(milliseconds, 60_000)
    minutes = int(whole)
    parts = []
    for unit, size in (("d", 1440), ("h", 60), ("m", 1)):
        if minutes >= size:
            parts.append(f"{minutes // size}{unit}")
            minutes %= size
    if rest:
        parts.append(f"{rest / 1000:.15g}s")
    return "".join(parts)
