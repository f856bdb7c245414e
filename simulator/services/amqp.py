"""
AMQP 0-9-1: our own server in this process, one for each scenario, behind a relay where it is faulted.

What the simulator publishes goes straight to the server's store, so that it has it for certain. A restart keeps what is
durable and drops the rest, whether the server is stopped or killed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pamqp.commands import Basic

from simulator.errors import SimulatorError
from simulator.relay import Relay
from simulator.services.amqp_listening import AmqpListening
from simulator.services.amqp_shape import AmqpPublish, AmqpSetup
from simulator.services.certificate import Certificate, certified
from simulator.services.embedded.amqp import AmqpServer, Binding, Broker, Exchange, Failure, Kept, Message
from simulator.services.service import Published, Service, ServiceTime, SocketAddress, Stimulus
from simulator.version import VERSION

_LOOPBACK = "127.0.0.1"
_EVERYBODY = {"guest": "guest"}
"""Who may come in where the set-up names nobody; a client that is told no name is this one."""
_DEFAULT_VHOST = "/"


class EmbeddedAmqp(Service):
    """
    One AMQP server of its own.

    With `tls: true` its certificate, made for the hosts of the addresses that mean it, counts as one that this machine
    trusts for as long as it is up.
    """

    type = "amqp"

    def __init__(
        self,
        name: str,
        setup: Mapping[str, Any],
        *,
        peers: Sequence[str],
        relayed: bool,
        time: ServiceTime,
        died: Callable[[str], None],
    ) -> None:
        super().__init__(name, setup, peers=peers, relayed=relayed, time=time, died=died)
        self._setup = AmqpSetup.model_validate(self.own_setup)
        self._server = AmqpServer(
            VERSION,
            users=self._setup.users or _EVERYBODY,
            vhosts=dict.fromkeys((_DEFAULT_VHOST, *self._setup.vhosts)),
            later=time.later,
        )
        self._relay = Relay(self.peers, time) if relayed else None
        self._port = 0
        self._certificate: Certificate | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def endpoint(self) -> SocketAddress:
        """See Service."""
        return _LOOPBACK, self._relay.port if self._relay is not None else self._port

    @property
    def version(self) -> str:
        """See Service."""
        return f"gatesim AMQP 0-9-1 {VERSION}"

    @property
    def broker(self) -> Broker:
        """
        The default virtual host.
        """
        return self._server.vhosts[_DEFAULT_VHOST]

    async def start(self) -> None:
        """See Service."""
        if self._relay is not None:
            await self._relay.start()
        if self._setup.tls:
            self._folder = tempfile.TemporaryDirectory(prefix="gatesim-amqp-")
            self._certificate = await certified(self, Path(self._folder.name))
        if not self.setup.get("stopped"):
            await self._start_server()

    async def stop(self) -> None:
        """See Service."""
        await self._end_server(self._server.stop)
        if self._relay is not None:
            await self._relay.stop()
        if self._certificate is not None:
            self._certificate.forget()
        if self._folder is not None:
            self._folder.cleanup()

    async def restart(self, how: str) -> None:
        """See Service."""
        await self._end_server(self._server.kill if how == "kill" else self._server.stop)
        await self._start_server()

    async def publish(self, stimuli: Sequence[Stimulus]) -> Published:
        """See Service."""
        if not self._server.is_running:
            return Published(False, "the AMQP server does not run")
        for stimulus in stimuli:
            where = dict(stimulus.coordinates)
            vhost = self._server.vhosts.get(where.get("vhost", _DEFAULT_VHOST))
            if vhost is None:
                return Published(False, f"there is no vhost {where['vhost']}; name it under `vhosts`")
            try:
                routed = vhost.publish(_message(stimulus, where))
            except Failure as failure:
                return Published(False, failure.text)
            if not routed and where.get("mandatory") == str(True):
                return Published(False, "NO_ROUTE - no queue takes it, and it was mandatory")
        return Published(True)

    async def fault(self, kind: str, value: Any) -> None:
        """See Service."""
        match kind:
            case "kill":
                await self._end_server(self._server.kill)
                return
            case "dropAck":
                self._server.loses_acknowledgements = True
                return
            case "redeliver":
                self._server.time_out_channels()
                return
        assert self._relay is not None, "a service that is faulted has a relay"
        if not await self._relay.take_fault(kind, value):
            raise SimulatorError(f"service {self.name}: amqp knows no fault {kind!r}")

    async def heal(self) -> None:
        """See Service."""
        self._server.loses_acknowledgements = False
        if self._relay is not None:
            await self._relay.heal()
        await self._start_server()

    def durable(self) -> dict[str, Kept]:
        """See Service."""
        return {name: broker.kept() for name, broker in self._server.vhosts.items()}

    def restore(self, durable: Mapping[str, Kept]) -> None:
        """See Service."""
        for name, kept in durable.items():
            self._server.vhosts[name].take_up(kept)

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        listening = AmqpListening.of(text)
        if listening is None:
            return False
        exchange, key = stimulus.get("exchange"), stimulus.get("routingKey")
        return listening.covers(exchange, key, dict(stimulus.headers), stimulus.get("vhost") or _DEFAULT_VHOST)

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service."""
        listening = AmqpListening.of(text)
        if listening is None or not self._server.is_running:
            return None
        alike = [other for other in map(AmqpListening.of, living) if other is not None]
        broker = self._server.vhosts.get(listening.vhost)
        if broker is None:
            return True
        if listening.queue:
            queue = broker.queues.get(listening.queue)
            entitled = sum((other.queue, other.vhost) == (listening.queue, listening.vhost) for other in alike)
            return queue is None or len(queue.consumers) <= entitled
        place = (listening.vhost, listening.exchange, listening.routing_key)
        entitled = sum(not o.queue and (o.vhost, o.exchange, o.routing_key) == place for o in alike)
        return _own_queues(broker, listening) <= entitled

    async def fence(self, text: str, mark: str) -> bool:
        """See Service. A named queue may have other consumers, which would get it instead."""
        listening = AmqpListening.of(text)
        if listening is None or listening.queue:
            return False
        where = {
            "exchange": listening.exchange,
            "routingKey": listening.concrete_key,
            "vhost": listening.vhost,
            "mandatory": str(True),
        }
        headers = tuple((name, str(value)) for name, value in listening.headers.items() if name != "x-match")
        payload = json.dumps({"gatesim-fence": mark}).encode()
        return (await self.publish([Stimulus(tuple(where.items()), payload, headers)])).taken

    async def _start_server(self) -> None:
        if self._server.is_running:
            return
        encryption = self._certificate.serving() if self._certificate is not None else None
        self._prepare(self.broker)
        # Behind a relay the port may change; without one it is what gateways know.
        self._port = await self._server.start(0 if self._relay is not None else self._port, encryption=encryption)
        if self._relay is not None:
            await self._relay.lead_to((_LOOPBACK, self._port))

    async def _end_server(self, end: Callable[[], None]) -> None:
        """
        What it was connected to is cut here and now, so that a gateway knows it before the next step.
        """
        if self._relay is not None:
            await self._relay.lead_to(None)
        end()
        if self._relay is not None:
            self._relay.disconnect()

    def _prepare(self, broker: Broker) -> None:
        """
        Make what the set-up asks for; what is there already stays as it is, with its messages.
        """
        try:
            for name, exchange in self._setup.exchanges.items():
                wanted = Exchange(name, exchange.type, durable=exchange.durable, arguments=exchange.arguments)
                broker.declare_exchange(wanted)
            for name, queue in self._setup.queues.items():
                broker.declare_queue(
                    name, durable=queue.durable, owner=None, auto_delete=False, arguments=queue.arguments
                )
                for binding in queue.bindings:
                    broker.bind(binding.exchange, Binding(name, False, binding.routing_key, binding.arguments))
        except Failure as failure:
            raise SimulatorError(f"service {self.name}: the AMQP server refuses: {failure.text}") from failure


def _message(stimulus: Stimulus, where: Mapping[str, str]) -> Message:
    """
    The message that a `publish` step means; *where* are its coordinates.
    """
    said = {name: value for name, value in where.items() if name in _TEXTS}
    expiration = where.get("expiration")
    properties = Basic.Properties(
        content_type=said.get("contentType", ""),
        message_id=said.get("messageId", ""),
        headers=dict(stimulus.headers) or None,
        delivery_mode=1 if where.get("persistent") == str(False) else 2,
        expiration=str(round(_seconds(expiration) * 1000)) if expiration is not None else "",
    )
    return Message.made(where.get("exchange", ""), where.get("routingKey", ""), properties, stimulus.payload)


_TEXTS = ("contentType", "messageId")


def _seconds(text: str) -> float:
    """
    The expiration of a step, which comes as it is written.
    """
    return AmqpPublish.model_validate({"expiration": text}).expiration or 0.0


def _own_queues(broker: Broker, listening: AmqpListening) -> int:
    """
    How many clients have a queue of their own, with a consumer, that is bound as *listening* says.
    """
    exchange = broker.exchanges.get(listening.exchange)
    bindings = exchange.bindings if exchange is not None else []
    names = {
        each.destination for each in bindings if not each.to_exchange and each.routing_key == listening.routing_key
    }
    queues = [broker.queues[name] for name in names if name in broker.queues]
    return sum(queue.owner is not None and bool(queue.consumers) for queue in queues)
