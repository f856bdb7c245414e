"""
What the contract test needs to know of the Kubernetes API server.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simulator.scenario_file.step import FaultReply
from simulator.services.kubernetes import EmbeddedKubernetes
from simulator.services.kubernetes_shape import SHAPE as KUBERNETES
from simulator.services.local.kubernetes import LocalKubernetes
from simulator.services.service import SocketAddress, Stimulus
from tests.simulator.services.contract import Contract

_RESOURCE_TEXT = "namespace: default\nversion: v1\nkind: ConfigMap\n"
_WATCH = (
    b"GET /api/v1/namespaces/default/configmaps?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
    b"&resourceVersionMatch=NotOlderThan HTTP/1.1\r\nHost: x\r\n\r\n"
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
        text = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            text += (await reader.readexactly(size + 2))[:-2]
            *lines, text = text.split(b"\n")
            for line in lines:
                told(json.loads(line))

    def told(event: dict[str, Any]) -> None:
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


LOCAL = Contract(
    name="kubernetes-local",
    service=LocalKubernetes,
    shape=KUBERNETES,
    text=_RESOURCE_TEXT,
    other_text=_RESOURCE_TEXT.replace("ConfigMap", "Secret"),
    listen=_kubernetes_listener,
    stimulus=_config_map,
    fence=None,
    setups=({}, {"objects": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}]}),
    is_process=False,
    greeting=_WATCH,
    program="kubernetes",
)

CONTRACT = Contract(
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
    reply=FaultReply(request="watch", error="TooManyRequests"),
)
