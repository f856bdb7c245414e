"""
Wording: times and counts as the console writes them.
"""

from __future__ import annotations

from simulator.scenario_file.durations import format_duration


def duration_text(seconds: float) -> str:
    """
    Real time in a few characters: `12 ms`, `3.21 s`, `2m05s`, `1h02m`.
    """
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def virtual_text(seconds: float) -> str:
    """
    Scenario time in a few characters, the two largest units of it; empty for none.
    """
    if not seconds:
        return ""
    for size, step in ((86400, 3600), (3600, 60), (60, 1)):
        if seconds >= size:
            seconds = round(seconds / step) * step
            break
    return format_duration(round(seconds, 3))


def counted(count: int, one: str, many: str = "") -> str:
    """
    `1 file`, `2 files`.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
