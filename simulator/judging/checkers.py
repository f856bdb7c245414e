"""
Checkers: what a `guarantee:` owes, over the whole ledger: nothing lost, duplicated, reordered, fabricated, altered, or
acknowledged before it was accepted.

Stimuli are never stamped: of equal payloads the k-th accepted event matches the k-th that the service took, or, where
order is owed, the next one that keeps it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from simulator.verdict import Reason


class Sent(NamedTuple):
    """
    A stimulus that a service took for certain.
    """

    number: int
    payload: bytes
    line: int
    """Of the step that sent it."""
    owed: bool = True
    """Its sender was told that it was taken; else it may arrive and may be lost."""
    acknowledged: int | None = None
    """Number of the observation that the gateway told its sender so; None where that is not seen."""


class Got(NamedTuple):
    """
    An event that a watcher accepted.
    """

    payload: bytes
    id: str
    order_key: str
    """Events with equal keys keep their order; empty where order is not owed."""
    number: int = 0
    """Of the observation that it was accepted."""


@dataclass(frozen=True, slots=True)
class Path:
    """
    One configuration towards one watcher: what it should have carried, and what it did.
    """

    name: str
    """`gateway/configuration -> watcher`."""
    sent: Sequence[Sent]
    got: Sequence[Got]


@dataclass(slots=True)
class Findings:
    """
    What checkers found on all paths.
    """

    lost: list[tuple[Path, Sent]] = field(default_factory=list)
    duplicated: list[tuple[Path, Got]] = field(default_factory=list)
    reordered: list[tuple[Path, Got]] = field(default_factory=list)
    fabricated: list[tuple[Path, Got]] = field(default_factory=list)
    altered: list[tuple[Path, Got]] = field(default_factory=list)
    acknowledged_early: list[tuple[Path, Sent]] = field(default_factory=list)


def check(paths: Iterable[Path], *, ordered: bool) -> Findings:
    """
    Check every path; linear in the number of events.
    """
    findings = Findings()
    for path in paths:
        _check_path(path, findings, ordered=ordered)
    return findings


def _check_path(path: Path, findings: Findings, *, ordered: bool) -> None:
    findings.acknowledged_early += [(path, sent) for sent in _acknowledged_early(path)]
    faithful, seen = _faithful(path)
    newest = {got.order_key: sent.number for sent, got in zip(path.sent, path.got[:faithful], strict=False)}
    waiting: dict[bytes, _Waiting] = {}
    for sent in islice(path.sent, faithful, None):
        waiting.setdefault(sent.payload, _Waiting()).add(sent)
    strangers: list[Got] = []
    for got in islice(path.got, faithful, None):
        if got.id in seen:
            findings.duplicated.append((path, got))
            continue
        seen.add(got.id)
        equals = waiting.get(got.payload)
        if equals is None:
            strangers.append(got)
            continue
        last = newest.get(got.order_key, -1) if ordered else -1
        sent_as = equals.take(after=last)
        if sent_as is None:
            findings.duplicated.append((path, got))
            continue
        if sent_as.number < last:
            findings.reordered.append((path, got))
        newest[got.order_key] = max(sent_as.number, last)
    left = (sent for equals in waiting.values() for sent in equals.left() if sent.owed)
    lost = sorted(left, key=lambda sent: sent.number)
    # A payload that nobody published, beside a stimulus that did not come, is that stimulus with other bytes.
    altered = min(len(strangers), len(lost))
    findings.altered += [(path, got) for got in strangers[:altered]]
    findings.fabricated += [(path, got) for got in strangers[altered:]]
    findings.lost += [(path, sent) for sent in lost[altered:]]


def _faithful(path: Path) -> tuple[int, set[str]]:
    """
    How many events from the first on came as they were sent, one for one, and their ids: most of a long history.
    """
    seen: set[str] = set()
    for count, (sent, got) in enumerate(zip(path.sent, path.got, strict=False)):
        if sent.payload != got.payload or got.id in seen:
            return count, seen
        seen.add(got.id)
    return len(seen), seen


def _acknowledged_early(path: Path) -> list[Sent]:
    """
    Stimuli whose sender was told that they were taken when fewer of their payload had been accepted than acknowledged.

    Equal payloads that are under way side by side cannot be told apart, so the k-th acknowledgement of a payload needs
    its k-th acceptance; one that never comes is a loss, and said as such.
    """
    acknowledged = sorted((s.acknowledged, s) for s in path.sent if s.acknowledged is not None)
    if not acknowledged:
        return []
    accepted: defaultdict[bytes, deque[int]] = defaultdict(deque)
    seen: set[str] = set()
    for got in path.got:
        if got.id not in seen:
            seen.add(got.id)
            accepted[got.payload].append(got.number)
    return [sent for at, sent in acknowledged if (queue := accepted[sent.payload]) and queue.popleft() > at]


class _Waiting:
    """
    Stimuli of equal payload that no event has been matched with, in the order sent.
    """

    __slots__ = ("_first", "_sent")

    def __init__(self) -> None:
        self._sent: list[Sent] = []
        self._first = 0

    def add(self, sent: Sent) -> None:
        self._sent.append(sent)

    def take(self, *, after: int) -> Sent | None:
        """
        The first that was sent later than stimulus *after*, so that a loss is not taken for a change of order; the
        very first where there is none; None where all are matched.
        """
        if self._first == len(self._sent):
            return None
        at = bisect_right(self._sent, after, lo=self._first, key=lambda sent: sent.number)
        if at in (self._first, len(self._sent)):
            self._first += 1
            return self._sent[self._first - 1]
        return self._sent.pop(at)

    def left(self) -> list[Sent]:
        return self._sent[self._first :]


def judge_findings(findings: Findings, *, at_least_once: bool, allowed_lost: int) -> tuple[Reason | None, list[str]]:
    """
    The first breach of the guarantee, and what is said of losses that it allows.

    Args:
        findings: Of all paths.
        at_least_once: Every stimulus must arrive, and may arrive again under the same id; else at most once.
        allowed_lost: Exactly so many stimuli are expected to be lost.

    Returns:
        None where the guarantee holds; and one line for each lost stimulus, by the line that sent it.
    """
    notes = [f"not received: {_sent(path, sent)}" for path, sent in findings.lost]
    if findings.acknowledged_early and at_least_once:
        path, sent = findings.acknowledged_early[0]
        return Reason("acknowledged-early", f"{_EARLY}: {_sent(path, sent)}", sent.line), notes
    for cls, found in (
        ("altered", findings.altered),
        ("fabricated", findings.fabricated),
        ("reordered", findings.reordered),
        ("duplicate", [] if at_least_once else findings.duplicated),
    ):
        if found:
            path, got = found[0]
            return Reason(cls, f"{_MEANING[cls]} on {path.name}: {_text(got.payload)} (id {got.id[:36]})"), notes
    if len(findings.lost) != allowed_lost and (at_least_once or allowed_lost):
        return _wrong_losses(findings, allowed_lost), notes
    return None, notes


_EARLY = "its sender was told that it was taken before the watcher had accepted it"
_MEANING = {
    "altered": "a payload that nobody published came in place of one that was",
    "fabricated": "an event came that no stimulus explains",
    "reordered": "an event came after a later one",
    "duplicate": "an event came again",
}


def _wrong_losses(findings: Findings, allowed: int) -> Reason:
    if len(findings.lost) < allowed:
        return Reason("unexpected", f"{allowed} stimuli were expected to be lost, {len(findings.lost)} were")
    path, sent = findings.lost[0]
    expected = f", {allowed} of them expected" if allowed else ""
    return Reason(
        "not-received", f"{len(findings.lost)} stimuli were lost{expected}; the first: {_sent(path, sent)}", sent.line
    )


def _sent(path: Path, sent: Sent) -> str:
    return f"{_text(sent.payload)}, sent on line {sent.line}, on {path.name}"


def _text(payload: bytes) -> str:
    text = payload.decode("utf-8", "backslashreplace")
    return text if len(text) <= 60 else f"{text[:59]}…"
