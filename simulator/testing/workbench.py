"""
Workbench: the environments and lone sensors of one hand-written test; what the pytest fixtures hand out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from simulator.environment import PlayOptions
from simulator.errors import ServiceUnavailable
from simulator.testing.live_environment import LiveClock, LiveEnvironment, LiveGateway
from simulator.testing.live_sensor import LoneSensor
from simulator.testing.loop_thread import LoopThread


class Workbench:
    """
    The environments and lone sensors of one test, taken down in reverse order when the test is over.

    Args:
        options: As for a run of scenario files.
        folder: What `manifests` and `use` in heads are relative to.
        name: Of the test, for messages.
    """

    def __init__(self, options: PlayOptions, *, folder: Path, name: str) -> None:
        self._options = options
        self._folder = folder
        self._name = name
        self._thread = LoopThread()
        self._made: list[LiveEnvironment | LoneSensor] = []

    def environment(self, head: Mapping[str, Any] | str) -> LiveEnvironment:
        """
        Bring up an environment; a service that cannot be had here skips the test.

        Raises:
            ScenarioError: The head is text and cannot be brought up as written.
            ValueError: The same of a mapping.
        """
        __tracebackhide__ = True
        try:
            made = LiveEnvironment(head, self._thread, self._options, folder=self._folder, name=self._name)
        except ServiceUnavailable as error:
            pytest.skip(str(error))
        self._made.append(made)
        return made

    def gateway(
        self,
        type: str,
        config_map: Mapping[str, str] | None = None,
        *,
        name: str = "",
        sensors: Sequence[str] = ("audit",),
        options: Mapping[str, Any] | None = None,
        **head: Any,
    ) -> LiveGateway:
        """
        Bring up one gateway in an environment of its own.

        Args:
            type: Gateway type.
            config_map: The ConfigMap's data; None for no ConfigMap yet.
            name: `<type>-gateway` where it is left out.
            sensors: Names of its watchers.
            options: The reference gateway's own options, `spec.gatesim`.
            **head: Further keys of a scenario's head.
        """
        __tracebackhide__ = True
        entry = {"name": name or f"{type}-gateway", "type": type, "configMap": config_map, "gatesim": options}
        entry["watchers"] = {"sensors": [{"name": each} for each in sensors]} if sensors else None
        given = {key: value for key, value in entry.items() if value is not None}
        return self.environment({"gateway": given, **head}).gateway

    def lone_sensor(self, name: str) -> LoneSensor:
        """
        Bring up a sensor by itself.
        """
        made = LoneSensor(name, self._thread)
        self._made.append(made)
        return made

    @property
    def clock(self) -> LiveClock:
        """
        Of the environment made last, whenever it is asked.
        """
        return LiveClock(self._latest)

    def _latest(self) -> LiveEnvironment:
        for made in reversed(self._made):
            if isinstance(made, LiveEnvironment):
                return made
        raise LookupError("there is no environment yet; make one by gatesim_env or gatesim_gateway")

    def close(self) -> None:
        """
        Take everything down.
        """
        try:
            while self._made:
                self._made.pop().close()
        finally:
            self._thread.stop()
