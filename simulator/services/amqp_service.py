"""
AmqpService: what an AMQP service knows of texts and stimuli, whichever server it has.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Unpack

from simulator.services.amqp_listening import AmqpListening
from simulator.services.amqp_shape import AmqpPublish, AmqpSetup
from simulator.services.certificate import Certificate
from simulator.services.service import Around, RelayedService, Stimulus

DEFAULT_VHOST = "/"


class AmqpService(RelayedService):
    """
    One AMQP server.

    With `tls: true` its certificate, made for the hosts of the addresses that mean it, counts as one that this machine
    trusts for as long as it is up.
    """

    type = "amqp"

    def __init__(self, name: str, setup: Mapping[str, Any], **around: Unpack[Around]) -> None:
        super().__init__(name, setup, **around)
        self._setup = AmqpSetup.model_validate(self.own_setup)
        self._certificate: Certificate | None = None

    def covers(self, text: str, stimulus: Stimulus) -> bool:
        """See Service."""
        listening = AmqpListening.of(text)
        if listening is None:
            return False
        exchange, key = stimulus.get("exchange"), stimulus.get("routingKey")
        return listening.covers(exchange, key, dict(stimulus.headers), stimulus.get("vhost") or DEFAULT_VHOST)

    async def absent(self, text: str, living: Sequence[str] = ()) -> bool | None:
        """See Service."""
        listening = AmqpListening.of(text)
        if listening is None:
            return None
        alike = [other for other in map(AmqpListening.of, living) if other is not None]
        if listening.queue:
            entitled = sum((other.queue, other.vhost) == (listening.queue, listening.vhost) for other in alike)
        else:
            place = (listening.vhost, listening.exchange, listening.routing_key)
            entitled = sum(not o.queue and (o.vhost, o.exchange, o.routing_key) == place for o in alike)
        listeners = await self._listeners(listening)
        return None if listeners is None else listeners <= entitled

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

    @abstractmethod
    async def _listeners(self, listening: AmqpListening) -> int | None:
        """
        How many consumers its queue has; without one, how many clients have a queue of their own, with a consumer, that
        is bound as *listening* says. None where the server does not tell.
        """


class Properties(NamedTuple):
    """
    What a `publish` step says of a message, in the protocol's terms.
    """

    content_type: str
    message_id: str
    headers: dict[str, Any] | None
    delivery_mode: int
    expiration: str
    """In milliseconds; empty for never."""

    @classmethod
    def of(cls, stimulus: Stimulus) -> Properties:
        """
        Those of *stimulus*.
        """
        where = dict(stimulus.coordinates)
        expiration = where.get("expiration")
        return cls(
            content_type=where.get("contentType", ""),
            message_id=where.get("messageId", ""),
            headers=dict(stimulus.headers) or None,
            delivery_mode=1 if where.get("persistent") == str(False) else 2,
            expiration=str(round(_seconds(expiration) * 1000)) if expiration is not None else "",
        )


def _seconds(text: str) -> float:
    """
    The expiration of a step, which comes as it is written.
    """
    return AmqpPublish.model_validate({"expiration": text}).expiration or 0.0
