"""
A cluster in a thread of its own, for clients that block.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simulator.services.embedded.kafka.cluster import Broker, Cluster
from simulator.services.embedded.kafka.listener import Listener


@contextmanager
def running(
    topics: dict[str, int], *, brokers: int = 1, encryption: ssl.SSLContext | None = None, **setup: Any
) -> Iterator[tuple[str, Cluster]]:
    """
    A cluster with *topics*, over TLS where *encryption* is given; gives its bootstrap servers.
    """
    cluster = Cluster(**setup)
    cluster.lead_with(range(1, brokers + 1))
    for name, partitions in topics.items():
        cluster.create_topic(name, partitions)
    up, over, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        listeners = [Listener(cluster, node) for node in range(1, brokers + 1)]
        for node, listener in enumerate(listeners, 1):
            await listener.start(encryption=encryption)
            cluster.brokers[node] = Broker(node, "127.0.0.1", listener.port)
        up.set()
        await over.wait()
        for listener in listeners:
            await listener.stop()
        cluster.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    up.wait()
    try:
        yield ",".join(f"{broker.host}:{broker.port}" for broker in cluster.brokers.values()), cluster
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
