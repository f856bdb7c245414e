"""
Guarantee: the paths of a scenario (configuration to watcher) read from its ledger, for the checkers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from simulator.environment import Environment, watcher_names
from simulator.judging.checkers import Got, Path, Sent, check, judge_findings
from simulator.ledger import AcceptedEvent
from simulator.scenario_file.broker_dispatch import broker_of
from simulator.scenario_file.scenario import Gateway
from simulator.services.service import Service, Stimulus
from simulator.services.shapes import service_of
from simulator.services.webhook import hears
from simulator.verdict import Reason

_SENT = frozenset({"step", "published", "requested"})
_ANSWERED = frozenset({"answered"})


def judge_guarantee(environment: Environment) -> tuple[Reason | None, list[str]]:
    """
    Judge the scenario's `guarantee`.

    Returns:
        The first breach, or None; and a line for each lost stimulus.
    """
    head = environment.scenario.head
    if head.guarantee is None:
        return None, []
    ordered_per = head.guarantee.ordered_per
    findings = check(_paths(environment, ordered_per), ordered=ordered_per is not None)
    return judge_findings(
        findings,
        at_least_once=head.guarantee.mode == "at-least-once",
        allowed_lost=head.allow.not_received if head.allow is not None else 0,
    )


def _paths(environment: Environment, ordered_per: str | None) -> Iterator[Path]:
    sent = list(_sent(environment))
    shares: defaultdict[str, list[dict[str, Path]]] = defaultdict(list)
    for gateway in environment.scenario.gateways:
        by_source = _by_source(environment, gateway)
        service = environment.service_for(gateway)
        for key, texts in _texts(environment, gateway).items():
            meant = [stimulus for stimulus, hearing in sent if any(hearing(environment, gateway, t) for t in texts)]
            if broker_of(gateway) is not None:
                meant = _without_answers(meant)
            share = service.share_of(texts[-1]) if service is not None else ""
            paths = {}
            for watcher in sorted(watcher_names(gateway) & environment.sensors.keys()):
                events = by_source[f"{gateway.name}/{key}", watcher]
                got = [_got(event, ordered_per, service) for event in events]
                paths[watcher] = Path(f"{gateway.name}/{key} -> {watcher}", meant, got)
            if share:
                shares[share].append(paths)
            else:
                yield from paths.values()
    for members in shares.values():
        yield from _shared_paths(members)


def _shared_paths(members: list[dict[str, Path]]) -> Iterator[Path]:
    """
    The paths of configurations that share what they listen to: what is meant for them, one of them has to carry to each
    watcher that they have in common; where they have none, to any of their own.
    """
    common = set.intersection(*map(set, members))
    for watcher in sorted(common):
        yield _one_path([paths[watcher] for paths in members])
    if not common:
        yield _one_path([path for paths in members for path in paths.values()])


def _one_path(paths: list[Path]) -> Path:
    meant = {sent.number: sent for path in paths for sent in path.sent}
    got = sorted((got for path in paths for got in path.got), key=lambda got: got.number)
    return Path(" or ".join(path.name for path in paths), [meant[number] for number in sorted(meant)], got)


def _without_answers(meant: list[Sent]) -> list[Sent]:
    """
    Where a broker accepts in place of the watchers, a sender may be told before they hear.
    """
    return [sent._replace(acknowledged=None) for sent in meant]


def _texts(environment: Environment, gateway: Gateway) -> dict[str, list[str]]:
    """
    Each configuration's texts: the one that stands, and those it had.
    """
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for removed in environment.progress.removed:
        if removed.gateway.name == gateway.name:
            texts[removed.name].append(removed.text)
    for key, text in environment.configurations[gateway.name].items():
        texts[key].append(text)
    return texts


class _Hearing:
    """
    Tells which configurations a stimulus was meant for.
    """

    def __init__(self, service: str | None, gateway: str, place: object) -> None:
        self._service = service
        self._gateway = gateway
        self._place = place

    def __call__(self, environment: Environment, gateway: Gateway, text: str) -> bool:
        if self._service is None:
            return gateway.name == self._gateway and hears(text, str(self._place))
        service = environment.services[self._service]
        assert isinstance(self._place, Stimulus)
        return service.type == service_of(gateway.type) and service.covers(text, self._place)


def _sent(environment: Environment) -> Iterator[tuple[Sent, _Hearing]]:
    answers = environment.ledger.observations(kinds=_ANSWERED)
    acknowledged = {answer.facts[0]: answer.number for answer in answers if 200 <= (answer.facts[1] or 0) < 300}
    line = 0
    for observation in environment.ledger.observations(kinds=_SENT):
        facts = observation.facts
        if observation.kind == "step":
            line = facts[1]
        elif observation.kind == "published" and not facts[4]:
            coordinates = tuple((name, value) for name, value in facts[2])
            stimulus = Stimulus(coordinates, facts[3], tuple((name, value) for name, value in facts[6]), facts[5])
            mark = environment.services[facts[1]].mark_of(stimulus)
            yield Sent(facts[0], mark, line), _Hearing(facts[1], "", stimulus)
        elif observation.kind == "requested":
            told = acknowledged.get(facts[0])
            sent = Sent(facts[0], facts[3], line, owed=told is not None, acknowledged=told)
            yield sent, _Hearing(None, facts[1], facts[2])


def _by_source(environment: Environment, gateway: Gateway) -> defaultdict[tuple[str, str], list[AcceptedEvent]]:
    events: defaultdict[tuple[str, str], list[AcceptedEvent]] = defaultdict(list)
    for watcher in watcher_names(gateway) & environment.sensors.keys():
        for event in environment.ledger.accepted(watcher, uncovered_only=False):
            events[event.event.attributes.get("source", ""), watcher].append(event)
    return events


def _got(event: AcceptedEvent, ordered_per: str | None, service: Service | None) -> Got:
    order_key = event.event.attributes.get(ordered_per, "") if ordered_per is not None else ""
    mark = service.mark_in(event.event.data) if service is not None else event.event.data
    return Got(mark, event.event.attributes.get("id", ""), order_key, event.number)
