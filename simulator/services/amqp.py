"""
AMQP 0-9-1: our own server in this process, one for each scenario, behind a relay where it is faulted.

What the simulator publishes goes straight to the server's store, so that it has it for certain. A restart keeps what is
durable and drops the rest, whether the server is stopped or killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from pamqp.commands import Basic

from simulator.errors import SimulatorError
from simulator.services.amqp_listening import AmqpListening
from simulator.services.amqp_service import DEFAULT_VHOST, AmqpService, Properties
from simulator.services.certificate import certified
from simulator.services.embedded.amqp import AmqpServer, Binding, Broker, Exchange, Failure, Kept, Message
from simulator.services.service import Around, Published, Stimulus
from simulator.version import VERSION

_EVERYBODY = {"guest": "guest"}
"""Who may come in where the set-up names nobody; a client that is told no name is this one."""


class EmbeddedAmqp(AmqpService):
    """
    One AMQP server of its own.
    """

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._server = AmqpServer(
            VERSION,
            users=self._setup.users or _EVERYBODY,
            vhosts=dict.fromkeys((DEFAULT_VHOST, *self._setup.vhosts)),
            later=self.time.later,
        )

    @property
    def version(self) -> str:
        """See Service."""
        return f"gatesim AMQP 0-9-1 {VERSION}"

    @property
    def broker(self) -> Broker:
        """
        The default virtual host.
        """
        return self._server.vhosts[DEFAULT_VHOST]

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
        await self._end_server(self._server.stop)
        if self._relay is not None:
            await self._relay.stop()
        if self._certificate is not None:
            self._certificate.forget()

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
            vhost = self._server.vhosts.get(where.get("vhost", DEFAULT_VHOST))
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
        await self._break_line(kind, value)

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

    async def _listeners(self, listening: AmqpListening) -> int | None:
        if not self._server.is_running:
            return None
        broker = self._server.vhosts.get(listening.vhost)
        if broker is None:
            return 0
        if not listening.queue:
            return _own_queues(broker, listening)
        queue = broker.queues.get(listening.queue)
        return len(queue.consumers) if queue is not None else 0

    async def _start_server(self) -> None:
        if self._server.is_running:
            return
        encryption = self._certificate.serving() if self._certificate is not None else None
        self._prepare(self.broker)
        # Behind a relay the port may change; without one it is what gateways know.
        self._port = await self._server.start(0 if self._relay is not None else self._port, encryption=encryption)
        await self._lead_to_server()

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
    properties = Basic.Properties(**Properties.of(stimulus)._asdict())
    return Message.made(where.get("exchange", ""), where.get("routingKey", ""), properties, stimulus.payload)


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
