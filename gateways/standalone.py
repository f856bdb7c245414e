"""
Standalone: one gateway as all that a process does; signals end it, first gracefully, then at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gateways.gateway import Gateway
from gateways.gateway_spec import GatewaySpec
from gateways.log_lines import log_changes_of

if TYPE_CHECKING:
    from gateways.cluster_gateway import InCluster

EXIT_STOPPED, EXIT_DIED, EXIT_CUT_SHORT = 0, 1, 2

_log = logging.getLogger("gateways")


Make = Callable[[], Awaitable[tuple[Gateway, "InCluster | None"]]]
"""Makes a gateway, and its side of the cluster where it is in one."""


def run_until_signalled(make: Make, spec: GatewaySpec) -> int:
    """
    Run the gateway that *make* makes, in an event loop of its own, until SIGTERM or SIGINT.

    Args:
        make: Called within the loop.
        spec: What it is made from.

    Returns:
        The exit code: EXIT_STOPPED after a graceful stop, EXIT_DIED where it ended by itself or never came up,
        EXIT_CUT_SHORT where a second signal ended it.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_made_and_run(make, spec))


async def _made_and_run(make: Make, spec: GatewaySpec) -> int:
    gateway, cluster = await make()
    if cluster is None:
        return await _Standalone(gateway, spec).run()
    cluster.keep_status_of(gateway)
    try:
        code = await _Standalone(gateway, spec, cluster.stopping).run()
    except BaseException:
        await cluster.abort()
        raise
    await (cluster.close() if code == EXIT_STOPPED else cluster.abort())
    return code


def _loop_factory() -> Any:
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows; asyncio's own loop serves there
    except ImportError:
        return None
    return uvloop.new_event_loop


class _Standalone:
    def __init__(self, gateway: Gateway, spec: GatewaySpec, stopping: Callable[[], None] | None = None) -> None:
        self._gateway = gateway
        self._spec = spec
        self._stopping = stopping
        self._signals = 0
        self._life: asyncio.Task[None]

    async def run(self) -> int:
        log_changes_of(self._gateway.status, self._spec.name)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):  # Windows: there Ctrl-C is a KeyboardInterrupt
                loop.add_signal_handler(number, self._signalled, number)
        self._life = asyncio.create_task(self._gateway.run(), name=f"gateway {self._spec.name}")
        greeting = asyncio.create_task(self._greet(), name="greeting")
        try:
            await self._life
        except asyncio.CancelledError:
            return EXIT_CUT_SHORT
        except BaseExceptionGroup as group:
            return self._died(group)
        finally:
            greeting.cancel()
        _log.info("%s: stopped", self._spec.name)
        return EXIT_STOPPED

    async def _greet(self) -> None:
        await self._gateway.started()
        spec = self._spec
        watchers = ", ".join(f"{watcher.name} at {watcher.peer}" for watcher in spec.watchers) or "nobody"
        _log.info("%s: up, type %s, dispatches to %s", spec.name, spec.type, watchers)
        if self._gateway.control_address is not None:
            _log.info("%s: status at http://%s:%d/status", spec.name, *self._gateway.control_address)

    def _signalled(self, number: signal.Signals) -> None:
        self._signals += 1
        if self._signals == 1:
            _log.info("%s: %s: stopping; once more ends it at once", self._spec.name, number.name)
            if self._stopping is not None:
                self._stopping()
            self._gateway.stop()
        elif self._signals == 2:
            self._cut_short(number)

    def _cut_short(self, number: signal.Signals) -> None:
        left = [
            f"{count} event{'' if count == 1 else 's'} of {name}" for name, count in self._gateway.unsettled.items()
        ]
        what = f"; given up: {', '.join(left)}" if left else "; nothing was in flight"
        _log.warning("%s: %s again: ended at once%s", self._spec.name, number.name, what)
        self._gateway.abort()
        self._life.cancel()

    def _died(self, group: BaseExceptionGroup[BaseException]) -> int:
        """
        What ended it, one line for each cause; where it is a fault of ours, with the way to it.
        """
        for error in _leaves(group):
            if isinstance(error, OSError):
                _log.error("%s: cannot run: %s", self._spec.name, error.strerror or error)
            else:
                _log.error("%s: died: %s: %s", self._spec.name, type(error).__name__, error, exc_info=error)
        return EXIT_DIED


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
