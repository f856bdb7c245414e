"""
What steps note for those that come after: stimuli, answers that are waited for, configurations that are gone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from simulator.http_client import Response
from simulator.scenario_file.scenario import Gateway


@dataclass(frozen=True, slots=True)
class Removed:
    """
    A configuration that was taken away, whose silence may have to be proved.
    """

    gateway: Gateway
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """
    A step that held.
    """

    line: int
    kind: str
    at_s: float
    """Scenario time since the start."""
    text: str
    """The proof it used; empty for none."""


PLAYED_MAX = 1_000
"""Steps that are reported one by one; a `repeat` may take many more."""


@dataclass(slots=True)
class Pending:
    """
    A request whose answer may be waited for.
    """

    number: int
    """Of the stimulus."""
    sent_at: float
    task: asyncio.Task[Response]
    answered_at: float | None = None


@dataclass(slots=True)
class Progress:
    """
    What steps note for those that come after.
    """

    stimuli: int = 0
    last_stimulus_s: float = 0.0
    looked_at: dict[str, int] = field(default_factory=dict)
    """Watcher to the ledger's length when an expectation on it last held."""
    offered_at: dict[str, int] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    latest: Pending | None = None
    removed: list[Removed] = field(default_factory=list)
    fences: set[str] = field(default_factory=set)
    arrived_fences: set[tuple[str, str]] = field(default_factory=set)
    """Source and mark."""
