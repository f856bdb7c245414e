"""
AmqpOptions: the text of an AMQP configuration, read and checked.

Extension keys (`queue`, `durable`, `prefetch`, `headers`, `auth`, `tls`) stand at the top level, beside `url` and
`attributes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import SplitResult, unquote

from gateways.errors import ConfigurationError
from gateways.options import OptionReader
from gateways.processors.credential_files import Login, Tls, is_given
from gateways.processors.servers import Server, each_url, split_url

DEFAULT_PORT, DEFAULT_TLS_PORT = 5672, 5671
EXCHANGE_TYPES = ("direct", "fanout", "topic", "headers")
_PLUGIN_TYPE = "x-"
_NAME_BYTES_MAX = 255
"""A short string of the protocol holds no more; exchanges and queues are named by 127 in the specification."""
_PREFETCH_MAX = 65_535


@dataclass(frozen=True, slots=True)
class AmqpOptions:
    """
    What one configuration asks for.
    """

    servers: tuple[Server, ...]
    """Tried in this order."""
    vhost: str
    exchange: str
    exchange_type: str
    routing_key: str
    queue: str = ""
    """Empty: a queue of its own, which lives as long as the connection does."""
    durable: bool = False
    """Whether the named queue survives a restart of the server."""
    prefetch: int = 0
    """Messages delivered and not yet acknowledged; 0: as many as may wait in a lane."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What a headers exchange is asked for."""
    headers_match: str = "all"
    auth: Login = field(default_factory=Login)
    """Nothing set: as guest, as the protocol's clients do."""
    tls: Tls = field(default_factory=Tls)

    @classmethod
    def parse(cls, text: str) -> AmqpOptions:
        """
        Read *text*.

        Raises:
            ConfigurationError: What is wrong with it and what would be right; never shows a secret.

        Source: R-NATS-4, R-CFG-12; the guide's AMQP example.
        """
        reader = OptionReader.from_text(text)
        urls = [_url(each) for each in each_url(reader.text("url"))]
        attributes = _Attributes(reader)
        routing_key = attributes.present("routingKey", "routing key")
        exchange = attributes.required("exchangeName", "exchange name")
        exchange_type = _exchange_type(attributes.required("exchangeType", "exchange type"))
        queue, durable = _queue(reader)
        prefetch = reader.integer("prefetch", 0)
        if reader.has("prefetch") and not 1 <= prefetch <= _PREFETCH_MAX:
            raise ConfigurationError(f"prefetch must be a number from 1 to {_PREFETCH_MAX}")
        headers, match = _headers(reader, exchange_type)
        encrypted = reader.has("tls") or any(url.scheme == "amqps" for url in urls)
        return cls(
            tuple(_server(url, encrypted) for url in urls),
            _vhost(urls),
            exchange,
            exchange_type,
            routing_key,
            queue,
            durable,
            prefetch,
            headers,
            match,
            _auth(reader, urls),
            Tls.of(reader),
        )


class _Attributes:
    """
    What stands under `attributes`, and must not stand beside it.
    """

    def __init__(self, reader: OptionReader) -> None:
        self._top = reader
        self._attributes = reader.mapping("attributes")

    def required(self, name: str, words: str) -> str:
        value = self.present(name, words)
        if not value:
            raise ConfigurationError(f"{words} must be specified: `{name}` is empty")
        return value

    def present(self, name: str, words: str) -> str:
        if self._attributes is None or not self._attributes.has(name):
            if self._top.has(name):
                raise ConfigurationError(
                    f"{words} must be specified under `attributes:`; here it stands at the top level"
                )
            raise ConfigurationError(f"{words} must be specified: `{name}` under `attributes:`")
        return _checked(self._attributes.text(name), name)


def _checked(text: str, name: str) -> str:
    if len(text.encode()) > _NAME_BYTES_MAX:
        raise ConfigurationError(f"{name} must have at most {_NAME_BYTES_MAX} bytes")
    if not text.isprintable():
        raise ConfigurationError(f"{name} {text[:40]!r} must not contain control characters")
    return text


def _exchange_type(text: str) -> str:
    if text not in EXCHANGE_TYPES and not text.startswith(_PLUGIN_TYPE):
        known = ", ".join(EXCHANGE_TYPES)
        raise ConfigurationError(
            f"exchangeType must be one of {known}, or a plugin's that begins with x-, not {text[:40]!r}"
        )
    return text


def _url(text: str) -> SplitResult:
    wanted = "such as amqp://amqp.argo-events:5672; several are separated by commas"
    url = split_url(text, ("amqp", "amqps"), wanted)
    if "/" in url.path[1:] or url.query or url.fragment:
        hint = "in a password or virtual host write / as %2F and # as %23"
        raise ConfigurationError(f"url must end after the port or the virtual host, {wanted}; {hint}")
    return url


def _server(url: SplitResult, encrypted: bool) -> Server:
    default = DEFAULT_TLS_PORT if url.scheme == "amqps" else DEFAULT_PORT
    return Server(url.hostname or "", url.port or default, encrypted)


def _vhost(urls: list[SplitResult]) -> str:
    found = {unquote(url.path[1:]) or "/" for url in urls}
    if len(found) > 1:
        raise ConfigurationError("url must have the same virtual host for every server")
    return found.pop()


def _queue(reader: OptionReader) -> tuple[str, bool]:
    queue, durable = _checked(reader.text("queue"), "queue"), reader.flag("durable")
    if durable and not queue:
        raise ConfigurationError("durable needs a `queue`: a queue without a name is gone with its connection")
    if queue.startswith("amq."):
        raise ConfigurationError("queue must not begin with `amq.`, which servers keep for themselves")
    return queue, durable


def _headers(reader: OptionReader, exchange_type: str) -> tuple[Mapping[str, str], str]:
    headers, match = reader.text_map("headers"), reader.text("headersMatch", "all")
    if headers is not None and exchange_type != "headers":
        raise ConfigurationError("headers belong to an exchange of type headers")
    if match not in ("all", "any"):
        raise ConfigurationError(f"headersMatch must be all or any, not {match[:40]!r}")
    return MappingProxyType(headers or {}), match


def _auth(reader: OptionReader, urls: list[SplitResult]) -> Login:
    in_urls, options = _auth_of_urls(urls), reader.mapping("auth")
    if options is None:
        return in_urls
    if in_urls != Login():
        raise ConfigurationError("credentials stand in `url` and in `auth`; leave one of them out")
    for name in ("username", "password"):
        if not is_given(options, name):
            raise ConfigurationError(f"auth.{name} must be specified, or auth.{name}File")
    return Login.of(options)


def _auth_of_urls(urls: list[SplitResult]) -> Login:
    """
    `user:password@`, the same in all urls that have one.
    """
    found = {Login(unquote(url.username), unquote(url.password or "")) for url in urls if url.username}
    if len(found) > 1:
        raise ConfigurationError("url must have the same credentials for every server")
    return next(iter(found), Login())
