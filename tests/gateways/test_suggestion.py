"""
Suggestions for slips.
"""

from __future__ import annotations

from gateways.suggestion import close_to, did_you_mean


def test_the_closest_known_name_is_suggested_whatever_the_case() -> None:
    assert close_to("Wachers", ["type", "watchers", "version"]) == "watchers"
    assert did_you_mean("EUROPE/BERLN", ["Europe/Berlin"]) == ", did you mean `Europe/Berlin`?"


def test_what_is_close_to_nothing_gets_no_suggestion() -> None:
    assert close_to("x" * 10_000, ["type"]) == ""
    assert did_you_mean("", []) == ""
