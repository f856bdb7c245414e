"""
The text of an AMQP configuration: what it means, and what is said of one that means nothing.
"""

from __future__ import annotations

import pytest

from gateways.errors import ConfigurationError
from gateways.processors.amqp_options import AmqpOptions
from gateways.processors.credential_files import Login
from gateways.processors.servers import Server

ATTRIBUTES = "attributes: {exchangeName: e, exchangeType: topic, routingKey: k}\n"
URL = "url: amqp://host\n"


def parsed(text: str) -> AmqpOptions:
    return AmqpOptions.parse(text)


def test_the_guide_s_configuration_has_a_queue_of_its_own() -> None:
    options = parsed(
        "url: amqp://amqp.argo-events:5672\n"
        "attributes:\n  exchangeName: fooExchangeName\n  exchangeType: fanout\n  routingKey: fooRoutingKey\n"
    )
    assert options.servers == (Server("amqp.argo-events", 5672, False),)
    assert (options.vhost, options.queue, options.durable, options.prefetch) == ("/", "", False, 0)
    assert (options.exchange, options.exchange_type, options.routing_key) == (
        "fooExchangeName",
        "fanout",
        "fooRoutingKey",
    )


@pytest.mark.parametrize(
    ("url", "server", "vhost"),
    [
        ("host", Server("host", 5672, False), "/"),
        ("amqps://host", Server("host", 5671, True), "/"),
        ("amqp://host:1/", Server("host", 1, False), "/"),
        ("amqp://host/a%2Fb", Server("host", 5672, False), "a/b"),
        ("amqp://[::1]:7/v", Server("::1", 7, False), "v"),
    ],
)
def test_a_url_says_where_and_which_virtual_host(url: str, server: Server, vhost: str) -> None:
    options = parsed(f"url: '{url}'\n{ATTRIBUTES}")
    assert (options.servers, options.vhost) == ((server,), vhost)


def test_credentials_stand_in_the_url_or_apart() -> None:
    assert parsed(f"url: amqp://me:p%40ss@host\n{ATTRIBUTES}").auth == Login("me", "p@ss")
    assert parsed(f"{URL}{ATTRIBUTES}auth: {{username: me, passwordFile: f}}\n").auth == Login(
        "me", None, password_file="f"
    )
    assert "secret" not in repr(parsed(f"url: amqp://me:secret@host\n{ATTRIBUTES}"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ATTRIBUTES, "url must be specified"),
        (URL, "routing key must be specified: `routingKey` under `attributes:`"),
        (f"{URL}attributes: {{routingKey: k}}\n", "exchange name must be specified"),
        (f"{URL}attributes: {{routingKey: k, exchangeName: ''}}\n", "`exchangeName` is empty"),
        (f"{URL}attributes: {{routingKey: k, exchangeName: e}}\n", "exchange type must be specified"),
        (f"{URL}routingKey: k\n", "routing key must be specified under `attributes:`; here it stands at the top level"),
        (f"{URL}attributes: {{routingKey: k, exchangeName: e, exchangeType: queue}}\n", "not 'queue'"),
        (f"{URL}attributes: {{routingKey: {'k' * 256}, exchangeName: e, exchangeType: topic}}\n", "at most 255 bytes"),
        (f"url: http://host\n{ATTRIBUTES}", "must begin with amqp:// or amqps://"),
        (f"url: amqp://host:x\n{ATTRIBUTES}", "must name a host and a port"),
        (f"url: amqp://host:0\n{ATTRIBUTES}", "must name a host and a port"),
        (f"url: amqp://host/a/b\n{ATTRIBUTES}", "write / as %2F"),
        (f"url: 'amqp://a/x,amqp://b/y'\n{ATTRIBUTES}", "the same virtual host"),
        (f"url: 'amqp://a:1@a,amqp://b:1@b'\n{ATTRIBUTES}", "the same credentials"),
        (f"{URL}{ATTRIBUTES}durable: true\n", "durable needs a `queue`"),
        (f"{URL}{ATTRIBUTES}queue: amq.mine\n", "must not begin with `amq.`"),
        (f"{URL}{ATTRIBUTES}prefetch: 0\n", "from 1 to 65535"),
        (f"{URL}{ATTRIBUTES}headers: {{a: b}}\n", "belong to an exchange of type headers"),
        (f"{URL}{ATTRIBUTES}headersMatch: some\n", "must be all or any"),
        (f"{URL}{ATTRIBUTES}auth: {{username: me}}\n", "auth.password must be specified"),
        (f"{URL}{ATTRIBUTES}auth: {{username: a, usernameFile: f, password: p}}\n", "exclude each other"),
        (f"url: amqp://me:p@host\n{ATTRIBUTES}auth: {{username: me, password: p}}\n", "leave one of them out"),
        (f"{URL}{ATTRIBUTES}tls: {{certFile: f}}\n", "belong together"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parsed(text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "url", ["amqp://me:top-secret@host:x", "ftp://me:top-secret@host", "amqp://me:top-secret@h/a/b"]
)
def test_a_password_in_a_wrong_url_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parsed(f"url: {url}\n{ATTRIBUTES}")
    assert "top-secret" not in str(error.value)
