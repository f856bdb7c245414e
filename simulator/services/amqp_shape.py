"""
What a scenario file may say of an AMQP service.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from simulator.scenario_file.shape import Duration, Json, Shape, TextMap, Texts
from simulator.services.shapes import NO_TLS_IN_PROCESS, OwnServer, ServiceShape

_ARGUMENTS = "Arguments as the protocol has them, such as `x-message-ttl`."
_VHOST = "The virtual host."


class AmqpPublish(Shape):
    """
    Where a message goes, and its properties.
    """

    exchange: str = Field(
        default="", description="Name of the exchange; left out, the routing key names a queue.", examples=["orders"]
    )
    routing_key: str = Field(default="", description="The routing key.", examples=["orders.new"])
    content_type: str | None = Field(default=None, description="Its content type.", examples=["application/json"])
    message_id: str | None = Field(default=None, description="Its message id.")
    expiration: Duration | None = Field(default=None, description="It lives so long in a queue.", examples=["30s"])
    persistent: bool = Field(default=True, description="Whether it survives a restart in a durable queue.")
    mandatory: bool = Field(default=False, description="The step fails where no queue takes it.")
    vhost: str = Field(default="/", description=_VHOST)


class AmqpExchange(Shape):
    """
    One exchange.
    """

    type: Literal["direct", "fanout", "topic", "headers"] = Field(description="How it routes.", examples=["topic"])
    durable: bool = Field(default=True, description="Whether it survives a restart.")
    arguments: dict[str, Json] = Field(default={}, description=_ARGUMENTS)


class AmqpBinding(Shape):
    """
    What an exchange hands to a queue.
    """

    exchange: str = Field(description="Name of the exchange.", examples=["orders"])
    routing_key: str = Field(default="", description="The routing key, with wildcards where the exchange knows them.")
    arguments: dict[str, Json] = Field(default={}, description="The headers asked for, and `x-match`.")


class AmqpQueue(Shape):
    """
    One queue.
    """

    durable: bool = Field(default=True, description="Whether it survives a restart.")
    arguments: dict[str, Json] = Field(default={}, description=_ARGUMENTS, examples=[{"x-message-ttl": 60000}])
    bindings: Annotated[tuple[AmqpBinding, ...], Strict(False)] = Field(
        default=(), description="What it is handed.", examples=[[{"exchange": "orders", "routingKey": "orders.#"}]]
    )


class AmqpSetup(OwnServer):
    """
    How an AMQP server is prepared.
    """

    exchanges: dict[str, AmqpExchange] = Field(
        default={}, description="Exchanges by name.", examples=[{"orders": {"type": "topic"}}]
    )
    queues: dict[str, AmqpQueue] = Field(
        default={}, description="Queues by name.", examples=[{"orders": {"durable": True}}]
    )
    users: TextMap = Field(default={}, description="User names to passwords; nobody else is let in.")
    vhosts: Texts = Field(default=(), description="Virtual hosts beside `/`.", examples=[["orders"]])
    tls: bool = Field(default=False, description="Take connections over TLS only.")

    key_rules = (NO_TLS_IN_PROCESS,)


SHAPE = ServiceShape(
    type="amqp",
    publish=AmqpPublish,
    setup=AmqpSetup,
    address_key="url",
    default_port=5672,
    addresses=("amqp.argo-events:5672",),
    faults=frozenset(
        {"disconnect", "refuse", "blackhole", "latency", "rate", "reset", "pause", "kill", "dropAck", "redeliver"}
    ),
)
