"""
AmqpListening: what a configuration's text listens to, and which published messages that covers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import yaml

from simulator.services.embedded.amqp import headers_match, topic_matches


class AmqpListening(NamedTuple):
    """
    What a configuration listens to.
    """

    exchange: str
    type: str
    routing_key: str
    queue: str
    """Empty for a queue of its own."""
    headers: Mapping[str, Any]
    """What a headers exchange is asked for, `x-match` included."""
    vhost: str

    @classmethod
    def of(cls, text: str) -> AmqpListening | None:
        """
        What a configuration with that *text* listens to; None where it says nothing of the kind.
        """
        try:
            options = _folded(yaml.safe_load(text))
        except yaml.YAMLError:
            return None
        # Some gateways read these from the top level.
        attributes = {**options, **_folded(options.get("attributes"))}
        exchange, queue = str(attributes.get("exchangename") or ""), str(options.get("queue") or "")
        if not exchange:
            return None
        headers = {str(name): str(value) for name, value in _plain(options.get("headers")).items()}
        asked = {**headers, "x-match": str(options.get("headersmatch") or "all")} if headers else {}
        key, type_ = attributes.get("routingkey"), str(attributes.get("exchangetype") or "direct")
        return cls(exchange, type_, "" if key is None else str(key), queue, asked, _vhost(str(options.get("url"))))

    def covers(self, exchange: str, routing_key: str, headers: Mapping[str, str], vhost: str) -> bool:
        """
        Whether a message that is published so comes to this configuration.
        """
        if vhost != self.vhost:
            return False
        if not exchange:
            return bool(self.queue) and routing_key == self.queue
        if exchange != self.exchange:
            return False
        match self.type:
            case "fanout":
                return True
            case "topic":
                return topic_matches(self.routing_key, routing_key)
            case "headers":
                return headers_match(self.headers, headers)
            case _:
                return routing_key == self.routing_key

    @property
    def concrete_key(self) -> str:
        """
        A routing key that it covers.
        """
        if self.type != "topic":
            return self.routing_key
        words = self.routing_key.split(".") if self.routing_key else []
        return ".".join("fence" if word in ("*", "#") else word for word in words)


def _folded(value: Any) -> dict[str, Any]:
    return {name.lower(): inner for name, inner in _plain(value).items()}


def _plain(value: Any) -> dict[str, Any]:
    return {str(key): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}


def _vhost(url: str) -> str:
    try:
        path = urlsplit(url.partition(",")[0].strip()).path
    except ValueError:
        return "/"
    return unquote(path[1:]) or "/"
