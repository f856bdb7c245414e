"""
StatusWriter: keeps `status.nodes` of a Gateway object as its gateway's status is, and makes Kubernetes Events.

One write is under way at a time, and it writes what is true then, so that changes in between cost nothing and none is
lost by order. A merge patch touches our entries alone: whoever else writes the object meanwhile loses nothing, and we
neither. What fails is tried again, and nothing waits for it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from gateways.chance import Chance
from gateways.clock import Clock, Wakeup, rfc3339
from gateways.cluster import ApiServer, Expired, Object, Refused
from gateways.cluster_events import API_VERSION, REMOVED, PhaseChange, Reporter, event_of
from gateways.configmap import configuration_id
from gateways.errors import SourceUnavailable
from gateways.limits import Retry
from gateways.status import Node, Status

EVENTS_MAX = 4096
"""Events that wait for an API server that is away; the oldest give way."""
_EVENTS_AT_ONCE = 20
"""Events that are made before the status is looked at again."""
_INSTANCE_LABEL = "gateways.argoproj.io/gateway-controller-instanceid"
_MERGE_PATCH = "application/merge-patch+json"
_CONFLICT = 409
_PASSING = frozenset({408, _CONFLICT, 429})
"""Refusals that do not mean the Event itself; those of the server's own failure are so too."""

_log = logging.getLogger("gateways")


class StatusWriter:
    """
    Writes the status of one gateway.

    Args:
        server: Where the Gateway object is.
        gateway: Its name.
        namespace: Its namespace.
        status: What is written.
        clock: Time.
        retry: How long to wait after a failure.
        chance: Spreads that.
        report: Told why something cannot be written; the log where left out.
    """

    def __init__(
        self,
        server: ApiServer,
        gateway: str,
        namespace: str,
        status: Status,
        *,
        clock: Clock,
        retry: Retry,
        chance: Chance,
        report: Callable[[str], None] = _log.warning,
    ) -> None:
        self._server = server
        self._status = status
        self._clock = clock
        self._retry = retry
        self._chance = chance
        self._report = report
        self._reporter = Reporter(gateway, namespace)
        within = f"namespaces/{quote(namespace)}"
        self._path = f"/apis/{API_VERSION}/{within}/gateways/{quote(gateway)}"
        self._part = "/status"
        """Empty where the cluster's definition of Gateways has no status of its own."""
        self._events_path = f"/api/v1/{within}/events"
        self._stored: set[str] | None = None
        """The entries that the object has; None where it has to be read."""
        self._incarnations: dict[str, tuple[Node, str, str]] = {}
        """Each entry's node, its configuration and its time id, by id."""
        self._count = 0
        self._is_due = False
        self._events: deque[PhaseChange] = deque()
        self._dropped = 0
        self._cause = self._refusal = ""
        """Why something could not be written, and why an Event was refused, as they were told last."""
        self._ended = False
        self._stirred = Wakeup(clock)
        self._quiet = Wakeup(clock)
        self._quiet.set()
        status.listen(self._changed)

    def write(self) -> None:
        """
        Have the object be as the status is, though nothing may have changed since somebody else wrote it.
        """
        self._is_due = True
        self._stir()

    def end(self) -> None:
        """
        Take no more changes: a gateway that stops leaves its entries for the one that comes after it.
        """
        self._ended = True

    async def quiet(self) -> None:
        """
        Wait until all is written, or nothing can be at present.
        """
        await self._quiet.wait()

    async def run(self) -> None:
        """
        Write until cancelled. Never raises but for cancellation.
        """
        failures = 0
        while True:
            if not (self._is_due or self._events):
                failures = 0
                self._quiet.set()
                self._stirred.clear()
                await self._stirred.wait()
            self._quiet.clear()
            cause = await self._write_all()
            if cause:
                failures += 1
                self._tell(cause)
                self._quiet.set()
                wait_s = self._retry.wait_s(min(failures, 64))
                await self._clock.sleep(self._chance.spread(wait_s, self._retry.jitter))
            elif self._cause:
                self._report(f"{self._reporter.gateway}: the status is written again")
                self._cause = ""

    # What happens in the gateway.

    def _changed(self, node: Node | None, id: str) -> None:
        if self._ended:
            return
        if node is None:
            _, name, time_id = self._incarnations.pop(id)
            self._note(PhaseChange(name, id, time_id, REMOVED, "", self._clock.now()))
        else:
            time_id = self._time_id_of(node)
            message = node.message if node.message != "initialized" else ""
            self._note(PhaseChange(node.name, id, time_id, node.phase.value, message, node.update_time))
        self.write()

    def _time_id_of(self, node: Node) -> str:
        known = self._incarnations.get(node.id)
        if known is None or known[0] is not node:
            self._count += 1
            time_id = configuration_id(rfc3339(node.started_at), str(self._count))
            known = self._incarnations[node.id] = (node, node.name, time_id)
        return known[2]

    def _note(self, change: PhaseChange) -> None:
        if len(self._events) >= EVENTS_MAX:
            self._events.popleft()
            self._dropped += 1
        self._events.append(change)

    def _stir(self) -> None:
        self._quiet.clear()
        self._stirred.set()

    # Writing.

    async def _write_all(self) -> str:
        """
        Write what is due; Events as well where the status cannot be, and the other way round.

        Returns:
            Why something could not be written; empty where all was.
        """
        causes: list[str] = []
        try:
            for what, work in (("the status", self._write_status), ("Kubernetes Events", self._write_events)):
                try:
                    await work()
                except (SourceUnavailable, Expired) as error:
                    causes.append(f"{what} cannot be written: {error}")
        except Exception as error:
            _log.exception("%s: the status cannot be written", self._reporter.gateway)
            causes.append(f"internal error: {type(error).__name__}: {error}")
        return "; ".join(causes)

    async def _write_status(self) -> None:
        """
        Raises:
            SourceUnavailable: It is not written and stays due.
        """
        if not self._is_due:
            return
        self._is_due = False  # what changes from here on is due again
        try:
            try:
                await self._patch_status()
            except Refused as refused:
                if refused.status != _CONFLICT:
                    raise
                await self._patch_status()
        except BaseException:
            self._is_due = True
            raise

    async def _patch_status(self) -> None:
        if self._stored is None:
            await self._look()
        stored, self._stored = self._stored or set(), None  # until the answer says what is there
        nodes: dict[str, Any] = {id: self._as_json(node) for id, node in self._nodes().items()}
        gone = dict.fromkeys(stored - nodes.keys())
        patch = {"status": {"nodes": {**gone, **nodes}}}
        self._see(await self._server.change("PATCH", f"{self._path}{self._part}", patch, _MERGE_PATCH))

    def _nodes(self) -> dict[str, Node]:
        return {id: node for id, (node, _, _) in self._incarnations.items()}

    def _as_json(self, node: Node) -> dict[str, Any]:
        """
        The entry, without counters: those change with each event, and are served at the control port.
        """
        entry = {key: value for key, value in node.as_json().items() if key != "counters"}
        return {**entry, "timeID": self._time_id_of(node)}

    async def _look(self) -> None:
        found = await self._server.get(self._path)
        if found is None:
            name, namespace = self._reporter.gateway, self._reporter.namespace
            raise SourceUnavailable(f"there is no Gateway {name} in namespace {namespace}")
        self._see(found)
        if self._part and await self._server.get(f"{self._path}{self._part}") is None:
            self._part = ""

    def _see(self, gateway: Object) -> None:
        metadata = gateway.get("metadata") or {}
        instance = (metadata.get("labels") or {}).get(_INSTANCE_LABEL, "")
        self._reporter = self._reporter._replace(uid=str(metadata.get("uid", "")), instance=instance)
        self._stored = set((gateway.get("status") or {}).get("nodes") or {})

    async def _write_events(self) -> None:
        """
        Make some of those that wait.

        Raises:
            SourceUnavailable: The first that is left cannot be made now.
        """
        for _ in range(min(len(self._events), _EVENTS_AT_ONCE)):
            change = self._events.popleft()
            try:
                await self._make_event(change)
            except SourceUnavailable as error:
                if isinstance(error, Refused) and error.status < 500 and error.status not in _PASSING:
                    self._tell_of_refusal(str(error))
                    continue
                if len(self._events) < EVENTS_MAX:
                    self._events.appendleft(change)
                raise
        if self._dropped:
            self._report(f"{self._reporter.gateway}: {self._dropped} Kubernetes Events were dropped")
            self._dropped = 0

    async def _make_event(self, change: PhaseChange) -> None:
        event = event_of(change, self._reporter)
        try:
            await self._server.change("POST", self._events_path, event)
        except Refused as refused:
            if refused.status != _CONFLICT:
                raise
            await self._server.change("POST", self._events_path, event)  # the server drew a name that is taken

    def _tell(self, cause: str) -> None:
        if cause != self._cause:
            self._report(f"{self._reporter.gateway}: {cause}")
        self._cause = cause

    def _tell_of_refusal(self, cause: str) -> None:
        if cause != self._refusal:
            self._report(f"{self._reporter.gateway}: a Kubernetes Event is refused: {cause}")
        self._refusal = cause
