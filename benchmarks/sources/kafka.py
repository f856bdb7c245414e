"""
Kafka: our broker beside the load, and one partition for each event in flight.
"""

from __future__ import annotations

from benchmarks.load import PAYLOAD, sink_reaches
from benchmarks.sources.source import Source
from simulator.services.embedded.kafka.batches import NewRecord, made
from simulator.services.embedded.kafka.cluster import Broker, Cluster
from simulator.services.embedded.kafka.listener import Listener

_TOPIC = "load"
_BATCH = 50
_AHEAD = 5_000


class KafkaSource(Source):
    """See Source."""

    type = "kafka"

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        self._cluster = Cluster()
        self._cluster.create_topic(_TOPIC, in_flight)
        self._listener = Listener(self._cluster, 1)

    async def start(self) -> None:
        """See Source."""
        await self._listener.start()
        self._cluster.brokers[1] = Broker(1, "127.0.0.1", self._listener.port)

    async def stop(self) -> None:
        """See Source."""
        await self._listener.stop()
        self._cluster.stop()

    def texts(self) -> dict[str, str]:
        """See Source."""
        url = f"url: 127.0.0.1:{self._listener.port}"
        return {
            f"p{number}": f'{url}\nattributes: {{topic: {_TOPIC}, partition: "{number}"}}'
            for number in range(self.in_flight)
        }

    def relay_arguments(self) -> list[str]:
        """See Source."""
        return [str(self._listener.port), _TOPIC, str(self.in_flight)]

    async def publish(self, count: int) -> None:
        """See Source. What has arrived is taken out of the log, so that the load does not grow."""
        partitions = self._cluster.topics[_TOPIC].partitions
        for at in range(0, count, _BATCH):
            await sink_reaches(at - _AHEAD)
            records = [NewRecord(1_800_000_000_000 + at, None, PAYLOAD)] * min(_BATCH, count - at)
            partitions[at // _BATCH % self.in_flight].append([made(records)])
