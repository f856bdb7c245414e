"""
LiveEnvironment: an environment that a hand-written test drives, one step after the other, without `async`.

The environment lives in an event loop of its own thread, so that a test may also talk to it by any client it likes.
Steps are those of scenario files, with the same names and checks; a key that Python reserves takes a `_` behind it
(`as_`), and `snake_case` stands for `camelCase`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

from simulator.environment import Environment, PlayOptions
from simulator.errors import ScenarioError
from simulator.gateway_under_test import ConfigurationStatus
from simulator.http_client import Response
from simulator.outcomes import StepEnded
from simulator.runner import conclude
from simulator.scenario_file.loader import load_text
from simulator.scenario_file.scenario import Heal, LoadedStep, Scenario
from simulator.scenario_file.source_text import SourceText
from simulator.scenario_file.step import SERVICE_STEPS
from simulator.scenario_file.yaml_source import parse
from simulator.scenario_file.yaml_text import as_yaml
from simulator.services.webhook import ports_of
from simulator.steps import take
from simulator.testing.live_sensor import Event, LiveSensor, StepDidNotHold, events_in
from simulator.testing.loop_thread import LoopThread

Keys = Mapping[str, Any]
_REMEMBERED = (*SERVICE_STEPS, "request", "configMap")
"""Steps whose names later steps may use: what has an `as`, and configurations that came in."""


class LiveEnvironment:
    """
    Services, gateways and watchers of one head, up and ready.

    Args:
        head: What a scenario file says above its steps, as a mapping or as YAML. `apiVersion` and `scenario` may be
            left out.
        thread: Where it lives.
        options: As for a run of scenario files.
        folder: What `manifests` and `use` are relative to.
        name: Of the test, for messages.

    Raises:
        ScenarioError: The head is text and cannot be brought up as written.
        ValueError: The same of a mapping.
        ServiceUnavailable: A service cannot be had here.
    """

    def __init__(self, head: Keys | str, thread: LoopThread, options: PlayOptions, *, folder: Path, name: str) -> None:
        self._thread = thread
        self._folder = folder
        self._name = name
        self._steps: list[Keys] = []
        self._head = self._checked_head(head)
        self.scenario = self._loaded([{"advance": "0s"}])
        everywhere = tuple(LoadedStep("heal", Heal(service=each), 1, 1) for each in self.scenario.services)
        self._environment = Environment(replace(self.scenario, steps=everywhere), options)
        self._thread.run(self._environment.__aenter__())

    def close(self) -> None:
        """
        Take everything down; nothing is judged. See `conclude`.
        """
        self._thread.run(self._environment.__aexit__(None, None, None))
        self._environment.ledger.close()

    # Steps, as scenario files name them.

    def step(self, kind: str, value: Any) -> None:
        """
        Take one step of any kind: `env.step("fault", {"service": "nats", "kill": True})`.

        Raises:
            StepDidNotHold: It does not hold; the message says why.
            ValueError: It is not written as steps are; the message says what would be right.
        """
        __tracebackhide__ = True
        step = {kind: value}
        loaded = self._loaded([*self._steps, step]).steps[-1]
        if kind in _REMEMBERED:
            self._steps.append(step)
        try:
            self._thread.run(take(loaded, self._environment))
        except StepEnded as ended:
            raise StepDidNotHold(ended.cls, ended.text, ended.details) from None

    def publish(self, **keys: Any) -> None:
        """
        Publish to a service: `env.publish(subject="orders", data={"order": 7})`.
        """
        __tracebackhide__ = True
        self.step("publish", _spelled(keys))

    def put(self, **keys: Any) -> None:
        """
        Store an object: `env.put(bucket="orders", key="7.json", data={"order": 7})`.
        """
        __tracebackhide__ = True
        self.step("put", _spelled(keys))

    def remove(self, **keys: Any) -> None:
        """
        Remove an object: `env.remove(bucket="orders", key="7.json")`.
        """
        __tracebackhide__ = True
        self.step("remove", _spelled(keys))

    def apply(self, *manifests: Keys, **keys: Any) -> None:
        """
        Have Kubernetes objects be as they are said to be: `env.apply({"apiVersion": "v1", "kind": "ConfigMap", ...})`,
        or `env.apply(file="crd.yaml")`, which is relative to the test's folder.
        """
        __tracebackhide__ = True
        if manifests:
            keys["manifest"] = manifests[0] if len(manifests) == 1 else list(manifests)
        self.step("apply", _spelled(keys))

    def delete(self, **keys: Any) -> None:
        """
        Delete a Kubernetes object: `env.delete(kind="ConfigMap", name="settings", namespace="default")`.
        """
        __tracebackhide__ = True
        self.step("delete", _spelled(keys))

    def request(self, **keys: Any) -> Response | None:
        """
        Send an HTTP request to a gateway: `env.request(path="/orders", data={"order": 7})`.

        Returns:
            The answer; None with `as_`, whose answer `expect(response={"of": ...})` waits for.
        """
        __tracebackhide__ = True
        self.step("request", _spelled(keys))
        latest = self._environment.progress.latest
        return latest.task.result() if "as_" not in keys and latest is not None else None

    def config_map(self, **keys: Any) -> None:
        """
        Edit a gateway's ConfigMap: `env.config_map(set={"orders": "..."})`; returns when it is applied.
        """
        __tracebackhide__ = True
        self.step("configMap", _spelled(keys))

    def advance(self, duration: str) -> None:
        """
        Move scenario time: `env.advance("30s")`. On a real clock it waits.
        """
        __tracebackhide__ = True
        self.step("advance", duration)

    def expect(self, watcher: str | None = None, **keys: Any) -> None:
        """
        Judge what was seen: `env.expect("audit", count=3, each={"type": "calendar"}, within="30s")`.
        """
        __tracebackhide__ = True
        self.step("expect", _spelled({"watcher": watcher, **keys} if watcher is not None else keys))

    def fault(self, service: str, **keys: Any) -> None:
        """
        Break a service: `env.fault("nats", kill=True)`.
        """
        __tracebackhide__ = True
        self.step("fault", {"service": service, **_spelled(keys)})

    def heal(self, service: str) -> None:
        """
        End every fault of a service.
        """
        self.step("heal", {"service": service})

    def restart(self, **keys: Any) -> None:
        """
        Stop a gateway or a service and start it again: `env.restart(gateway="orders-gateway", how="crash")`.
        """
        __tracebackhide__ = True
        self.step("restart", keys)

    def conclude(self) -> None:
        """
        End the story as a scenario file ends: everything still under way arrives, then guarantees are judged and what
        no `expect` covered fails.

        Raises:
            StepDidNotHold: Something is wrong with the whole.
        """
        __tracebackhide__ = True
        reason, notes = self._thread.run(conclude(self._environment))
        if reason is not None:
            raise StepDidNotHold(str(reason.cls), reason.text, notes)

    # What is there.

    def events(self, watcher: str | None = None) -> list[Event]:
        """
        All events that a watcher (the only one, where none is named) accepted, once nothing is under way any more.
        """
        name = watcher if watcher is not None else self._only("watcher", self._environment.sensors)
        if name not in self._environment.sensors:
            raise _unknown("watcher", name, self._environment.sensors)
        self._thread.run(self._environment.quiesce())
        return events_in(self._environment.ledger, name)

    @property
    def gateway(self) -> LiveGateway:
        """
        The only gateway.
        """
        return self.gateway_named(self._only("gateway", self._environment.gateways))

    def gateway_named(self, name: str) -> LiveGateway:
        """
        The gateway called *name*.
        """
        if name not in self._environment.gateways:
            raise _unknown("gateway", name, self._environment.gateways)
        return LiveGateway(name, self, self._environment)

    def sensor(self, name: str) -> LiveSensor:
        """
        The watcher called *name*.
        """
        if name not in self._environment.sensors:
            raise _unknown("watcher", name, self._environment.sensors)
        sensor, ledger = self._environment.sensors[name], self._environment.ledger
        return LiveSensor(sensor, self._thread, lambda: self.events(name), ledger)

    @property
    def clock(self) -> LiveClock:
        """
        The scenario's time.
        """
        return LiveClock(lambda: self)

    @property
    def now(self) -> datetime:
        """
        The instant, in UTC and aware.
        """
        return self._environment.clock.now()

    def _only(self, what: str, known: Mapping[str, Any]) -> str:
        if len(known) != 1:
            raise LookupError(f"there are {len(known)} {what}s ({', '.join(known) or 'none'}); name one")
        return next(iter(known))

    # Loading.

    def _checked_head(self, head: Keys | str) -> dict[str, Any]:
        """
        *head* as a mapping; a text is checked as it stands, so that problems name the lines of the text.
        """
        if isinstance(head, str):
            text = dedent(head)
            rest = {key: value for key, value in self._implied().items() if not re.search(rf"(?m)^{key}:", text)}
            whole = f"{text.rstrip()}\n" + "".join(f"{key}: {as_yaml(value)}\n" for key, value in rest.items())
            load_text(whole, file=f"<{self._name}>", folder=self._folder)
            value = parse(SourceText("", whole)).value
            return {key: inner for key, inner in value.items() if key != "steps"}
        return {**self._implied(), **head}

    def _implied(self) -> dict[str, Any]:
        return {"apiVersion": "gatesim/v1", "scenario": self._name, "steps": [{"advance": "0s"}]}

    def _loaded(self, steps: list[Keys]) -> Scenario:
        __tracebackhide__ = True
        text = as_yaml({**self._head, "steps": steps})
        try:
            found = load_text(text, file=self._name, folder=self._folder)
        except ScenarioError as error:
            # Places in a text that nobody wrote say nothing.
            said = (f"{each.problem}{f' ({each.hint})' if each.hint else ''}" for each in error.problems)
            raise ValueError("; ".join(dict.fromkeys(said))) from None
        if len(found) != 1:
            raise ValueError("a matrix has no place here; let pytest parametrize the test")
        return found[0]


def _spelled(keys: Keys) -> dict[str, Any]:
    """
    Python's spelling of keys to that of scenario files.
    """

    def spelled(name: str) -> str:
        first, *rest = name.removesuffix("_").split("_")
        return first + "".join(part.capitalize() for part in rest)

    return {spelled(name): value for name, value in keys.items()}


def _unknown(what: str, name: str, known: Mapping[str, Any]) -> LookupError:
    return LookupError(f"no {what} is called {name!r}; there are {', '.join(known) or 'none'}")


class LiveGateway:
    """
    One gateway of an environment.
    """

    def __init__(self, name: str, env: LiveEnvironment, environment: Environment) -> None:
        self.name = name
        self.env = env
        self._environment = environment

    def status(self) -> dict[str, ConfigurationStatus]:
        """
        What it says of each configuration: phase and message, by name.
        """
        return self._environment.gateways[self.name].status()

    def url(self, path: str = "/", *, port: int | None = None) -> str:
        """
        Where its webhook really listens, for clients of the test's own.

        Args:
            port: As configurations name it; the only one where it is left out.
        """
        if port is None:
            data, options = self._environment.configurations[self.name], self._environment.heads()[self.name].gatesim
            ports = ports_of(data, options)
            if len(ports) != 1:
                raise LookupError(f"{self.name} listens on {', '.join(map(str, ports)) or 'no port'}; name one")
            port = ports[0]
        host, real = self._environment.addresses.listen(self.name, port)
        return f"http://{host}:{real}{path}"

    def request(self, **keys: Any) -> Response | None:
        """
        As LiveEnvironment.request, to this gateway.
        """
        __tracebackhide__ = True
        return self.env.request(gateway=self.name, **keys)

    def configure(self, data: Mapping[str, str] | None) -> None:
        """
        Give it this ConfigMap data; None deletes the ConfigMap.
        """
        __tracebackhide__ = True
        self.env.config_map(gateway=self.name, replace=data)

    def restart(self, how: str = "stop") -> None:
        """
        Stop it (`stop`) or crash it (`crash`), and start it again.
        """
        __tracebackhide__ = True
        self.env.restart(gateway=self.name, how=how)


class LiveClock:
    """
    The time of an environment.

    Args:
        env: Asked for the environment at each call.
    """

    def __init__(self, env: Callable[[], LiveEnvironment]) -> None:
        self._env = env

    def now(self) -> datetime:
        """
        The instant, in UTC and aware.
        """
        return self._env().now

    def advance(self, duration: str) -> None:
        """
        As LiveEnvironment.advance.
        """
        __tracebackhide__ = True
        self._env().advance(duration)
