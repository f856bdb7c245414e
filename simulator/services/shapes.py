"""
ServiceShape: what a scenario file may say of one type of service; known without importing any client.

The shape of a type stands in `<type>_shape.py` beside this file; a new file there is all that a new type needs here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field

from simulator.scenario_file.key_rules import Excludes
from simulator.scenario_file.shape import Shape

ENTRY_POINT_GROUP = "gatesim.services"
"""A distribution announces its own services here; the class it names carries its shape as `shape`."""

_SUFFIX = "_shape.py"

SERVED_BY = {"artifact": "s3", "resource": "kubernetes"}
"""Gateway types whose service has a name of its own."""


def service_of(gateway_type: str) -> str:
    """
    The type of the service that gateways of *gateway_type* listen to.
    """
    return SERVED_BY.get(gateway_type, gateway_type)


ShapeClass = type[Shape]


class NoKeys(Shape):
    """
    Nothing of its own.
    """


class OwnServer(Shape):
    """
    What all servers of our own take.
    """

    process: bool = Field(
        default=False,
        description="Run it as a process of its own, so that a kill is a SIGKILL; else in the simulator's.",
    )


NO_TLS_IN_PROCESS = Excludes("process", ("tls",), "a certificate is trusted where it is made, which is in the process")


@dataclass(frozen=True, slots=True)
class ServiceShape:
    """
    What can be said of one type of service.
    """

    type: str
    publish: ShapeClass | None
    """Its own keys of a `publish` step; None where nothing can be published to it."""
    setup: ShapeClass
    """Its own keys under `services`."""
    address_key: str = ""
    """The dotted key of a configuration's text that holds its address; empty where texts name none."""
    default_port: int = 0
    """Where such an address names no port."""
    addresses: tuple[str, ...] = ()
    """What configurations call it, by custom: `nats.argo-events:4222`."""
    faults: frozenset[str] = frozenset()
    """The faults it can take."""
    runs: bool = True
    """Whether something is started for it."""
    steps: Mapping[str, ShapeClass] = field(default_factory=dict)
    """The other steps that it takes, by verb, each with its own keys of it."""

    def takes(self, verb: str) -> ShapeClass | None:
        """
        Its own keys of a step of that kind; None where it takes none.
        """
        return self.publish if verb == "publish" else self.steps.get(verb)

    def addresses_in(self, configuration: Any) -> list[str]:
        """
        The addresses, as `host:port`, that a configuration (parsed, as plain data) names for this service.
        """
        if not self.address_key:
            return []
        value = configuration
        for name in self.address_key.split("."):
            if not isinstance(value, Mapping):
                return []
            value = next((inner for key, inner in value.items() if str(key).lower() == name.lower()), None)
        return (
            [address_of(each, self.default_port) for each in value.split(",") if each.strip()]
            if isinstance(value, str)
            else []
        )


_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/]*@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d+))?")


def address_of(text: str, default_port: int) -> str:
    """
    The `host:port` that *text* (an URL or an address) means.
    """
    match = _ADDRESS.match(text.strip())
    host, port = (match.group(1), match.group(2)) if match else (text, None)
    return f"{host.strip('[]')}:{int(port) if port else default_port}"


class _Shapes(Mapping[str, ServiceShape]):
    """
    Every shape by its type, each made when it is first asked for.
    """

    def __getitem__(self, name: str) -> ServiceShape:
        shape = _shape(name)
        if shape is None:
            raise KeyError(name)
        return shape

    def __iter__(self) -> Iterator[str]:
        return iter(_types())

    def __len__(self) -> int:
        return len(_types())


SHAPES: Mapping[str, ServiceShape] = _Shapes()


@cache
def _own_types() -> tuple[str, ...]:
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in Path(__file__).parent.glob(f"*{_SUFFIX}")))


@cache
def _announced() -> dict[str, Any]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - reads every installed distribution

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}


@cache
def _types() -> tuple[str, ...]:
    return tuple(sorted({*_own_types(), *_announced()}))


@cache
def _shape(name: str) -> ServiceShape | None:
    if name in _own_types():
        shape: ServiceShape = import_module(f"simulator.services.{name}_shape").SHAPE
        return shape
    if name in _announced():
        return getattr(_announced()[name].load(), "shape", None) or ServiceShape(name, None, NoKeys)
    return None
