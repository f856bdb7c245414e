"""
TransformerService: what is handed over at the transformer's port, taken through the pipeline.

Type, version, name and watchers are the Gateway's, or those of the transformer's ConfigMap where there is one. Edits of
it take effect with the next event; what came before goes on to the watchers it was meant for.
"""

from __future__ import annotations

import asyncio
import logging

from gateways.clock import end, start
from gateways.configmap import ConfigurationSource, Data
from gateways.dispatcher import Dispatcher
from gateways.errors import ConfigurationError
from gateways.gateway_spec import GatewaySpec
from gateways.running_configuration import Frame
from gateways.source_event import SourceEvent
from gateways.transformer import Transformer
from gateways.transformer_port import TransformerPort, TransformerSettings
from gateways.watcher import Targets

_log = logging.getLogger("gateways")

NAME = "the transformer's port"
_SOURCES_MAX = 1024
"""Transformers kept, one for each name that a process gives."""


class TransformerService:
    """
    The transformer's port of one gateway; does nothing where the Gateway names none.

    Args:
        spec: The Gateway's.
        frame: What its configurations share.
        targets: Makes the ways to watchers.
        source: The transformer's ConfigMap; None for none.
    """

    def __init__(self, spec: GatewaySpec, frame: Frame, targets: Targets, source: ConfigurationSource | None) -> None:
        self._spec = spec
        self._frame = frame
        self._targets = targets
        self._source = source
        self._settings = TransformerSettings(spec.type, spec.version, spec.name, spec.watchers)
        self._transformers: dict[str, Transformer] = {}
        self._dispatcher: Dispatcher | None = None
        self._former: list[Dispatcher] = []
        self._group: asyncio.TaskGroup | None = None
        self._watching: asyncio.Task[None] | None = None
        self._port = TransformerPort(self._take, clock=frame.clock, limits=frame.limits)

    @property
    def in_flight(self) -> int:
        """
        Events taken in and not settled yet.
        """
        return sum(dispatcher.in_flight for dispatcher in self._dispatchers())

    async def start(self, group: asyncio.TaskGroup) -> None:
        """
        Listen. *group* owns the tasks.

        Raises:
            OSError: The port cannot be bound.
        """
        if self._spec.transformer_port is None:
            return
        self._group = group
        self._dispatcher = self._new_dispatcher(group)
        await self._port.start(*self._frame.addresses.listen(self._spec.transformer_port))
        if self._source is not None:
            self._watching = start(self._frame.clock, group, self._watch(self._source), name="transformer settings")

    async def stop(self) -> None:
        """
        Take nothing more, settle what is in flight within the limit, and close.
        """
        if self._dispatcher is None:
            return
        if self._watching is not None:
            await end(self._frame.clock, self._watching)
        self._port.retire()
        alarm = self._frame.clock.alarm(self._frame.limits.stop_s, self._give_up)
        for dispatcher in self._dispatchers():
            await dispatcher.quiet()
        alarm.cancel()
        for dispatcher in self._dispatchers():
            dispatcher.close()
        await self._port.close()

    def abort(self) -> None:
        """
        Drop every connection at once, as a crash would.
        """
        self._port.abort()
        for dispatcher in self._dispatchers():
            dispatcher.close()

    def _dispatchers(self) -> list[Dispatcher]:
        return [*self._former, *([self._dispatcher] if self._dispatcher is not None else [])]

    def _give_up(self) -> None:
        given_up = sum(dispatcher.give_up("the gateway stopped") for dispatcher in self._dispatchers())
        if given_up:
            _log.warning("%s: %s gave up %d events that were not accepted", self._spec.name, NAME, given_up)

    async def _watch(self, source: ConfigurationSource) -> None:
        async for data in source.changes():
            if data is not None:
                self._apply(data)

    def _apply(self, data: Data) -> None:
        try:
            settings = TransformerSettings.from_config_map(data, name=self._spec.transformer_config_map)
        except ConfigurationError as error:
            _log.error("%s: %s; the old settings stay", self._spec.name, error)
            return
        if settings == self._settings:
            return
        self._settings = settings
        self._transformers.clear()
        assert self._dispatcher is not None
        assert self._group is not None
        self._retire(self._dispatcher, self._group)
        self._dispatcher = self._new_dispatcher(self._group)

    def _retire(self, dispatcher: Dispatcher, group: asyncio.TaskGroup) -> None:
        """
        Let the events of the old settings reach their watchers.
        """
        if not dispatcher.in_flight:
            dispatcher.close()
            return
        self._former.append(dispatcher)
        start(self._frame.clock, group, self._run_out(dispatcher), name="former transformer settings")

    async def _run_out(self, dispatcher: Dispatcher) -> None:
        await dispatcher.quiet()
        dispatcher.close()
        self._former.remove(dispatcher)

    def _new_dispatcher(self, group: asyncio.TaskGroup) -> Dispatcher:
        frame = self._frame
        return Dispatcher(
            NAME,
            self._targets.to(self._settings.watchers, version=self._settings.event_type_version),
            group=group,
            clock=frame.clock,
            chance=frame.chance,
            retry=frame.retry,
            waiting=frame.limits.waiting,
            width=frame.limits.webhook_in_flight,
            remembered=frame.limits.remembered,
            observer=frame.observer,
        )

    def _take(self, source: str, event: SourceEvent) -> bool:
        dispatcher = self._dispatcher
        if dispatcher is None or not dispatcher.has_room():
            return False
        cloud_event = self._transformer(source).transform(event)
        if self._frame.observer is not None:
            self._frame.observer.received(source, cloud_event)
        dispatcher.dispatch(cloud_event, event.settle, stable_id=bool(event.id), deadline_s=event.deadline_s)
        return True

    def _transformer(self, source: str) -> Transformer:
        known = self._transformers.get(source)
        if known is None:
            settings = self._settings
            if len(self._transformers) >= _SOURCES_MAX:
                self._transformers.clear()
            known = self._transformers[source] = Transformer(
                gateway=settings.event_source,
                configuration=source,
                type=settings.event_type,
                version=settings.event_type_version,
                chance=self._frame.chance,
            )
        return known
