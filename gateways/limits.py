"""
Every limit and default of the delivery path, in one table. The page in docs/ is printed from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


def _limit(default: float, meaning: str) -> float:
    value: float = field(default=default, metadata={"meaning": meaning})
    return value


def _count(default: int, meaning: str) -> int:
    value: int = field(default=default, metadata={"meaning": meaning})
    return value


@dataclass(frozen=True, slots=True)
class Retry:
    """
    How often a watcher is asked, and how long a lane waits in between.

    Source: docs/delivery.md, which is printed from this table.
    """

    attempts: int = _count(5, "requests to one watcher for one event, the first included")
    backoff_s: float = _limit(0.5, "wait after the first failed attempt")
    factor: float = _limit(2.0, "each further wait is so many times the one before")
    backoff_s_max: float = _limit(10.0, "no wait is longer")
    jitter: float = _limit(0.1, "each wait is moved by at most this fraction, either way")

    def wait_s(self, failures: int) -> float:
        """
        The wait after so many *failures* (1 or more), without jitter.
        """
        return float(min(self.backoff_s_max, self.backoff_s * self.factor ** (failures - 1)))

    def total_s(self) -> float:
        """
        All waits of one event together, jitter at its worst.
        """
        return sum(self.wait_s(failures) for failures in range(1, self.attempts)) * (1 + self.jitter)


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How long anything may take and how much of it may wait.

    Source: docs/delivery.md, which is printed from this table.
    """

    connect_s: float = _limit(2.0, "connecting to a watcher or a service")
    answer_s: float = _limit(5.0, "a sensor's answer to one request")
    gateway_answer_s: float = _limit(
        15.0, "the same for a watcher that is a gateway: it answers when its own watchers have"
    )
    webhook_deadline_s: float = _limit(10.0, "a webhook request waits so long for its watchers, then gets 503")
    waiting: int = _count(256, "events that wait in one lane; more is backpressure to the source")
    webhook_in_flight: int = _count(64, "webhook requests of one configuration dispatched side by side")
    remembered: int = _count(10_000, "event ids of one configuration whose redelivery is recognised")
    body_bytes: int = _count(1024 * 1024, "body of one webhook request; more is answered 413")
    header_read_s: float = _limit(10.0, "a webhook request's head must be complete by then")
    body_read_s: float = _limit(60.0, "a webhook request's body must be complete so long after its head")
    idle_s: float = _limit(75.0, "a client's connection without requests is closed after so long, at most twice that")
    connections: int = _count(1024, "client connections to one port; more are answered 503 and closed")
    stop_s: float = _limit(10.0, "a graceful stop settles what is in flight within this")
    interval_s_min: float = _limit(1.0, "the shortest interval of a calendar configuration")
