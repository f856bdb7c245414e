"""
Draft: a scenario as far as it could be read, with the places of everything; what the semantic checks look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simulator.cluster_objects import config_map_name, config_maps_in
from simulator.errors import ScenarioError, ScenarioProblem
from simulator.scenario_file.broker_dispatch import BrokerDispatch, broker_of
from simulator.scenario_file.scenario import Apply, EditConfigMap, Gateway, Head, LoadedStep, Parallel, Repeat
from simulator.scenario_file.source_text import SourceText
from simulator.scenario_file.yaml_source import Path, Tree, parse
from simulator.services.shapes import ServiceShape


class PlacedGateway(NamedTuple):
    """
    A gateway and where it stands, in this file or in a manifest.
    """

    gateway: Gateway
    tree: Tree
    path: Path
    """Of *tree*, for people to read."""


class ConfigText(NamedTuple):
    """
    One configuration's text, of the head or of a `configMap` step.
    """

    gateway: Gateway
    name: str
    text: str
    tree: Tree

    @property
    def parsed(self) -> Any:
        """
        The text as plain data; None where it is not YAML, which is for the gateway to say.
        """
        try:
            return parse(SourceText("", self.text)).value
        except ScenarioError:
            return None

    def problem_at(self, written: str, problem: str, hint: str) -> ScenarioProblem:
        """
        *problem* with the first place in the text where *written* stands, else with the text as a whole.
        """
        source = self.tree.source
        for number in range(self.tree.line, int(self.tree.end.line) + 2):
            column = (
                source.line(number)
                .lower()
                .find(written.lower(), self.tree.column - 1 if number == self.tree.line else 0)
            )
            if column >= 0:
                return source.problem(number, column + 1, column + 1 + len(written), problem, hint=hint)
        return self.tree.value_problem((), problem, hint)


@dataclass(slots=True)
class Draft:
    """
    What could be read of one scenario.
    """

    head: Head
    tree: Tree
    """Of the document, templates replaced."""
    raw: dict[str, Any]
    gateways: tuple[PlacedGateway, ...]
    services: dict[str, ServiceShape]
    """Every service by name."""
    steps: tuple[LoadedStep, ...]
    complete: bool
    """Whether every step could be read; names may be missing otherwise."""
    texts: list[ConfigText] = field(default_factory=list)

    def gateway(self, name: str | None) -> Gateway | None:
        """
        The gateway called *name*; for None the only one there is.
        """
        if name is None:
            return self.gateways[0].gateway if len(self.gateways) == 1 else None
        return next((placed.gateway for placed in self.gateways if placed.gateway.name == name), None)


def walk(steps: Iterable[LoadedStep]) -> Iterator[LoadedStep]:
    """
    Each step, those inside others after the one around them.
    """
    for step in steps:
        yield step
        if isinstance(step.body, Repeat):
            yield from walk(step.body.steps)
        elif isinstance(step.body, Parallel):
            for branch in step.body.branches:
                yield from walk(branch)


def broker_texts(draft: Draft) -> Iterator[tuple[BrokerDispatch, ConfigText]]:
    """
    Every broker that a gateway dispatches to, with the text that names it.
    """
    for placed in draft.gateways:
        broker = broker_of(placed.gateway)
        if broker is not None and broker.addresses:
            tree = placed.tree.at(("gatesim", "dispatch", "url"))
            yield broker, ConfigText(placed.gateway, "", ",".join(broker.addresses), tree)


def config_texts(draft: Draft) -> Iterator[ConfigText]:
    """
    Every configuration's text that the scenario ever sets; in a `repeat` those of the first round.
    """
    for placed in draft.gateways:
        for name, text in (placed.gateway.config_map or {}).items():
            yield ConfigText(placed.gateway, name, text, placed.tree.at(("configMap", name)))
    for step in walk(draft.steps):
        body = step.body
        if isinstance(body, EditConfigMap) and not body.transformer and (gateway := draft.gateway(body.gateway)):
            for key, texts in (("set", body.set), ("replace", body.replace)):
                for name, text in (texts or {}).items():
                    yield ConfigText(gateway, name, text, draft.tree.at((*step.path, "configMap", key, name)))
        elif isinstance(body, Apply):
            yield from _applied_texts(draft, body, draft.tree.at((*step.path, "apply", "manifest")))


def _applied_texts(draft: Draft, body: Apply, tree: Tree) -> Iterator[ConfigText]:
    """
    Those of ConfigMaps that are the gateways' own in their cluster.
    """
    for name, data in config_maps_in(body.manifest).items():
        for gateway in (placed.gateway for placed in draft.gateways):
            if gateway.cluster is not None and config_map_name(gateway.name) == name:
                yield from (ConfigText(gateway, key, text, tree) for key, text in data.items())
