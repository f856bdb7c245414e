"""
ScenarioTime: the scenario's clock as sensors, relays and services see it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from simulator.holds import SocketAddress, Stall
from simulator.virtual_clock import VirtualClock


class ScenarioTime:
    """
    Delays and stalls on one clock.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """
        The scenario's instant.
        """
        return self._clock.now()

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """
        Call *callback* in *seconds* of scenario time.

        Returns:
            Call it to cancel.
        """
        return self._clock.alarm(seconds, callback).cancel

    def stall(self, sender: SocketAddress) -> Stall | None:
        """
        The work of *sender* waits for scenario time from now on; None where it is nobody's.
        """
        hold = self._clock.work_of(sender)
        return hold.stall() if hold is not None else None

    def stall_peer(self, peer: str) -> Callable[[], None]:
        """
        All work on *peer* waits for scenario time until the returned function is called.
        """
        return self._clock.stall_peer(peer)
