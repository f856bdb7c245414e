"""
Contract: what the contract test needs to know of one service on one provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from simulator.scenario_file.step import FaultReply
from simulator.services.service import Service, SocketAddress, Stimulus
from simulator.services.shapes import ServiceShape

Listener = Callable[[SocketAddress], AbstractAsyncContextManager["asyncio.Queue[bytes]"]]


@dataclass(frozen=True, slots=True)
class Contract:
    """
    One service on one provider.
    """

    name: str
    service: type[Service]
    shape: ServiceShape
    text: str
    """A configuration that listens to what `stimulus` makes."""
    other_text: str
    """One that does not."""
    listen: Listener
    """Listens as a gateway with `text` would: entered when it provably does; gives the payloads."""
    stimulus: Callable[[bytes], Stimulus]
    fence: Callable[[bytes], bool] | None
    """Whether a payload is that of a fence; None where the service's events have no place for one."""
    setups: tuple[Mapping[str, Any], ...] = field(default=({},))
    """Set-ups of which each has to start, publish and stop."""
    usual: Mapping[str, Any] = field(default_factory=dict)
    """The set-up where none is asked for."""
    lasting: Mapping[str, Any] | None = None
    """A set-up whose data outlives a kill; None where there is none."""
    kept: Callable[[Any], Awaitable[int]] | None = None
    """How many stimuli a service with that set-up has."""
    is_process: bool = True
    """Whether it runs in a process of its own."""
    greeting: bytes = b""
    """What a client says first, where the service does not."""

    program: str = ""
    """What of the installed binaries it runs; where this machine has none, the test is skipped. Empty: needs none."""

    missing: str = "simulator.services.nats_server.find_nats_server"
    """What finds the program that such a process runs; the service cannot be had where that gives None."""

    reply: FaultReply | None = None
    """A value of the fault `reply`, where the service has that."""

    def __str__(self) -> str:
        return self.name
