"""
What the contract test needs to know of the AMQP server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from simulator.services.amqp import EmbeddedAmqp
from simulator.services.amqp_shape import SHAPE as AMQP
from simulator.services.local.rabbitmq import LocalRabbitMq
from simulator.services.service import SocketAddress, Stimulus
from tests.simulator.services.contract import Contract


@asynccontextmanager
async def _amqp_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    import aio_pika

    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        received.put_nowait(message.body)

    connection = await aio_pika.connect(f"amqp://guest:guest@{endpoint[0]}:{endpoint[1]}/")
    try:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("contract", "topic", durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "contract.*")
        await queue.consume(take, no_ack=True)
        yield received
    finally:
        await connection.close()


async def _kept_by_amqp(service: EmbeddedAmqp) -> int:
    return len(service.broker.queues["kept"])


async def _kept_by_rabbitmq(service: LocalRabbitMq) -> int:
    line = await service._line("/")
    queue = await line.call(line.channel.queue_declare, "kept", passive=True)
    count: int = queue.method.message_count
    return count


_AMQP_TEXT = """
url: amqp://amqp.argo-events:5672
attributes: {exchangeName: contract, exchangeType: topic, routingKey: %s}
"""
_AMQP_EXCHANGES = {"exchanges": {"contract": {"type": "topic"}}}
_AMQP_KEPT = {"kept": {"bindings": [{"exchange": "contract", "routingKey": "#"}]}}


CONTRACT = Contract(
    name="amqp-embedded",
    service=EmbeddedAmqp,
    shape=AMQP,
    text=_AMQP_TEXT % "contract.*",
    other_text=_AMQP_TEXT % "other",
    listen=_amqp_listener,
    stimulus=lambda payload: Stimulus((("exchange", "contract"), ("routingKey", "contract.one")), payload),
    fence=lambda payload: b"gatesim-fence" in payload,
    usual=_AMQP_EXCHANGES,
    setups=(
        _AMQP_EXCHANGES,
        {**_AMQP_EXCHANGES, "queues": _AMQP_KEPT},
        {**_AMQP_EXCHANGES, "users": {"me": 'pass"word'}},
        {**_AMQP_EXCHANGES, "vhosts": ["other"]},
        {**_AMQP_EXCHANGES, "tls": True},
    ),
    lasting={**_AMQP_EXCHANGES, "queues": _AMQP_KEPT},
    kept=_kept_by_amqp,
    is_process=False,
    greeting=b"AMQP\0\0\x09\x01",
)

LOCAL = replace(CONTRACT, name="amqp-local", service=LocalRabbitMq, kept=_kept_by_rabbitmq, program="rabbitmq")
