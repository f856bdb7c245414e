"""
NATS server: the nats-server of the wheel beside the load, for the sources that it can be (nats, mqtt).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.load import PAYLOAD


@asynccontextmanager
async def nats_server(configuration: str) -> AsyncIterator[None]:
    """
    One server, from when it is ready to its end; its store is a folder called `store`.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "server.conf")
        file.write_text(configuration)  # noqa: ASYNC240 - nothing else runs yet
        binary = Path(sys.executable).with_name("nats-server")
        process = await asyncio.create_subprocess_exec(
            binary, "-c", file, cwd=folder, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        assert process.stderr is not None
        while b"Server is ready" not in (line := await process.stderr.readline()):
            if not line:
                raise SystemExit("nats-server did not start")
        draining = asyncio.create_task(process.stderr.read())
        try:
            yield
        finally:
            process.terminate()
            await process.wait()
            await draining


async def publish_all(port: int, subjects: list[str], count: int) -> None:
    """
    Publish *count* messages, round robin over *subjects*, as fast as the server takes them.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false}\r\n')
    frames = [b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(PAYLOAD), PAYLOAD) for subject in subjects]
    for at in range(0, count, 100):
        writer.write(b"".join(frames[number % len(frames)] for number in range(at, min(at + 100, count))))
        await writer.drain()
    writer.write(b"PING\r\n")
    while (await reader.readline()).strip() != b"PONG":
        pass
    writer.close()
