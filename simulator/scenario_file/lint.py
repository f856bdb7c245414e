"""
Lint: whether what a scenario says makes sense together: names that exist, ids that are declared, faults that can be.

Runs after parsing, on whatever could be read, without any gateway's code. What expectations say of events stands in
lint_expectations.py, addresses in service_table.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from simulator.requirements import known_ids
from simulator.scenario_file.broker_dispatch import broker_of
from simulator.scenario_file.draft import Draft, walk
from simulator.scenario_file.lint_expectations import lint_expectation
from simulator.scenario_file.scenario import (
    EditConfigMap,
    Expect,
    Fault,
    Gateway,
    Heal,
    LoadedStep,
    Request,
    Restart,
    ServiceStep,
    Signal,
    VirtualTime,
    WatcherStep,
)
from simulator.scenario_file.service_table import CLUSTER
from simulator.scenario_file.wording import Check
from simulator.scenario_file.yaml_source import Path, close_to

_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")


def lint(draft: Draft, check: Check, declared: Collection[str] = ()) -> None:
    """
    Report to *check* all that does not make sense in *draft*.

    Args:
        declared: Ids of requirements beside the catalogue's own.
    """
    _lint_head(draft, check, declared)
    _lint_names(draft, check)
    names = _StepNames(draft)
    for step in walk(draft.steps):
        _lint_step(step, draft, names, check)


def _lint_head(draft: Draft, check: Check, declared: Collection[str]) -> None:
    head = draft.head
    for number, requirement in enumerate(head.requirements):
        if requirement not in declared and requirement not in known_ids():
            close = close_to(requirement, [*known_ids(), *declared])
            hint = f"did you mean `{close}`?" if close else "`gatesim explain requirements` shows them all"
            check.value(("requirements", number), f"no requirement is called `{requirement[:60]}`", hint)
    for number, tag in enumerate(head.tags):
        if not _TAG.match(tag):
            hint = "letters, digits, `_`, `-` and `.`, a letter first"
            check.value(("tags", number), f"`{tag[:60]}` cannot be a tag", hint)
    if isinstance(head.clock, VirtualTime) and head.clock.zone != "UTC":
        _lint_zone(head.clock.zone, check)


def _lint_zone(zone: str, check: Check) -> None:
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - most scenarios live in UTC

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        close = close_to(zone, sorted(available_timezones()))
        hint = f"did you mean `{close}`?" if close else "an IANA name, such as `Europe/Berlin`"
        check.value(("clock", "zone"), f"there is no time zone `{zone[:60]}`", hint)


def _lint_names(draft: Draft, check: Check) -> None:
    """
    Names that must differ: of gateways, and of one gateway's watchers.
    """
    seen: set[str] = set()
    doors: dict[str, str] = {}
    for placed in draft.gateways:
        here = Check(placed.tree, check.problems, around=placed.path)
        name = placed.gateway.name
        if name in seen:
            here.value(("name",), f"two gateways are called `{name}`", "give each a name of its own")
        seen.add(name)
        _lint_watchers(placed.gateway, here)
        _lint_doors(placed.gateway, doors, here)
        _lint_cluster(placed.gateway.cluster, draft, here)


def _lint_cluster(name: str | None, draft: Draft, check: Check) -> None:
    if name is None or (name in draft.services and draft.services[name].type == CLUSTER):
        return
    clusters = [each for each, shape in draft.services.items() if shape.type == CLUSTER]
    problem = f"no service of type `{CLUSTER}` is called `{name[:60]}`"
    check.value(("cluster",), problem, _offered(name, clusters) if clusters else f"write `cluster: {CLUSTER}`")


def _lint_watchers(gateway: Gateway, check: Check) -> None:
    """
    There are lists of watchers, which a broker needs not know, and no two share a name, save a gateway that is
    dispatched to at several endpoints.
    """
    watchers = gateway.watchers
    if broker_of(gateway) is None and (watchers is None or (watchers.sensors is None and watchers.gateways is None)):
        hint = "add `watchers: {sensors: [{name: audit}]}`; an empty list says that nobody watches"
        check.value(("name",), f"gateway `{gateway.name}` has no watchers", hint)
    kinds: dict[str, str] = {}
    for kind, number, name in _watchers_of(gateway):
        if name in kinds and "sensors" in (kind, kinds[name]):
            problem = f"two watchers of `{gateway.name}` are called `{name}`"
            check.value(("watchers", kind, number, "name"), problem, "give each a name of its own")
        kinds[name] = kind


def _lint_doors(gateway: Gateway, doors: dict[str, str], check: Check) -> None:
    """
    A sensor hears over HTTP or over one type of broker; *doors* has what each was heard of before.
    """
    broker = broker_of(gateway)
    door = broker.service if broker is not None else "http"
    for kind, number, name in _watchers_of(gateway):
        if kind == "sensors" and doors.setdefault(name, door) != door:
            problem = f"watcher `{name}` hears over {doors[name]} already, and here over {door}"
            check.value(("watchers", kind, number, "name"), problem, "give it another name here")
    if door == "nats" and not (broker is not None and broker.stored) and "transformer" in (gateway.gatesim or {}):
        problem = "what comes by the transformer's port can be heard on NATS only where a stream stores it"
        hint = "write `dispatch: {jetstream: true}`, and give the service a stream that takes it"
        check.key(("gatesim", "transformer"), problem, hint)


def _watchers_of(gateway: Gateway) -> Iterator[tuple[str, int, str]]:
    """
    Each watcher as its kind, its place in that list, and its name.
    """
    watchers = gateway.watchers
    if watchers is not None:
        for number, sensor in enumerate(watchers.sensors or ()):
            yield "sensors", number, sensor.name
        for number, other in enumerate(watchers.gateways or ()):
            yield "gateways", number, other.name


class _StepNames:
    """
    What steps may name.
    """

    def __init__(self, draft: Draft) -> None:
        self.gateways = [placed.gateway.name for placed in draft.gateways]
        self.services = list(draft.services)
        self.recorders: dict[str, set[str]] = {}
        """Watchers that record, to the gateways that dispatch to them."""
        self.brokers: dict[str, str] = {}
        """Watchers that hear over a broker, to its type."""
        for placed in draft.gateways:
            for kind, _, name in _watchers_of(placed.gateway):
                if kind == "sensors" or name not in self.gateways:
                    self.recorders.setdefault(name, set()).add(placed.gateway.name)
                    if (broker := broker_of(placed.gateway)) is not None:
                        self.brokers[name] = broker.service
        self.pending: dict[str, LoadedStep] = {}
        """`as` of the steps so far."""
        self.later = {named: step for step in walk(draft.steps) if (named := _as_of(step))}

    def take(self, step: LoadedStep, check: Check, path: Path) -> None:
        """
        Note the `as` of *step*.
        """
        name = _as_of(step)
        if name is None:
            return
        first = self.pending.setdefault(name, step)
        if first is not step:
            hint = f"the first stands on line {first.line}"
            check.value((*path, "as"), f"two steps are called `{name[:60]}`", hint)


def _as_of(step: LoadedStep) -> str | None:
    return step.body.as_ if isinstance(step.body, ServiceStep | Request) else None


def _lint_step(step: LoadedStep, draft: Draft, names: _StepNames, check: Check) -> None:
    path: Path = (*step.path, step.kind)
    body = step.body
    match body:
        case Request() | EditConfigMap() | Signal():
            _gateway_named(body.gateway, path, names, check, needed=True)
        case Restart():
            _lint_restart(body, path, names, check)
        case Fault():
            _lint_fault(body, path, draft, names, check)
        case Heal():
            _service_named(body.service, path, names, check)
        case WatcherStep():
            _gateway_named(body.gateway, path, names, check)
            _watcher_named(body.name, (*path, "name"), names, check, gateway=body.gateway)
            if (broker := names.brokers.get(body.name)) is not None:
                hint = f"break the broker instead: `fault: {{service: {broker}, ...}}`"
                check.key(path, f"`{body.name}` hears over {broker}, where nobody asks it for an answer", hint)
        case Expect():
            _lint_expect(step, body, draft, names, check)
    if isinstance(body, Signal) and draft.head.clock != "real":
        hint = "write `clock: real` in the head; a signal needs a process as target"
        check.key(path, "`signal` needs real time", hint)
    names.take(step, check, path)


def _gateway_named(name: str | None, path: Path, names: _StepNames, check: Check, *, needed: bool = False) -> None:
    if name is None:
        if needed and len(names.gateways) > 1:
            offered = ", ".join(f"`gateway: {each}`" for each in names.gateways)
            check.key(path, f"`{path[-1]}` lacks `gateway`: there are several", f"write one of {offered}")
    elif name not in names.gateways:
        check.value((*path, "gateway"), f"no gateway is called `{name[:60]}`", _offered(name, names.gateways))


def _service_named(name: str, path: Path, names: _StepNames, check: Check) -> bool:
    if name in names.services:
        return True
    check.value((*path, "service"), f"no service is called `{name[:60]}`", _offered(name, names.services))
    return False


def _watcher_named(name: str, path: Path, names: _StepNames, check: Check, *, gateway: str | None = None) -> None:
    if name in names.gateways and name not in names.recorders:
        hint = "look at its own watchers, or at its `status`"
        check.value(path, f"`{name}` is a gateway of this file, so nothing records there", hint)
    elif name not in names.recorders:
        check.value(path, f"no watcher is called `{name[:60]}`", _offered(name, list(names.recorders)))
    elif gateway in names.gateways and gateway not in names.recorders[name]:
        owners = sorted(names.recorders[name])
        check.value(
            path, f"`{name}` is no watcher of `{gateway}`", f"it is one of {', '.join(f'`{o}`' for o in owners)}"
        )


def _offered(name: str, known: list[str]) -> str:
    close = close_to(name, known)
    if close:
        return f"did you mean `{close}`?"
    return f"there are {', '.join(f'`{each}`' for each in known)}" if known else "there are none"


def _lint_restart(body: Restart, path: Path, names: _StepNames, check: Check) -> None:
    if body.gateway is not None:
        _gateway_named(body.gateway, path, names, check)
        if body.how == "kill":
            check.value(
                (*path, "how"), "a gateway is not killed by `restart`", "write `how: crash`, or send a `signal`"
            )
    elif body.service is not None:
        _service_named(body.service, path, names, check)
        if body.how == "crash":
            check.value((*path, "how"), "a service does not crash by `restart`", "write `how: kill`")


def _lint_fault(body: Fault, path: Path, draft: Draft, names: _StepNames, check: Check) -> None:
    if _service_named(body.service, path, names, check):
        shape = draft.services[body.service]
        if body.name not in shape.faults:
            known = sorted(shape.faults)
            hint = f"it takes {', '.join(f'`{each}`' for each in known)}" if known else "it takes none"
            check.key((*path, body.name), f"a service of type `{shape.type}` has no fault `{body.name}`", hint)


def _lint_expect(step: LoadedStep, body: Expect, draft: Draft, names: _StepNames, check: Check) -> None:
    path: Path = (*step.path, "expect")
    _gateway_named(body.gateway, path, names, check, needed=body.status is not None)
    if body.watcher is not None:
        _watcher_named(body.watcher, (*path, "watcher"), names, check, gateway=body.gateway)
    for number, name in enumerate(body.watchers or ()):
        _watcher_named(name, (*path, "watchers", number), names, check)
    if body.response is not None and body.response.of is not None:
        _lint_of(body.response.of, (*path, "response", "of"), draft, names, check)
    if body.status is not None:
        _lint_status(body, path, draft, check)
    lint_expectation(body, path, check)


def _lint_of(name: str, path: Path, draft: Draft, names: _StepNames, check: Check) -> None:
    if name in names.pending or not draft.complete or any(step.rerender for step in names.pending.values()):
        return
    if name in names.later:
        check.value(path, f"`{name}` comes later, on line {names.later[name].line}", "expect it behind that step")
    else:
        hint = _offered(name, list(names.pending)) if names.pending else "give the request `as: NAME`"
        check.value(path, f"no step before is called `{name[:60]}`", hint)


def _lint_status(body: Expect, path: Path, draft: Draft, check: Check) -> None:
    gateway = draft.gateway(body.gateway)
    known = {text.name for text in draft.texts if gateway is None or text.gateway.name == gateway.name}
    if not draft.complete or _sets_templated_names(draft):
        return
    for name in body.status or {}:
        if name not in known:
            hint = _offered(name, sorted(known))
            check.key((*path, "status", name), f"no configuration is ever called `{name[:60]}`", hint)


def _sets_templated_names(draft: Draft) -> bool:
    return any(isinstance(step.body, EditConfigMap) and step.rerender is not None for step in walk(draft.steps))
