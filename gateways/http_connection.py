"""
Connection: one client of an HttpListener, from its first byte to its last answer; trusts it in nothing.

Requests are served one at a time, in order; while one is being answered nothing more is read than what one read of
the socket had already brought.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, cast

from gateways.clock import Alarm, Clock, Hold, SocketAddress
from gateways.http_reader import Refusal, RequestReader
from gateways.http_request import TEXT, Headers, Request, answer_head
from gateways.limits import Limits

_LINGER_S = 2.0
_LINGER_BYTES_MAX = 64 * 1024 * 1024
"""What a refused client still sends is read and thrown away: closing at once would reset away its answer."""
_TURNED_AWAY_MAX = 256
"""So many clients too many are told so; further ones are dropped."""

_SLICES_AT_ONCE = 8
"""After so many pieces of what one read brought, other clients have a turn."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_log = logging.getLogger("gateways.http")

Handler = Callable[[Request], None]


class Owner(Protocol):
    """
    What a connection needs of its listener.
    """

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def limits(self) -> Limits:
        """How long and how much."""

    @property
    def handler(self) -> Handler:
        """Takes each request."""

    def enter(self, connection: Connection) -> int:
        """Take it in; returns by how many connections there are too many, with this one."""

    def leave(self, connection: Connection) -> None:
        """It is over."""


class Connection(asyncio.Protocol):
    """
    One client. Also the Answerer of its requests.
    """

    __slots__ = (
        "_backlog", "_blocked", "_current", "_ended", "_half_closed", "_hold", "_idle_alarm", "_last",
        "_last_alarm", "_linger_left", "_owner", "_paused", "_reader", "_reading_alarm", "_reading_head", "_served",
        "_served_before", "_serving", "_transport", "sender",
    )  # fmt: skip

    _transport: asyncio.Transport

    def __init__(self, owner: Owner) -> None:
        self.sender: SocketAddress = ("", 0)
        self._owner = owner
        self._reader = RequestReader(self, owner.limits.body_bytes)
        self._current: Request | None = None
        self._hold: Hold | None = None
        self._serving = False
        self._served = 0
        self._served_before = 0
        self._backlog = b""
        self._paused = False
        self._blocked = False
        self._half_closed = False
        self._last = False
        self._ended = False
        self._linger_left = 0
        self._reading_head = True
        self._reading_alarm: Alarm | None = None
        self._idle_alarm: Alarm | None = None
        self._last_alarm: Alarm | None = None

    def answer(self, request: Request, status: int, body: bytes, headers: Headers, content_type: str) -> None:
        """See Answerer."""
        if request is not self._current:
            return
        self._current = None
        last = self._last or not request.keep_alive or (self._half_closed and not self._has_more)
        # Only an HTTP/1.0 client needs to be told that the connection stays; both say so by the same header.
        connection = "close" if last else "keep-alive" if b"connection" in request.headers else ""
        head = answer_head(status, len(body), headers, content_type, connection)
        self._transport.write(head + body if body and request.method != "HEAD" else head)
        if self._hold is not None:
            self._hold.close()
            self._hold = None
        if last:
            self._close()
        elif not self._serving:
            self._go_on()

    def retire(self) -> None:
        """
        Close the connection now, or after the answer that the client waits for.
        """
        self._last = True
        if self._ended or (self._is_free and not self._reader.partial):
            self._close()

    def abort(self) -> None:
        """
        Drop the connection.
        """
        self._transport.abort()

    # What follows is called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.sender = (peer[0], peer[1]) if peer else ("", 0)
        excess = self._owner.enter(self)
        if excess > _TURNED_AWAY_MAX:
            self._transport.abort()
        elif excess > 0:
            self._refuse(Refusal(503, "too many connections"))
        else:
            self._watch_reading()
            self._watch_idling()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            self._throw_away(len(data))
        elif self._current is None and not self._backlog and not self._blocked:
            self._read(data)
        else:
            self._backlog += data
            self._pause()

    def eof_received(self) -> bool:
        if self._ended:
            return False
        self._half_closed = True
        self._reader.end()
        if self._current is None and not self._backlog:
            self._go_on()
        return not self._ended

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        if not self._serving:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._cancel_alarms()
        request, self._current = self._current, None
        self._reader.complete.clear()
        self._backlog = b""
        if self._hold is not None:
            self._hold.close()
        self._owner.leave(self)
        if request is not None and request.on_gone is not None:
            request.on_gone()

    # Reading and serving.

    @property
    def _has_more(self) -> bool:
        """
        Whether there is something to answer after the request that is being answered.
        """
        return bool(self._reader.complete or self._backlog or self._reader.refusal)

    @property
    def _is_free(self) -> bool:
        """
        Whether nothing of this client waits for us.
        """
        return not (self._current or self._backlog or self._reader.complete or self._blocked or self._ended)

    def _read(self, data: bytes) -> None:
        """
        Read and serve until one request is not answered at once, or siblings should have a turn.
        """
        reader, start, size = self._reader, 0, len(data)
        for _ in range(_SLICES_AT_ONCE):
            start = reader.feed(data, start)
            if reader.complete or reader.refusal is not None:
                self._serve()
            if start >= size or self._current is not None or self._blocked or self._ended:
                break
        else:
            asyncio.get_running_loop().call_soon(self._go_on)
        if self._ended:
            return
        if start < size:
            self._backlog = data[start:]
            self._pause()
        if reader.partial:
            self._await_rest()
        elif self._reading_alarm is not None and self._served:
            self._reading_alarm.cancel()
            self._reading_alarm = None

    def _serve(self) -> None:
        complete = self._reader.complete
        self._serving = True
        while complete and self._current is None and not self._blocked and not self._ended:
            self._take(complete.popleft())
        self._serving = False
        if self._reader.refusal is not None and not (complete or self._current or self._blocked or self._ended):
            self._refuse(self._reader.refusal)

    def _take(self, request: Request) -> None:
        self._current = request
        self._served += 1
        try:
            self._owner.handler(request)
        except Exception:
            _log.exception("the handler of %s %s failed", request.method, request.raw_path)
            self._last = True
            if self._current is request:
                request.respond(500, b"Error")
            elif not self._ended:
                self._close()
        if self._current is request:
            self._hold = self._owner.clock.inbound(self.sender)

    def _go_on(self) -> None:
        """
        Serve what is complete, read what waits; where nothing does, listen to the client again.
        """
        self._serve()
        if self._backlog and self._current is None and not self._blocked and not self._ended:
            data, self._backlog = self._backlog, b""
            self._read(data)
        if not self._is_free:
            return
        if self._half_closed:
            self._reader.end()
            if self._reader.refusal is not None:
                self._refuse(self._reader.refusal)
            else:
                self._close()
            return
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._reader.partial:
            self._await_rest()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    # How it ends.

    def _close(self) -> None:
        self._ended = True
        self._backlog = b""
        self._cancel_alarms()
        self._transport.close()
        if not self._transport.get_write_buffer_size():
            self._owner.leave(self)
        else:
            self._last_alarm = self._owner.clock.alarm(self._owner.limits.stop_s, self._transport.abort)

    def _refuse(self, refusal: Refusal) -> None:
        """
        Tell the client, then hear it out without listening.
        """
        body = f"{refusal.reason}\n".encode()
        self._transport.write(answer_head(refusal.status, len(body), (), TEXT, "close") + body)
        if self._half_closed:
            self._close()
            return
        self._ended = True
        self._backlog = b""
        self._cancel_alarms()
        self._linger_left = _LINGER_BYTES_MAX
        self._last_alarm = self._owner.clock.alarm(_LINGER_S, self._transport.abort)
        self._transport.write_eof()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _cancel_alarms(self) -> None:
        for alarm in (self._reading_alarm, self._idle_alarm, self._last_alarm):
            if alarm is not None:
                alarm.cancel()

    def _throw_away(self, size: int) -> None:
        self._linger_left -= size
        if self._linger_left < 0:
            self._transport.abort()

    # Limits.

    def _await_rest(self) -> None:
        """
        A request has begun and is not complete: the client has so long.
        """
        reader = self._reader
        if reader.owes_continue and self._current is None:
            reader.owes_continue = False
            self._transport.write(_CONTINUE)
        if self._reading_alarm is not None and self._reading_head != reader.head_done:
            return
        if self._reading_alarm is not None:
            self._reading_alarm.cancel()
        self._watch_reading()

    def _watch_reading(self) -> None:
        limits = self._owner.limits
        self._reading_head = not self._reader.head_done
        seconds = limits.header_read_s if self._reading_head else limits.body_read_s
        self._reading_alarm = self._owner.clock.alarm(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._reading_alarm = None
        if self._ended:
            return
        if not self._is_free:  # it is not the client who is slow
            self._watch_reading()
        elif self._reader.partial:
            self._refuse(Refusal(408, "the request was not complete in time"))
        else:
            self._close()

    def _watch_idling(self) -> None:
        self._served_before = self._served
        self._idle_alarm = self._owner.clock.alarm(self._owner.limits.idle_s, self._look_idle)

    def _look_idle(self) -> None:
        """
        One look in `idle_s` instead of one alarm a request.
        """
        idle = self._served == self._served_before and self._current is None and not self._reader.partial
        if self._ended or not idle:
            self._watch_idling()
        elif self._transport.get_write_buffer_size():  # it does not read its answers
            self._transport.abort()
        else:
            self._close()
