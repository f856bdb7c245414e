"""
What the contract test needs to know of each service: how to listen to it as a gateway would, and what to publish.

A new service, or a new provider of one, joins by one more entry in CONTRACTS.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from simulator.services.kubernetes import EmbeddedKubernetes
from simulator.services.kubernetes_shape import SHAPE as KUBERNETES
from simulator.services.mqtt import EmbeddedMqtt
from simulator.services.mqtt_shape import SHAPE as MQTT
from simulator.services.nats import EmbeddedNats
from simulator.services.nats_shape import SHAPE as NATS
from simulator.services.s3 import EmbeddedS3
from simulator.services.s3_shape import SHAPE as S3
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
    fence: Callable[[bytes], bool]
    """Whether a payload is that of a fence."""
    setups: tuple[Mapping[str, Any], ...] = field(default=({},))
    """Set-ups of which each has to start, publish and stop."""
    usual: Mapping[str, Any] = field(default_factory=dict)
    """The set-up where none is asked for."""
    lasting: Mapping[str, Any] | None = None
    """A set-up whose data outlives a kill; None where there is none."""

    is_process: bool = True
    """Whether it runs in a process of its own."""
    greeting: bytes = b""
    """What a client says first, where the service does not."""

    def __str__(self) -> str:
        return self.name


@asynccontextmanager
async def _nats_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    from nats.aio.client import Client

    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(message: Any) -> None:
        received.put_nowait(message.data)

    async def told(*_: Any) -> None:
        pass

    client = Client()
    callbacks = dict.fromkeys(("error_cb", "closed_cb", "disconnected_cb"), told)
    await client.connect(f"nats://{endpoint[0]}:{endpoint[1]}", allow_reconnect=False, **callbacks)
    await client.subscribe("contract.*", cb=take)
    for _ in range(2):  # the library's first PING may overtake the SUB
        await client.flush()
    try:
        yield received
    finally:
        await client.close()


_S3_TEXT = """\
s3EventConfig:
  endpoint: minio.argo-events:9000
  bucket: contract
  event: s3:ObjectCreated:Put
  filter: {prefix: in/}
insecure: true
"""
_LISTEN = b"GET /contract?prefix=in/&events=s3:ObjectCreated:Put HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def _s3_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    """
    Gives the bytes of each object that is put.
    """
    received: asyncio.Queue[bytes] = asyncio.Queue()
    reader, writer = await asyncio.open_connection(*endpoint, limit=2**20)
    writer.write(_LISTEN)
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")

    async def take() -> None:
        line = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            line += (await reader.readexactly(size + 2))[:-2]
            if line.endswith(b"\n"):
                for record in json.loads(line)["Records"]:
                    received.put_nowait(await _object_of(record, endpoint))
                line = b""

    taking = asyncio.create_task(take())
    try:
        yield received
    finally:
        taking.cancel()
        writer.transport.abort()
        await asyncio.wait({taking})


async def _object_of(record: dict[str, Any], endpoint: SocketAddress) -> bytes:
    if "s3" not in record:
        return json.dumps(record).encode()
    reader, writer = await asyncio.open_connection(*endpoint, limit=2**20)
    key = record["s3"]["object"]["key"].replace("%2F", "/")
    writer.write(f"GET /contract/{key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    _, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return body


_numbers = itertools.count()


def _put(payload: bytes) -> Stimulus:
    return Stimulus((("bucket", "contract"), ("key", f"in/{next(_numbers)}")), payload, verb="put")


_RESOURCE_TEXT = "namespace: default\nversion: v1\nkind: ConfigMap\n"
_WATCH = (
    b"GET /api/v1/namespaces/default/configmaps?watch=true&sendInitialEvents=true&allowWatchBookmarks=true HTTP/1.1\r\n"
    b"Host: x\r\n\r\n"
)


@asynccontextmanager
async def _kubernetes_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    """
    Gives what each ConfigMap that is made holds.
    """
    received: asyncio.Queue[bytes] = asyncio.Queue()
    reader, writer = await asyncio.open_connection(*endpoint, limit=2**20)
    writer.write(_WATCH)
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    watching = asyncio.get_running_loop().create_future()

    async def take() -> None:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            event = json.loads((await reader.readexactly(size + 2))[:-2])
            if event["type"] == "BOOKMARK" and not watching.done():
                watching.set_result(None)
            elif event["type"] == "ADDED" and watching.done():
                received.put_nowait(base64.b64decode(event["object"]["binaryData"]["payload"]))

    taking = asyncio.create_task(take())
    await watching
    try:
        yield received
    finally:
        taking.cancel()
        writer.transport.abort()
        await asyncio.wait({taking})


_made = itertools.count()


def _config_map(payload: bytes) -> Stimulus:
    metadata = {"name": f"made-{next(_made)}", "namespace": "default"}
    data = {"payload": base64.b64encode(payload).decode()}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}
    return Stimulus((), json.dumps(manifest).encode(), verb="apply")


@asynccontextmanager
async def _mqtt_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    received: asyncio.Queue[bytes] = asyncio.Queue()
    subscribed = asyncio.Event()
    loop = asyncio.get_running_loop()
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.on_message = lambda *told: loop.call_soon_threadsafe(received.put_nowait, told[2].payload)
    client.on_connect = lambda *told: client.subscribe("contract/+", 1)
    client.on_subscribe = lambda *told: loop.call_soon_threadsafe(subscribed.set)
    await asyncio.to_thread(client.connect, *endpoint)
    client.loop_start()
    await subscribed.wait()
    try:
        yield received
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


CONTRACTS = (
    Contract(
        name="kubernetes-embedded",
        service=EmbeddedKubernetes,
        shape=KUBERNETES,
        text=_RESOURCE_TEXT,
        other_text=_RESOURCE_TEXT.replace("ConfigMap", "Secret"),
        listen=_kubernetes_listener,
        stimulus=_config_map,
        fence=None,
        setups=({}, {"objects": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}]}),
        is_process=False,
        greeting=_WATCH,
    ),
    Contract(
        name="s3-embedded",
        service=EmbeddedS3,
        shape=S3,
        text=_S3_TEXT,
        other_text=_S3_TEXT.replace("in/", "out/"),
        listen=_s3_listener,
        stimulus=_put,
        fence=lambda payload: b"gatesim-fence" in payload,
        setups=({"buckets": ["contract"]}, {"buckets": ["contract"], "users": {"me": "secret"}}),
        usual={"buckets": ["contract"]},
        is_process=False,
        greeting=_LISTEN,
    ),
    Contract(
        name="mqtt-embedded",
        service=EmbeddedMqtt,
        shape=MQTT,
        text="url: tcp://mqtt.argo-events:1883\nattributes: {topic: contract/+}\n",
        other_text="url: tcp://mqtt.argo-events:1883\nattributes: {topic: other}\n",
        listen=_mqtt_listener,
        stimulus=lambda payload: Stimulus((("topic", "contract/one"),), payload),
        fence=lambda payload: b"gatesim-fence" in payload,
        setups=({}, {"users": {"me": 'pass"word'}}, {"tls": True}),
        greeting=bytes.fromhex("100f00044d51545404020000") + b"\x00\x03abc",
    ),
    Contract(
        name="nats-embedded",
        service=EmbeddedNats,
        shape=NATS,
        text="url: nats://nats.argo-events:4222\nattributes: {subject: contract.*}\n",
        other_text="url: nats://nats.argo-events:4222\nattributes: {subject: other}\n",
        listen=_nats_listener,
        stimulus=lambda payload: Stimulus((("subject", "contract.one"),), payload),
        fence=lambda payload: b"gatesim-fence" in payload,
        setups=(
            {},
            {"jetstream": True},
            {"streams": {"KEPT": {"subjects": ["contract.>"]}}},
            {"users": {"me": 'pass"word'}},
            {"tls": True},
        ),
        lasting={"streams": {"KEPT": {"subjects": ["contract.>"], "storage": "file"}}},
    ),
)
