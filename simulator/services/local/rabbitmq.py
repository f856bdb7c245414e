"""
AMQP 0-9-1 from a RabbitMQ that this machine has: kept, as it takes seconds to start, and leased to one scenario at a
time, which leaves it without virtual hosts and users.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count, groupby
from typing import Any, Unpack
from weakref import WeakKeyDictionary

from simulator.errors import ServiceUnavailable, SimulatorError
from simulator.keeping.lease import Lease
from simulator.services.amqp_listening import AmqpListening
from simulator.services.amqp_service import DEFAULT_VHOST, AmqpService, Properties
from simulator.services.certificate import certified
from simulator.services.local.rabbitmq_line import LineBroken, Posting, RabbitMqLine
from simulator.services.service import Around, Published, Stimulus

_CANNOT = {
    "dropAck": "RabbitMQ loses no acknowledgement that reaches it",
    "redeliver": "RabbitMQ takes messages back from a slow consumer by a limit of minutes, looked at once a minute",
}
_TROUBLE = ("[error]", "[warning]", "[critical]")


class LocalRabbitMq(AmqpService):
    """
    One RabbitMQ, ours alone for the scenario.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._lease: Lease | None = None
        self._number = 0
        self._running = False
        self._lines: dict[str, RabbitMqLine] = {}
        self._log_tail = ""

    @property
    def provider(self) -> str:
        """See Service."""
        return "local"

    @property
    def version(self) -> str:
        """See Service."""
        return f"RabbitMQ {self._access.get('version', '')}".strip()

    @property
    def pid(self) -> int | None:
        """
        The server's process id; None where it does not run.
        """
        return self._access["pid"] if self._running else None

    async def start(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.start()
        if self._setup.tls:
            self._certificate = await certified(self)
        if not self.setup.get("stopped"):
            await self._start_server()

    async def stop(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.stop()
        await self._leave()
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(ServiceUnavailable):  # whoever kept it is gone, and the server with it
                await lease.give_back(clean=await self._cleaned(lease))
        self._running = False
        _give_up(self._number)
        self._number = 0
        if self._certificate is not None:
            self._certificate.forget()

    async def restart(self, how: str) -> None:
        """See Service."""
        await self._end_server("kill" if how == "kill" else "stop")
        await self._start_server()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if not self._running:
            return Published(False, "RabbitMQ does not run")
        for vhost, group in groupby(stimuli, key=lambda each: each.get("vhost") or DEFAULT_VHOST):
            if vhost not in (DEFAULT_VHOST, *self._setup.vhosts):
                return Published(False, f"there is no vhost {vhost}; name it under `vhosts`")
            try:
                line = await self._line(vhost)
            except (LineBroken, TimeoutError) as error:
                return Published(False, str(error) or "RabbitMQ does not answer")
            published = await line.publish([_posting(each) for each in group])
            if not published.taken:
                return published
        return Published(True)

    def cannot(self, fault: str) -> str:
        """See Service."""
        return _CANNOT.get(fault, "")

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        if kind == "kill":
            await self._end_server("kill")
            return
        await self._break_line(kind, value)

    async def heal(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.heal()
        await self._start_server()

    def log_tail(self) -> str:
        """See Service. As it was when the server was last ended, or died."""
        return "\n".join(line for line in self._log_tail.splitlines() if any(each in line for each in _TROUBLE))

    @property
    def _access(self) -> Mapping[str, Any]:
        return self._lease.access if self._lease is not None else {}

    async def _listeners(self, listening: AmqpListening) -> int | None:
        if not self._running or self._lease is None:
            return None
        if listening.vhost not in (DEFAULT_VHOST, *self._setup.vhosts):
            return 0
        place = {"vhost": listening.vhost}
        if listening.queue:
            asked = self._lease.ask("consumers", argument={**place, "queue": listening.queue})
        else:
            names = {"exchange": listening.exchange, "routing_key": listening.routing_key}
            asked = self._lease.ask("own_queues", argument={**place, **names})
        try:
            listeners: int = await asked
        except ServiceUnavailable:
            return None  # it has died, or is as good as dead
        return listeners

    async def _start_server(self) -> None:
        if self._running:
            return
        if self._lease is None:
            await self._take_lease()
        else:
            await self._lease.ask("start")
        self._running = True
        await self._prepare()
        await self._lead_to_server()

    async def _take_lease(self) -> None:
        """
        Lease a server. A scenario with several takes them one after another, and always in the same order: else two
        scenarios might wait for each other.
        """
        self._number, before, leased = _take_number()
        for each in before:
            await each.wait()
        options = {"number": self._number} if self._number > 1 else {}
        try:
            self._lease = await Lease.of(self.name, "rabbitmq", options, self._told_of_death)
            self._port = self._access["tls_port" if self._setup.tls else "port"]
        finally:
            leased.set()
        await self._lease.ask("prepare", argument={"users": self._setup.users, "vhosts": self._setup.vhosts})
        if self._certificate is not None:
            files = {"file": str(self._certificate.file), "key": str(self._certificate.key)}
            await self._lease.ask("certificate", argument=files)

    async def _end_server(self, how: str) -> None:
        """
        What it was connected to is cut here and now, so that a gateway knows it before the next step.
        """
        if self._relay is not None:
            await self._relay.lead_to(None)
        await self._leave()
        if self._lease is not None and self._running:
            self._running = False
            self._log_tail = await self._lease.ask("log")
            await self._lease.ask(how)
        if self._relay is not None:
            self._relay.disconnect()

    async def _leave(self) -> None:
        lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.close()

    async def _cleaned(self, lease: Lease) -> bool:
        """
        Whether nothing that the scenario made is left.
        """
        if not self._running:
            return False
        try:
            await lease.ask("clean", argument=None)
        except ServiceUnavailable:
            return False
        return True

    def _told_of_death(self, cause: str) -> None:
        self._running = False
        if self._relay is not None:
            self._relay.disconnect()
        self.died(cause)

    async def _line(self, vhost: str) -> RabbitMqLine:
        line = self._lines.get(vhost)
        if line is not None and line.broken:
            await line.close()
            line = None
        if line is None:
            access = self._access
            line = await RabbitMqLine.to(access["port"], access["user"], access["password"], vhost)
            self._lines[vhost] = line
        return line

    async def _prepare(self) -> None:
        """
        Make what the set-up asks for; what is there already stays as it is, with its messages.
        """
        if not self._setup.exchanges and not self._setup.queues:
            return
        try:
            line = await self._line(DEFAULT_VHOST)
            channel, call = line.channel, line.call
            for name, exchange in self._setup.exchanges.items():
                kind = {"exchange_type": exchange.type, "durable": exchange.durable, "arguments": exchange.arguments}
                await call(channel.exchange_declare, name, **kind)
            for name, queue in self._setup.queues.items():
                await call(channel.queue_declare, name, durable=queue.durable, arguments=queue.arguments)
                for each in queue.bindings:
                    await call(channel.queue_bind, name, each.exchange, each.routing_key, arguments=each.arguments)
        except LineBroken as error:
            raise SimulatorError(f"service {self.name}: the AMQP server refuses: {error}") from error
        except TimeoutError as error:
            raise ServiceUnavailable(self.name, self.provider, "RabbitMQ does not answer") from error


def _posting(stimulus: Stimulus) -> Posting:
    """
    The message that a `publish` step means.
    """
    from pika import BasicProperties  # noqa: PLC0415 - only where it is used

    said = {name: value for name, value in Properties.of(stimulus)._asdict().items() if value}
    where = (stimulus.get("exchange"), stimulus.get("routingKey"))
    return Posting(*where, BasicProperties(**said), stimulus.payload, stimulus.get("mandatory") == str(True))


_numbers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, asyncio.Event]] = WeakKeyDictionary()
"""Of the servers that are leased on a loop, which plays one scenario; each event says that its lease is there."""


def _take_number() -> tuple[int, list[asyncio.Event], asyncio.Event]:
    """
    The lowest number that is free here, what to wait for before it is leased, and what to set once it is.
    """
    taken = _numbers.setdefault(asyncio.get_running_loop(), {})
    number = next(each for each in count(1) if each not in taken)
    before = [leased for other, leased in taken.items() if other < number]
    taken[number] = asyncio.Event()
    return number, before, taken[number]


def _give_up(number: int) -> None:
    """
    Somebody else here may have that number. One that is not taken is given up already.
    """
    leased = _numbers.get(asyncio.get_running_loop(), {}).pop(number, None)
    if leased is not None:
        leased.set()
