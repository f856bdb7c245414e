"""
What a processor under test is given: a context that takes events in, and says what it was told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from gateways.addresses import DirectAddresses, Endpoint
from gateways.chance import Chance
from gateways.clock import Clock, SystemClock
from gateways.limits import Limits, Retry
from gateways.secrets import KnownSecrets
from gateways.source_event import Certainty, DispatchResult, Settlement, SourceEvent

ACCEPTED = Settlement((DispatchResult("audit", Certainty.ACCEPTED, 1, ""),))
REFUSED = Settlement((DispatchResult("audit", Certainty.REFUSED, 5, "answered 500"),))


class FakeContext:
    """
    A Context with as much room as a test says.

    Args:
        overrides: `host:port` of a text to where it is.
        room: Events taken before there is no room; None for any number.
    """

    def __init__(
        self,
        overrides: dict[str, Endpoint] | None = None,
        *,
        clock: Clock | None = None,
        limits: Limits | None = None,
        room: int | None = None,
        secrets: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self.gateway, self.configuration = "nats-gateway", "nats.fooConfig"
        self.clock: Clock = clock or SystemClock()
        self.addresses = DirectAddresses(overrides=overrides)
        self.chance = Chance(0)
        self.limits = limits or Limits()
        self.retry = Retry()
        self.secrets = KnownSecrets(secrets)
        self.log = logging.LoggerAdapter(logging.getLogger("gateways.test"), {})
        self.events: list[SourceEvent] = []
        self.said: list[str] = []
        self.counted: dict[str, int] = {}
        self._room = room
        self._changed: list[asyncio.Future[None]] = []

    def emit(self, event: SourceEvent) -> bool:
        if self._room is not None:
            if not self._room:
                return False
            self._room -= 1
        self.events.append(event)
        self._tell()
        return True

    async def room(self) -> None:
        with self.clock.idle():
            await self.until(lambda: self._room is None or self._room > 0)

    def running(self, message: str = "") -> None:
        self.said.append(f"running: {message}")
        self._tell()

    def failing(self, cause: str) -> None:
        self.said.append(f"failing: {cause}")
        self._tell()

    def count(self, counter: str, by: int = 1) -> None:
        self.counted[counter] = self.counted.get(counter, 0) + by
        self._tell()

    # The test's side.

    def make_room(self, events: int | None) -> None:
        self._room = events
        self._tell()

    @property
    def payloads(self) -> list[bytes]:
        return [event.payload for event in self.events]

    async def until(self, done: Callable[[], Any]) -> None:
        """
        Wait until *done* holds; it is looked at whenever something was told. The test's own limit ends a wait in vain.
        """
        while not done():
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changed.append(changed)
            await changed

    def _tell(self) -> None:
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)
