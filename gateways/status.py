"""
Status: what is known of a gateway and of each of its configurations, as `status.nodes` of a Gateway resource has it.

Source: architecture of status. Counters are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from gateways.clock import rfc3339


class Phase(Enum):
    """
    Where a configuration stands.
    """

    INITIALIZED = "Initialized"
    """Taken in, not yet proved to listen."""
    RUNNING = "Running"
    """Provably listens."""
    COMPLETED = "Completed"
    """Its source ended by itself; nothing more will come."""
    ERROR = "Error"
    """Invalid, or failed; the message says why and whether it is tried again."""


COUNTERS = ("received", "accepted", "refused", "uncertain", "dropped", "skipped", "retries")
"""
received: source events taken in. accepted: settled with every watcher's yes. refused, uncertain: settled otherwise.
dropped: of those (and of what never found room), events that nobody will send again. skipped: instants a calendar
passed over because its lane was full. retries: requests repeated.
"""


@dataclass(slots=True)
class Node:
    """
    One configuration's entry in `status.nodes`.
    """

    id: str
    name: str
    phase: Phase
    message: str
    started_at: datetime
    update_time: datetime
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))

    def as_json(self) -> dict[str, Any]:
        """
        The entry as the Gateway resource spells it.
        """
        return {
            "id": self.id,
            "name": self.name,
            "displayName": self.name,
            "phase": self.phase.value,
            "startedAt": rfc3339(self.started_at),
            "updateTime": rfc3339(self.update_time),
            "message": self.message,
            "counters": dict(self.counters),
        }


StatusListener = Callable[[Node | None, str], None]
"""Called with a changed node and its id; with None where the node is removed."""


class Status:
    """
    All nodes of one gateway, in the order in which they came.
    """

    def __init__(self, *, started_at: datetime) -> None:
        self.started_at = started_at
        self.message = "gateway is active"
        self.nodes: dict[str, Node] = {}
        self._listeners: list[StatusListener] = []

    def listen(self, listener: StatusListener) -> None:
        """
        Have *listener* called at each change, in the turn of the change.
        """
        self._listeners.append(listener)

    def add(self, name: str, id: str, *, at: datetime) -> Node:
        """
        A new node in phase Initialized. Two configurations whose ids collide both get one: the second id ends in `-2`.
        """
        number, free = 1, id
        while free in self.nodes:
            number += 1
            free = f"{id}-{number}"
        node = Node(free, name, Phase.INITIALIZED, "initialized", at, at)
        self.nodes[free] = node
        self._tell(node, free)
        return node

    def mark(self, node: Node, phase: Phase, message: str, *, at: datetime) -> None:
        """
        Put *node* into *phase*; nothing happens where it is there already with that message, or was removed.
        """
        if self.nodes.get(node.id) is not node or (node.phase is phase and node.message == message):
            return
        node.phase, node.message, node.update_time = phase, message, at
        self._tell(node, node.id)

    def remove(self, node: Node) -> None:
        """
        Forget *node*.
        """
        if self.nodes.get(node.id) is node:
            del self.nodes[node.id]
            self._tell(None, node.id)

    def as_json(self) -> dict[str, Any]:
        """
        The status as the Gateway resource spells it.
        """
        return {
            "phase": Phase.RUNNING.value,
            "startedAt": rfc3339(self.started_at),
            "message": self.message,
            "nodes": {id: node.as_json() for id, node in self.nodes.items()},
        }

    def _tell(self, node: Node | None, id: str) -> None:
        for listener in self._listeners:
            listener(node, id)
