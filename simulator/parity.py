"""
Parity: whether a scenario shows the same on one provider as on another; pure, from the reports of its plays.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from simulator.reports.report import Json, ScenarioReport
from simulator.runner import EVENTS_MAX
from simulator.scenario_file.scenario import Scenario
from simulator.suite.identity import node_id
from simulator.verdict import Verdict

State = Literal["agree", "diverge", "not run", "alone"]
"""`alone`: played, and the reference was not, so that there is nothing to compare it with."""

NO_SERVICE = "it needs no service"
VARIES = "its events vary from play to play, so their number alone is compared"
COMPARED = ("source", "type", "subject", "datacontenttype")
"""The attributes that are compared, besides the payload: `id` and `time` differ by nature where the source has none."""
BY_NATURE: Mapping[str, frozenset[str]] = {
    "artifact": frozenset({
        "eventTime", "sequencer", "principalId", "sourceIPAddress", "userAgent", "host", "port", "responseElements",
        "configurationId", "awsRegion",
    }),
    "resource": frozenset({
        "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "managedFields", "time", "generation",
    }),
}  # fmt: skip
"""By an event's type: keys of a JSON payload, at any depth, whose values each server makes up by itself."""
_SHOWN_MAX = 3
"""Of events that only one of two has."""
_TEXT_MAX = 300


class Played(NamedTuple):
    """
    What of one play is compared and told.
    """

    verdict: Verdict
    text: str
    """Why it did not pass."""
    events: Counter[str]
    total: int
    services: tuple[str, ...]
    """What served it: `local nats-server 2.15.1`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    One scenario on one provider.
    """

    state: State
    verdict: str = ""
    """Empty where it was not played."""
    reason: str = ""
    """Why it was not played, or did not pass."""
    differences: tuple[str, ...] = ()
    """What diverges, a sentence each."""
    declared: str = ""
    """The reason that the project gives for the divergence."""


class Declared(NamedTuple):
    """
    A divergence that the project knows of.
    """

    scenario: str
    """Its id, `path::name`."""
    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class Parity:
    """
    The whole comparison.
    """

    providers: tuple[str, ...]
    """The reference first."""
    outcomes: Mapping[str, Mapping[str, Outcome]]
    """By scenario id and provider."""
    services: Mapping[str, tuple[str, ...]]
    """By provider: what served, with versions."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Providers that were asked for and serve nothing here, and why."""
    untrue: tuple[Declared, ...] = ()
    """Declared divergences whose scenario was played on both and agrees."""

    def count(self, provider: str, state: State) -> int:
        """
        How many scenarios are in *state* on *provider*.
        """
        return sum(row[provider].state == state for row in self.outcomes.values())

    @property
    def undeclared(self) -> list[tuple[str, str, Outcome]]:
        """
        Scenario, provider and outcome of each divergence that nobody declared.
        """
        return [
            (scenario, provider, outcome)
            for scenario, row in self.outcomes.items()
            for provider, outcome in row.items()
            if outcome.state == "diverge" and not outcome.declared
        ]

    @property
    def holds(self) -> bool:
        """
        Whether every divergence is declared, and every declared one is true.
        """
        return not self.undeclared and not self.untrue


def played(report: ScenarioReport) -> Played:
    """
    What is kept of a play.
    """
    events = Counter(map(_comparable, report.events))
    passed = report.verdict is Verdict.FLAKY  # it does pass here; that it need not is for `gatesim run` to tell
    verdict, text = (Verdict.PASSED, "") if passed else (report.verdict, report.text)
    return Played(verdict, text, events, report.events_total, tuple(report.providers.values()))


def compare(
    scenarios: Sequence[Scenario],
    plays: Mapping[str, Mapping[str, Played | str]],
    declared: Iterable[Declared],
    absent: Mapping[str, str],
    varying: Collection[str] = (),
) -> Parity:
    """
    Compare what *plays* showed.

    Args:
        varying: Ids of scenarios whose events differ from play to play on one and the same provider.
        plays: By provider and scenario id, the reference first; a text where it was not played, which says why.
    """
    reasons = {(each.scenario, each.provider): each for each in declared}
    reference, *others = plays
    outcomes: dict[str, dict[str, Outcome]] = {}
    untrue = []
    for scenario in scenarios:
        id = node_id(scenario)
        first = plays[reference][id]
        row = outcomes[id] = {reference: _alone(first) if not isinstance(first, str) else Outcome("not run", "", first)}
        for provider in others:
            outcome = _compared(scenario, first, plays[provider][id], reference, varies=id in varying)
            known = reasons.get((id, provider))
            if known is not None and outcome.state == "diverge":
                outcome = Outcome("diverge", outcome.verdict, outcome.reason, outcome.differences, known.reason)
            elif known is not None and outcome.state == "agree":
                untrue.append(known)
            row[provider] = outcome
    services = {provider: _services(plays[provider].values()) for provider in plays}
    return Parity(tuple(plays), outcomes, services, dict(absent), tuple(untrue))


def _alone(one: Played) -> Outcome:
    """
    The outcome of a play by itself.
    """
    if one.verdict is Verdict.SKIPPED:
        return Outcome("not run", one.verdict.value, one.text)
    return Outcome("alone", one.verdict.value, one.text)


def _compared(
    scenario: Scenario, first: Played | str, second: Played | str, reference: str, *, varies: bool
) -> Outcome:
    if isinstance(second, str):
        return Outcome("not run", "", second)
    mine = _alone(second)
    if mine.state == "not run":
        return mine
    if isinstance(first, str) or first.verdict is Verdict.SKIPPED:
        if second.verdict is Verdict.PASSED:
            return mine
        return Outcome("diverge", mine.verdict, mine.reason, (f"it is {mine.verdict} where it is played alone",))
    differences = differences_of(scenario, first, second, reference, varies=varies)
    reason = VARIES if varies and not mine.reason else mine.reason
    return Outcome("diverge" if differences else "agree", mine.verdict, reason, tuple(differences))


def differences_of(
    scenario: Scenario, first: Played, second: Played, reference: str, *, varies: bool = False
) -> list[str]:
    """
    Where two plays of *scenario* differ, a sentence each; of events that vary the number alone is compared.
    """
    if first.verdict is not second.verdict:
        texts = [f"{one.verdict.value}{f' ({one.text})' if one.text else ''}" for one in (first, second)]
        return [f"{texts[1]} where {reference} is {texts[0]}"]
    if first.verdict is not Verdict.PASSED:
        return []
    guarantee = scenario.head.guarantee
    if guarantee is not None and guarantee.mode == "at-most-once":
        return []  # what is lost is chance
    repeated = guarantee is not None or scenario.head.unexpected == "allow"
    if varies or max(first.total, second.total) > EVENTS_MAX:
        if first.total == second.total or repeated:
            return []
        return [f"{second.total} events where {reference} has {first.total}"]
    mine, theirs = second.events, first.events
    if repeated:
        mine, theirs = Counter(set(mine)), Counter(set(theirs))
    return [*_only(mine - theirs, "only here"), *_only(theirs - mine, f"only on {reference}")]


def _only(events: Counter[str], where: str) -> list[str]:
    shown = [f"{where}{f', {many} times' if many > 1 else ''}: {_cut(event)}" for event, many in sorted(events.items())]
    more = [f"{where}: {len(shown) - _SHOWN_MAX} more"] if len(shown) > _SHOWN_MAX else []
    return [*shown[:_SHOWN_MAX], *more]


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]} ..."


def _comparable(accepted: Json) -> str:
    """
    An accepted event without what differs by nature, as one text.
    """
    event = accepted["event"]
    kept: Json = {"watcher": accepted["watcher"], **{name: event[name] for name in COMPARED if name in event}}
    made_up = BY_NATURE.get(str(event.get("type")), frozenset())
    kept |= {
        name: _without(value, made_up)
        for name, value in event.items()
        if name.startswith("data") and name not in COMPARED
    }
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)


def _without(value: Any, keys: frozenset[str]) -> Any:
    if not keys:
        return value
    if isinstance(value, dict):
        return {name: _without(each, keys) for name, each in value.items() if name not in keys}
    return [_without(each, keys) for each in value] if isinstance(value, list) else value


def _services(plays: Iterable[Played | str]) -> tuple[str, ...]:
    """
    What served, without the provider's name before it.
    """
    done = [play for play in plays if isinstance(play, Played) and play.verdict is not Verdict.SKIPPED]
    found = {text.partition(" ")[2].strip() for play in done for text in play.services}
    return tuple(sorted(found - {""}))
