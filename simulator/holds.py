"""
Holds: real work that keeps virtual time still, and the stalls that let it go on; the bookkeeping is the clock's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

SocketAddress = tuple[str, int]


class Alarm(Protocol):
    """
    A callback that is due at an instant; see gateways.clock.Alarm.
    """

    def cancel(self) -> None:
        """Forget it."""


class HoldKeeper(Protocol):
    """
    The clock, as holds see it.
    """

    def alarm(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        """See gateways.clock.Clock."""

    def peer_stalled(self, peer: str) -> bool:
        """Whether everything on *peer* waits for scenario time."""

    def active_changed(self, by: int) -> None:
        """A hold begins or ceases to count."""

    def hold_opened(self, hold: VirtualHold) -> None:
        """*hold* is open."""

    def hold_closed(self, hold: VirtualHold, sender: SocketAddress | None) -> None:
        """*hold* is over."""

    def sender_known(self, sender: SocketAddress, hold: VirtualHold) -> None:
        """The work of *hold* is a request from *sender*."""


class Stall:
    """
    One reason why a hold's peer waits for scenario time; released once.
    """

    __slots__ = ("_hold",)

    def __init__(self, hold: VirtualHold) -> None:
        self._hold: VirtualHold | None = hold

    def release(self) -> None:
        """
        The peer goes on: the hold counts again.
        """
        if self._hold is not None:
            hold, self._hold = self._hold, None
            hold.unstalled(self)


class VirtualHold:
    """
    Real work on a peer.
    """

    __slots__ = ("_clock", "_counted", "_open", "_parked", "_sender", "_sleeper", "_stalls", "peer", "since")

    def __init__(self, clock: HoldKeeper, peer: str) -> None:
        self.peer = peer
        self.since = time.perf_counter()
        self._clock = clock
        self._open = False
        self._parked = False
        self._stalls: set[Stall] | None = None
        self._counted = False
        self._sender: SocketAddress | None = None
        self._sleeper: asyncio.Future[None] | None = None

    @property
    def active(self) -> bool:
        """
        Whether time stands still for it.
        """
        return self._open and not self._parked and not self._stalls and not self._clock.peer_stalled(self.peer)

    @property
    def state(self) -> str:
        """
        One word for people.
        """
        if not self._open:
            return "closed"
        if self._parked:
            return "parked"
        return "active" if self.active else "stalled"

    def open(self) -> None:
        """
        Begin, or begin again.
        """
        if not self._open:
            self._open = True
            self.since = time.perf_counter()
            self._clock.hold_opened(self)
            self.refresh()

    def refresh(self) -> None:
        """
        Tell the clock whether the hold counts.
        """
        counts = self.active
        if counts != self._counted:
            self._counted = counts
            self._clock.active_changed(1 if counts else -1)

    async def sleep(self, seconds: float) -> None:
        """See gateways.clock.Hold."""
        self._sleeper = asyncio.get_running_loop().create_future()
        timer = self._clock.alarm(seconds, self.wake)
        self._parked = True
        self.refresh()
        try:
            await self._sleeper
        finally:
            timer.cancel()
            self._sleeper = None
            self._parked = False
            self.refresh()

    def alarm(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        """See gateways.clock.Hold."""

        def ring() -> None:
            self.wake()
            callback()

        return self._clock.alarm(seconds, ring)

    def wake(self) -> None:
        """See gateways.clock.Hold."""
        self._stalls = None
        self._parked = False
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)
        self.refresh()

    def sent_from(self, address: SocketAddress) -> None:
        """See gateways.clock.Hold."""
        self._sender = address
        self._clock.sender_known(address, self)

    def stall(self) -> Stall:
        """
        The peer has the work and waits for scenario time.
        """
        stall = Stall(self)
        if self._stalls is None:
            self._stalls = set()
        self._stalls.add(stall)
        self.refresh()
        return stall

    def unstalled(self, stall: Stall) -> None:
        """
        *stall* is over; nothing happens where the hold was woken or closed meanwhile.
        """
        if self._stalls is not None and stall in self._stalls:
            self._stalls.discard(stall)
            self.refresh()

    def close(self) -> None:
        """See gateways.clock.Hold."""
        if self._open:
            self._open = False
            self._stalls = None
            self.refresh()
            self._clock.hold_closed(self, self._sender)
            self._sender = None


class InboundHold(VirtualHold):
    """
    Work taken over from a sender: the sender's hold is stalled until the answer is written; ours never counts.
    """

    __slots__ = ("_taken",)

    def __init__(self, clock: HoldKeeper, peer: str, sender: VirtualHold | None) -> None:
        super().__init__(clock, peer)
        self._taken = sender.stall() if sender is not None else None

    @property
    def active(self) -> bool:
        """Never: the work that follows has holds of its own."""
        return False

    def close(self) -> None:
        """The answer is written: the sender's hold counts again."""
        super().close()
        if self._taken is not None:
            self._taken.release()
            self._taken = None
