"""
Which provider serves which service, of several that were told.
"""

from __future__ import annotations

import pytest

from simulator.errors import ServiceUnavailable
from simulator.providers import Providers
from simulator.services.local.nats import LocalNats
from simulator.services.nats import EmbeddedNats
from simulator.services.registry import service_class


@pytest.mark.parametrize(
    ("told", "asked", "provider"),
    [
        ((), None, "embedded"),
        ((), "local", "local"),
        (("embedded",), "local", "embedded"),
        (("local",), None, "local"),
        (("local", "embedded"), None, "embedded"),
        (("nats=local", "embedded"), None, "local"),
        (("bus=container", "nats=local"), None, "local"),
        (("nats=local", "bus=container"), None, "container"),
        (("kafka=local",), None, "embedded"),
    ],
)
def test_the_later_wins_and_the_narrower_before_the_wider(
    told: tuple[str, ...], asked: str | None, provider: str
) -> None:
    assert Providers(told).of("bus", "nats", asked) == provider


def test_each_provider_has_classes_of_its_own() -> None:
    assert service_class("nats") is EmbeddedNats
    assert service_class("nats", "local") is LocalNats


def test_what_a_provider_does_not_serve_is_told_with_who_does() -> None:
    with pytest.raises(ServiceUnavailable, match="this provider does not serve it; it comes from embedded, local"):
        service_class("nats", "external")
    with pytest.raises(ServiceUnavailable, match="there is no service of that type; there are amqp, kafka"):
        service_class("telex", "local")
