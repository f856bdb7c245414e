"""
What a guarantee owes where configurations share what they listen to.
"""

from __future__ import annotations

from simulator.judging.checkers import Got, Path, Sent
from simulator.judging.guarantee import _shared_paths

SENT = [Sent(1, b"1", 10), Sent(2, b"2", 11)]


def path(name: str, watcher: str, *got: Got) -> Path:
    return Path(f"{name} -> {watcher}", SENT, got)


def test_members_of_a_share_owe_each_stimulus_once_to_each_watcher_that_they_have_in_common() -> None:
    one, two = Got(b"1", "a", "", 8), Got(b"2", "b", "", 5)
    first = {"audit": path("a/x", "audit", one), "own": path("a/x", "own")}
    second = {"audit": path("b/x", "audit", two)}
    (shared,) = _shared_paths([first, second])
    assert shared == Path("a/x -> audit or b/x -> audit", SENT, [two, one])


def test_where_they_have_no_watcher_in_common_any_of_them_is_owed() -> None:
    one, two = Got(b"1", "a", "", 5), Got(b"2", "b", "", 8)
    (shared,) = _shared_paths([{"left": path("a/x", "left", one)}, {"right": path("b/x", "right", two)}])
    assert (shared.name, shared.sent, shared.got) == ("a/x -> left or b/x -> right", SENT, [one, two])
