"""
Observer: whoever wants to know of each event's way through the gateway; a simulator's ledger, for one.
"""

from __future__ import annotations

from typing import Protocol

from gateways.cloudevent import CloudEvent
from gateways.source_event import DispatchResult, Settlement


class Observer(Protocol):
    """
    Called in the turn in which a thing happens. Must neither block nor raise.
    """

    def received(self, configuration: str, event: CloudEvent) -> None:
        """
        A source event was taken in and transformed.
        """

    def attempted(self, configuration: str, event: CloudEvent, result: DispatchResult) -> None:
        """
        One request was made; `result.attempts` is its number, 1 for the first.
        """

    def settled(self, configuration: str, event: CloudEvent, settlement: Settlement) -> None:
        """
        It is known what became of the event at every watcher.
        """
