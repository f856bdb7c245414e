"""
Presence: which provider serves which type of service on this machine, and why not; starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from simulator.installing.binaries import Installed, WrongPlace, find
from simulator.providers import EMBEDDED, PROVIDERS
from simulator.services.registry import BUILT_IN

PROGRAMS: Mapping[str, str] = {
    "amqp": "rabbitmq",
    "kafka": "kafka",
    "kubernetes": "kubernetes",
    "mqtt": "mosquitto",
    "nats": "nats",
    "s3": "minio",
}
"""By type, the installed service that the provider `local` starts for it."""


class Presence(NamedTuple):
    """
    One type of service on one provider.
    """

    type: str
    provider: str
    works: bool
    text: str
    """What serves it, or why nothing does."""
    how: str = ""
    """How to get it; empty where it is there, or cannot be had."""


def presence(type_name: str, provider: str) -> Presence:
    """
    Whether *provider* serves *type_name* here.
    """
    if type_name not in BUILT_IN.get(provider, {}):
        return Presence(type_name, provider, False, "not served by this version")
    if provider == EMBEDDED:
        return Presence(type_name, provider, True, "works")
    name = PROGRAMS[type_name]
    try:
        installed = find(name)
    except WrongPlace as error:
        return Presence(type_name, provider, False, str(error), "let it name the right place, or take it away")
    if installed is None:
        return Presence(type_name, provider, False, f"{name} is not here", f"gatesim env install {name}")
    return Presence(type_name, provider, True, _named(installed))


def presences() -> list[Presence]:
    """
    Every type on every provider that this version has.
    """
    return [
        presence(type_name, provider)
        for provider in PROVIDERS
        for type_name in BUILT_IN[EMBEDDED]
        if provider in BUILT_IN
    ]


def is_present(provider: str) -> bool:
    """
    Whether *provider* serves anything here.
    """
    return any(presence(type_name, provider).works for type_name in BUILT_IN.get(provider, {}))


def _named(installed: Installed) -> str:
    return f"{installed.service} {installed.version}".strip()
