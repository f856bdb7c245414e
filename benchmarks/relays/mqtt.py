"""
From MQTT to HTTP, with paho's client in its own thread; quality 1 is acknowledged after the dispatch.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.relays.relay import Watcher, main, say_ready


async def relay(watcher: Watcher, arguments: list[str]) -> None:
    """
    Takes the server's port, the quality of service and the topics.
    """
    port, qos, *topics = arguments
    client = Client(CallbackAPIVersion.VERSION2, manual_ack=True)

    def take(client: Any, data: Any, message: Any) -> None:
        watcher.hand_over(message.payload, partial(client.ack, message.mid, message.qos) if message.qos else None)

    client.on_message = take
    # Else an acknowledgement would wait 40 ms for another one's.
    client.on_socket_open = lambda client, data, opened: opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.on_connect = lambda *_: client.subscribe([(topic, int(qos)) for topic in topics])
    client.on_subscribe = lambda *_: say_ready()
    client.connect("127.0.0.1", int(port))
    client.loop_start()
    await watcher.dispatch_handed_over("mqtt")


if __name__ == "__main__":
    main(relay)
