"""
What the contract test needs to know of the S3 store.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from simulator.scenario_file.step import FaultReply
from simulator.services.local.s3 import LocalS3
from simulator.services.s3 import EmbeddedS3
from simulator.services.s3_shape import SHAPE as S3
from simulator.services.service import SocketAddress, Stimulus
from tests.simulator.services.contract import Contract

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


CONTRACT = Contract(
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
    reply=FaultReply(request="ListBuckets", error="SlowDown"),
)

LOCAL = replace(
    CONTRACT,
    name="s3-local",
    service=LocalS3,
    setups=({"buckets": ["contract"]}, {"buckets": ["contract"], "users": {"somebody": "secret-enough"}}),
    program="minio",
)
