"""
Suggestion: the known name that a wrong one is most likely a slip of.
"""

from __future__ import annotations

from collections.abc import Iterable


def close_to(name: str, known: Iterable[str]) -> str:
    """
    The one of *known* closest to *name*, whatever the case; empty where none is close.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    by_folded = {text.lower(): text for text in known}
    found = get_close_matches(name.lower()[:100], by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """
    `, did you mean ...?` for the end of a message; empty where nothing is close.
    """
    found = close_to(name, known)
    return f", did you mean `{found}`?" if found else ""
