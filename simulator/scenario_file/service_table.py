"""
Service table: which services a scenario has, of which type, and which addresses in its texts mean them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from simulator.errors import ScenarioProblem
from simulator.scenario_file.broker_dispatch import BrokerDispatch, broker_of
from simulator.scenario_file.draft import ConfigText
from simulator.scenario_file.scenario import Gateway, Head, ServiceSetup
from simulator.scenario_file.wording import Check, keys_of
from simulator.scenario_file.yaml_source import close_to
from simulator.services.shapes import SHAPES, ServiceShape, address_of, service_of

CLUSTER = "kubernetes"
"""The type of service in which a gateway can be, and its name where nobody gives it one."""
_COMMON_KEYS = tuple(keys_of(ServiceSetup))


class ServiceEntry(NamedTuple):
    """
    One service of a scenario.
    """

    name: str
    setup: ServiceSetup
    shape: ServiceShape


def services_of(head: Head, gateways: Sequence[Gateway], check: Check) -> dict[str, ServiceEntry]:
    """
    Every service by name: those that the head names, or the ones that a gateway's type and dispatch imply.
    """
    found: dict[str, ServiceEntry] = {}
    for name, given in head.services.items():
        setup = given or ServiceSetup()
        type_name = setup.type or name
        shape = SHAPES.get(type_name)
        if shape is None:
            _unknown_type(name, setup, check)
            continue
        check.shape(shape.setup, setup.setup, ("services", name), more_keys=_COMMON_KEYS)
        found[name] = ServiceEntry(name, setup.model_copy(update={"type": type_name}), shape)
    if not head.services:
        brokers = [broker.service for gateway in gateways if (broker := broker_of(gateway)) is not None]
        for type_name in dict.fromkeys([*(service_of(gateway.type) for gateway in gateways), *brokers]):
            shape = SHAPES.get(type_name)
            if shape is not None and shape.runs:
                found[type_name] = ServiceEntry(type_name, ServiceSetup(type=type_name), shape)
    if CLUSTER not in found and any(gateway.cluster == CLUSTER for gateway in gateways):
        found[CLUSTER] = ServiceEntry(CLUSTER, ServiceSetup(type=CLUSTER), SHAPES[CLUSTER])
    return found


def _unknown_type(name: str, setup: ServiceSetup, check: Check) -> None:
    known = ", ".join(f"`{each}`" for each in SHAPES)
    if setup.type is None:
        close = close_to(name, list(SHAPES))
        hint = f"did you mean `{close}`? Else write its `type`" if close else f"write its `type`; there are {known}"
        check.key(("services", name), f"there is no type of service `{name[:60]}`", hint)
    else:
        close = close_to(setup.type, list(SHAPES))
        hint = f"did you mean `{close}`?" if close else f"there are {known}"
        check.value(("services", name, "type"), f"there is no type of service `{setup.type[:60]}`", hint)


def addressed(
    services: Mapping[str, ServiceEntry],
    texts: Iterable[ConfigText],
    check: Check,
    brokers: Iterable[tuple[BrokerDispatch, ConfigText]] = (),
) -> dict[str, ServiceSetup]:
    """
    The services that something is started for, each with every address that means it; what is wrong goes to *check*.

    A service without `as` that is the only one of its type stands for every address in texts of that type.

    Args:
        texts: Of configurations.
        brokers: What gateways dispatch to, each with the text of its url.
    """
    owners = _owners(services, check)
    catch_all = _catch_alls(services, check)
    found: dict[str, dict[str, None]] = {
        name: dict.fromkeys(address for address, owner in owners.items() if owner == name) for name in services
    }
    named = [(SHAPES.get(service_of(text.gateway.type)), text) for text in texts]
    meant = [(shape, shape.addresses_in(text.parsed), text) for shape, text in named if shape is not None]
    meant += [(SHAPES[broker.service], list(broker.addresses), text) for broker, text in brokers]
    for shape, addresses, text in meant:
        for address in addresses:
            if address in owners:
                continue
            if shape.type in catch_all:
                found[catch_all[shape.type]][address] = None
            elif _is_lost(shape, services):
                check.problems.append(_unmapped(address, text, shape, services))
    return {
        name: entry.setup.model_copy(update={"as_": tuple(found[name]) or entry.shape.addresses})
        for name, entry in services.items()
        if entry.shape.runs
    }


def _owners(services: Mapping[str, ServiceEntry], check: Check) -> dict[str, str]:
    """
    Each address that an `as` names, to its service.
    """
    owners: dict[str, str] = {}
    for name, entry in services.items():
        for number, text in enumerate(entry.setup.as_):
            address = address_of(text, entry.shape.default_port)
            place = ("services", name, "as", number)
            if "://" in text or address.startswith(":"):
                check.value(place, f"`{text[:60]}` is no address", "write `host:port`, without a scheme")
            elif owners.setdefault(address, name) != name:
                check.value(place, f"`{address}` means `{owners[address]}` already", "an address means one service")
    return owners


def _catch_alls(services: Mapping[str, ServiceEntry], check: Check) -> dict[str, str]:
    """
    Types whose only service has no `as`, to that service.
    """
    found: dict[str, str] = {}
    for entry in services.values():
        siblings = [other.name for other in services.values() if other.shape.type == entry.shape.type]
        if entry.setup.as_ or not entry.shape.runs:
            continue
        if len(siblings) > 1:
            problem = f"service `{entry.name}` lacks `as`: there are {len(siblings)} of type `{entry.shape.type}`"
            hint = f"name the addresses that mean it: `as: [{entry.name}.argo-events:{entry.shape.default_port}]`"
            check.key(("services", entry.name), problem, hint)
        else:
            found[entry.shape.type] = entry.name
    return found


def _is_lost(shape: ServiceShape, services: Mapping[str, ServiceEntry]) -> bool:
    """
    Whether an address that no `as` names leads nowhere; not where a sibling's missing `as` is a problem already.
    """
    same = [entry for entry in services.values() if entry.shape.type == shape.type]
    return all(entry.setup.as_ for entry in same)


def _unmapped(
    address: str, text: ConfigText, shape: ServiceShape, services: Mapping[str, ServiceEntry]
) -> ScenarioProblem:
    same = [entry for entry in services.values() if entry.shape.type == shape.type]
    known = list(_all_addresses(same))
    close = close_to(address, known)
    if close:
        hint = f"did you mean `{close}`?"
    elif same:
        hint = f"add it to `as` of service `{same[0].name}`"
    else:
        hint = f"add a service of type `{shape.type}` under `services`"
    host = address.rpartition(":")[0]
    return text.problem_at(host, f"no service stands for `{address}`", hint)


def _all_addresses(entries: Iterable[ServiceEntry]) -> Iterator[str]:
    for entry in entries:
        for text in entry.setup.as_:
            yield address_of(text, entry.shape.default_port)
