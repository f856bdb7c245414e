"""
Times and counts in few characters.
"""

from __future__ import annotations

import pytest

from simulator.reports.wording import counted, duration_text, virtual_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0123, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (9.99, "9.99 s"),
        (9.996, "10.0 s"),
        (59.9, "59.9 s"),
        (59.96, "1m00s"),
        (125, "2m05s"),
        (3600, "1h00m"),
        (7384, "2h03m"),
    ],
)
def test_real_time(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert len(text) <= 8


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, ""),
        (0.25, "250ms"),
        (12.3454, "12.345s"),
        (90, "1m30s"),
        (5400.4, "1h30m"),
        (86400 + 7200 + 60, "1d2h"),
        (366 * 86400, "366d"),
    ],
)
def test_scenario_time(seconds: float, text: str) -> None:
    assert virtual_text(seconds) == text


def test_counts() -> None:
    assert (counted(1, "file"), counted(2000, "file"), counted(2, "class", "classes")) == (
        "1 file",
        "2,000 files",
        "2 classes",
    )
