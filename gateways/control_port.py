"""
ControlPort: status, health and metrics of one gateway over HTTP.

`/status`, `/healthz`, `/readyz`, `/metrics`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gateways.clock import Clock
from gateways.http_listener import HttpListener
from gateways.http_request import Request
from gateways.limits import Limits
from gateways.status import COUNTERS, Node, Phase, Status

if TYPE_CHECKING:
    from prometheus_client import Metric

_ALLOW = (("Allow", "GET, HEAD"),)
_READY = (Phase.RUNNING, Phase.COMPLETED)


class ControlPort:
    """
    Serves what is known of one gateway.

    Args:
        gateway: Its name.
        status: Read at each request.
        clock: For the listener's limits.
    """

    def __init__(self, gateway: str, status: Status, clock: Clock) -> None:
        self._gateway = gateway
        self._status = status
        self._listener = HttpListener(self._take, clock=clock, limits=Limits(body_bytes=0))
        self._pages: dict[str, Callable[[Request], None]] = {
            "/status": self._show_status,
            "/healthz": self._show_health,
            "/readyz": self._show_readiness,
            "/metrics": self._show_metrics,
        }

    async def start(self, host: str, port: int) -> int:
        """
        Listen.

        Returns:
            The port.

        Raises:
            OSError: It cannot be bound.
        """
        return await self._listener.start(host, port)

    async def close(self) -> None:
        """
        Listen no more.
        """
        await self._listener.close()

    def _take(self, request: Request) -> None:
        page = self._pages.get(request.path)
        if page is None:
            request.respond(404, f"not found; there are {', '.join(self._pages)}\n".encode())
        elif request.method not in ("GET", "HEAD"):
            request.respond(405, b"", _ALLOW)
        else:
            page(request)

    def _show_status(self, request: Request) -> None:
        status = {"metadata": {"name": self._gateway}, "status": self._status.as_json()}
        request.respond(200, json.dumps(status).encode(), content_type="application/json")

    def _show_health(self, request: Request) -> None:
        request.respond(200, b"ok\n")

    def _show_readiness(self, request: Request) -> None:
        waiting = [node for node in self._status.nodes.values() if node.phase not in _READY]
        if waiting:
            lines = "".join(f"{node.name}: {node.phase.value}\n" for node in waiting)
            request.respond(503, lines.encode())
        else:
            request.respond(200, b"ok\n")

    def _show_metrics(self, request: Request) -> None:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - only who scrapes needs it

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self._gateway, self._status))
        request.respond(200, generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")


class _Collector:
    """
    The nodes' counters and phases as metrics, read when they are asked for.
    """

    def __init__(self, gateway: str, status: Status) -> None:
        self._gateway = gateway
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """
        Called by prometheus_client.
        """
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - see above

        nodes = tuple(self._status.nodes.values())
        labels = ("gateway", "configuration", "node")
        for counter in COUNTERS:
            events = CounterMetricFamily(f"gatesim_gateway_{counter}", _MEANINGS[counter], labels=labels)
            for node in nodes:
                events.add_metric(self._labels(node), node.counters[counter])
            yield events
        phases = GaugeMetricFamily(
            "gatesim_gateway_phase", "1 for the phase that a configuration is in.", labels=(*labels, "phase")
        )
        for node in nodes:
            for phase in Phase:
                phases.add_metric((*self._labels(node), phase.value), float(node.phase is phase))
        yield phases

    def _labels(self, node: Node) -> tuple[str, str, str]:
        return self._gateway, node.name, node.id


_MEANINGS = {
    "received": "Source events taken in.",
    "accepted": "Events that every watcher accepted.",
    "refused": "Events that a watcher certainly does not have.",
    "uncertain": "Events that a watcher may have.",
    "dropped": "Events that nobody will send again.",
    "skipped": "Instants that a calendar passed over because its lane was full.",
    "retries": "Requests to watchers that were repeated.",
}
