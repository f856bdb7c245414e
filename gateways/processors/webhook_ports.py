"""
WebhookPorts: the listeners that all webhook configurations of one gateway share, one for each port.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateways.clock import end
from gateways.http_listener import HttpListener, listen_failure
from gateways.http_request import Request
from gateways.processor import Context, Surroundings
from gateways.processors.webhook_options import WebhookOptions
from gateways.processors.webhook_routes import Place, Routes, places_of


class Served(Protocol):
    """
    One configuration as its ports see it.
    """

    @property
    def options(self) -> WebhookOptions:
        """What it asks for."""

    @property
    def context(self) -> Context:
        """Its name, and where to say how it stands."""

    def take(self, request: Request, path: str) -> None:
        """Make an event of *request*, and answer it when it is known what became of that."""


class WebhookPorts:
    """
    See Shared. Opens ports as configurations come, and closes those that none needs in `reconcile`, so that a
    configuration that changes does not close and open its port.

    Source: G-WEB-1 to G-WEB-8, BUG-08, BUG-46, R-WEB-12.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._served: dict[str, Served] = {}
        self._places: dict[str, Place | str] = {}
        self._changed = False
        self._ports: dict[int, _Port] = {}
        self._retired: list[HttpListener] = []

    def register(self, served: Served) -> None:
        """
        A configuration came; it has its place after the next `assign`.
        """
        self._served[served.context.configuration] = served
        self._changed = True

    def unregister(self, served: Served) -> None:
        """
        It is gone, its route at once. Others move up in the next `assign`.
        """
        key = served.context.configuration
        if self._served.get(key) is served:
            del self._served[key]
            self._leave(key)
            self._changed = True

    def assign(self) -> None:
        """
        Give each configuration its place, and tell those whose place has changed.
        """
        if not self._changed:
            return
        self._changed = False
        places = places_of({key: served.options for key, served in self._served.items()})
        moved = [key for key, place in places.items() if self._places.get(key) != place]
        for key in moved:
            self._leave(key)
        for key in moved:
            self._enter(key, places[key])

    async def reconcile(self) -> None:
        """See Shared."""
        self.assign()
        needed = {place.port for place in self._places.values() if isinstance(place, Place)}
        self._retired = [listener for listener in self._retired if listener.connections]
        for number in [number for number in self._ports if number not in needed]:
            await self._retire(self._ports.pop(number))

    async def close(self) -> None:
        """See Shared."""
        while self._ports:
            await self._retire(self._ports.popitem()[1])
        for listener in self._retired:
            await listener.close()

    def abort(self) -> None:
        """See Shared."""
        for port in self._ports.values():
            port.opening.cancel()
            port.listener.abort()
        for listener in self._retired:
            listener.abort()

    def _leave(self, key: str) -> None:
        place = self._places.pop(key, None)
        if isinstance(place, Place):
            self._ports[place.port].routes.remove(place.endpoint, place.method)

    def _enter(self, key: str, place: Place | str) -> None:
        self._places[key] = place
        served = self._served[key]
        if isinstance(place, str):
            served.context.failing(place)
            return
        port = self._ports.get(place.port) or self._new_port(place.port)
        if place.endpoint:
            port.routes.add(place.endpoint, place.method, served)
        self._tell(served, place, port)

    def _new_port(self, number: int) -> _Port:
        port = self._ports[number] = _Port(number, self._surroundings)
        port.opening = asyncio.create_task(self._open(port), name=f"open port {number}")
        self._surroundings.clock.awake(port.opening)
        return port

    async def _open(self, port: _Port) -> None:
        """
        Try until the port is open.
        """
        around, failures = self._surroundings, 0
        while True:
            start = port.listener.start(*around.addresses.listen(port.number))
            try:
                await around.clock.limit(around.limits.connect_s, start, peer=f"port {port.number}")
                break
            except OSError as error:
                port.failure = f"{listen_failure(port.number, error)}; trying again"
            self._tell_all(port)
            failures += 1
            await around.clock.sleep(around.chance.spread(around.retry.wait_s(failures), around.retry.jitter))
        port.is_open = True
        self._tell_all(port)

    def _tell_all(self, port: _Port) -> None:
        for key, place in self._places.items():
            if isinstance(place, Place) and place.port == port.number:
                self._tell(self._served[key], place, port)

    def _tell(self, served: Served, place: Place, port: _Port) -> None:
        if port.is_open:
            what = f": {place.method} {place.endpoint}" if place.endpoint else ""
            served.context.running(f"listening on port {place.port}{what}")
        elif port.failure:
            served.context.failing(port.failure)

    async def _retire(self, port: _Port) -> None:
        """
        Stop listening; whoever still waits for an answer there gets it.
        """
        await end(self._surroundings.clock, port.opening)
        port.listener.retire()
        self._retired.append(port.listener)


class _Port:
    """
    One port, open or being opened.
    """

    opening: asyncio.Task[None]

    def __init__(self, number: int, surroundings: Surroundings) -> None:
        self.number = number
        self.routes: Routes[Served] = Routes()
        self.listener = HttpListener(self._take, clock=surroundings.clock, limits=surroundings.limits)
        self.is_open = False
        self.failure = ""

    def _take(self, request: Request) -> None:
        path = request.path
        match = self.routes.find(path)
        if (match is None or match.endpoint != path) and self.routes.lacks_only_a_slash(path):
            _redirect(request)
        elif match is None:
            request.respond(404, b"not found\n")
        elif (served := match.methods.get(request.method)) is not None:
            served.take(request, path)
        elif request.method == "HEAD":  # a probe, such as Trello makes before it accepts an address
            request.respond(200)
        else:
            allowed = ", ".join(sorted({*match.methods, "HEAD"}))
            request.respond(
                405, f"{request.method} is not served here, {allowed} are\n".encode(), (("Allow", allowed),)
            )


def _redirect(request: Request) -> None:
    """
    To the same path with a slash after it, where a subtree starts.
    """
    query = request.target.partition(b"?")[2].decode("latin-1")
    request.respond(301, headers=(("Location", f"{request.raw_path}/{'?' if query else ''}{query}"),))
