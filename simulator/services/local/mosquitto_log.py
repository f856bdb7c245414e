"""
What Mosquitto's log tells of its clients: who is connected, and subscribed to what.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_CONNECTED = re.compile(r"New client connected from \S+ as (.*) \(p\d+, c(\d), k\d+(?:, u'.*')?\)\.$")
_LEFT = re.compile(
    r"(?:Client|Socket error on client) (.*?)(?: disconnected| closed its connection| has |, disconn).*$"
)


class MosquittoClients:
    """
    Its clients, as far as the log was read.
    """

    def __init__(self) -> None:
        self._topics: dict[str, set[str]] = {}
        """By client; kept where its session is."""
        self._connected: set[str] = set()

    def read(self, lines: Iterable[str]) -> None:
        """
        Read on: *lines* are those that came since.
        """
        for line in lines:
            self._read(line.partition(": ")[2])

    def subscribers(self, topic: str, *, except_for: str) -> int:
        """
        How many clients are connected and subscribed to that very *topic*.
        """
        return sum(
            topic in topics and name in self._connected and name != except_for for name, topics in self._topics.items()
        )

    def _read(self, text: str) -> None:
        if text.endswith(" running"):  # a new life: nobody is connected to it
            self._connected.clear()
        elif match := _CONNECTED.match(text):
            name, is_clean = match[1], match[2] == "1"
            self._connected.add(name)
            if is_clean or name not in self._topics:
                self._topics[name] = set()
        elif match := _LEFT.match(text):
            self._connected.discard(match[1])
        else:
            self._subscribed(text)

    def _subscribed(self, text: str) -> None:
        """
        A subscription reads `CLIENT QUALITY TOPIC`, its end `CLIENT TOPIC`; both names may have spaces in them.
        """
        for name in sorted(self._topics, key=len, reverse=True):
            if not text.startswith(f"{name} "):
                continue
            rest = text[len(name) + 1 :]
            if rest in self._topics[name]:
                self._topics[name].remove(rest)
            elif rest[:2] in ("0 ", "1 ", "2 "):
                self._topics[name].add(rest[2:])
            return
