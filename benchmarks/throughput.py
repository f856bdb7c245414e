"""
Throughput: events a second through the gateway to one HTTP watcher, beside the bare relay of that source.

Both relays run in turn on one processor, load maker and sink on the other; the ratio of medians counts.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvloop
from pamqp.commands import Basic

from benchmarks.load import PAYLOAD, post_all, publish_all, sink_until, start_sink
from benchmarks.table import print_table
from simulator.services.embedded.amqp import AmqpServer, Message

ROUNDS = 5
EVENTS = 20_000
IN_FLIGHT = (1, 16, 64)


class Sample(NamedTuple):
    """
    One run of one relay.
    """

    per_second: float
    cpu_us: float
    """Processor time of the relay for each event, microseconds."""


def pinned(processor: int) -> None:
    """
    Keep this process and its children to one processor, where there are two.
    """
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {processor})


def _started(command: tuple[str, ...], processor: int) -> subprocess.Popen[bytes]:
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    pinned(processor)
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)


@asynccontextmanager
async def running(*command: str, ready: str, processor: int = 0) -> AsyncIterator[subprocess.Popen[bytes]]:
    """
    A relay, from its ready line to its end.
    """
    process = _started(command, processor)
    assert process.stdout is not None
    loop = asyncio.get_running_loop()
    seen = b""
    while ready.encode() not in seen:
        line = await loop.run_in_executor(None, process.stdout.readline)
        if not line:
            raise SystemExit(f"{command[0]} did not start:\n{seen.decode()}")
        seen += line
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        await loop.run_in_executor(None, process.wait)


def cpu_s(pid: int) -> float:
    """
    Processor time that process *pid* has used, in seconds.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def free_port() -> int:
    """
    A port that was free a moment ago.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def manifests(folder: Path, kind: str, texts: dict[str, str]) -> list[str]:
    """
    Files for `gatesim gateway run`.
    """
    gateway = folder / "gateway.yaml"
    gateway.write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: Gateway\nmetadata: {name: gw}\nspec:\n"
        f"  type: {kind}\n  version: '1.0'\n  configMap: gw-configmap\n  watchers: {{sensors: [{{name: sink}}]}}\n"
    )
    config = folder / "configmap.yaml"
    entries = "".join(f"  {key}: |-\n    {text.replace(chr(10), chr(10) + '    ')}\n" for key, text in texts.items())
    config.write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: gw-configmap}}\ndata:\n{entries}")
    return ["-f", str(gateway), "-f", str(config)]


async def measure(process: subprocess.Popen[bytes], stimulate: Callable[[int], Coroutine[Any, Any, Any]]) -> Sample:
    """
    Events a second from the first stimulus to the last delivery.
    """
    await _deliver(stimulate, EVENTS // 10)
    before, began = cpu_s(process.pid), asyncio.get_running_loop().time()
    await _deliver(stimulate, EVENTS)
    took_s = asyncio.get_running_loop().time() - began
    return Sample(EVENTS / took_s, (cpu_s(process.pid) - before) / EVENTS * 1e6)


async def _deliver(stimulate: Callable[[int], Coroutine[Any, Any, Any]], count: int) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(sink_until(count))
        await asyncio.sleep(0)
        group.create_task(stimulate(count))


async def webhook(in_flight: int, sink: int) -> tuple[Sample, Sample]:
    """
    Webhook to watcher, with so many requests in flight: ours, the rival.
    """
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        files = manifests(Path(folder), "webhook", {"foo": f"endpoint: /foo\nmethod: POST\nport: '{port}'"})
        async with running(*gateway_command(files, sink), ready="Running") as process:
            ours = await measure(process, lambda count: post_all(port, "/foo", count, in_flight))
        port = free_port()
        command = (sys.executable, "-m", "benchmarks.bare_relay", "webhook", str(port), f"http://127.0.0.1:{sink}/")
        async with running(*command, ready="ready") as process:
            rival = await measure(process, lambda count: post_all(port, "/foo", count, in_flight))
    return ours, rival


async def nats(in_flight: int, sink: int) -> tuple[Sample, Sample]:
    """
    NATS to watcher, one configuration for each event in flight (each keeps its order): ours, the rival.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = Path(sys.executable).with_name("nats-server")
        command = (str(server), "-a", "127.0.0.1", "-p", str(port := free_port()))
        subjects = [f"s{number}" for number in range(in_flight)]
        url = f"nats://127.0.0.1:{port}"
        texts = {name: f"url: {url}\nattributes: {{subject: {name}}}" for name in subjects}
        async with running(*command, ready="Server is ready", processor=1):
            files = manifests(Path(folder), "nats", texts)
            async with running(*gateway_command(files, sink), ready=f"{subjects[-1]}: Running") as process:
                ours = await measure(process, lambda count: publish_all(port, subjects, count))
            relay = (sys.executable, "-m", "benchmarks.bare_relay", "nats", url, f"http://127.0.0.1:{sink}/")
            async with running(*relay, str(in_flight), *subjects, ready="ready") as process:
                rival = await measure(process, lambda count: publish_all(port, subjects, count))
    return ours, rival


async def amqp(in_flight: int, sink: int) -> tuple[Sample, Sample]:
    """
    AMQP to watcher, one configuration for each event in flight: ours, the rival. The server runs beside the load.
    """
    server = AmqpServer("1.0", users={"guest": "guest"}, vhosts=["/"], later=lambda seconds, callback: lambda: None)
    port = await server.start()
    names = [f"s{number}" for number in range(in_flight)]

    async def publish(count: int, exchange: str) -> None:
        place = [
            Message.made(exchange, name, Basic.Properties(content_type="application/json"), PAYLOAD) for name in names
        ]
        for number in range(count):
            server.vhosts["/"].publish(place[number % in_flight])
            if not number % 100:
                await asyncio.sleep(0)

    try:
        with tempfile.TemporaryDirectory() as folder:
            attributes = "attributes: {exchangeName: load, exchangeType: direct, routingKey: %s}"
            texts = {name: f"url: amqp://127.0.0.1:{port}\n{attributes % name}" for name in names}
            files = manifests(Path(folder), "amqp", texts)
            async with running(*gateway_command(files, sink), ready=f"{names[-1]}: Running") as process:
                ours = await measure(process, lambda count: publish(count, "load"))
        relay = (sys.executable, "-m", "benchmarks.bare_relay", "amqp", str(port), f"http://127.0.0.1:{sink}/")
        async with running(*relay, str(in_flight), *names, ready="ready") as process:
            rival = await measure(process, lambda count: publish(count, ""))
    finally:
        server.stop()
    return ours, rival


def gateway_command(files: list[str], sink: int) -> tuple[str, ...]:
    """
    The reference gateway by itself.
    """
    watcher = f"sink=http://127.0.0.1:{sink}/"
    return (sys.executable, "-m", "gatesim", "gateway", "run", *files, "--bind", "127.0.0.1", "--watcher", watcher)


async def _main() -> None:
    pinned(1)
    sink = await start_sink()
    rows = []
    for name, measured in (("webhook", webhook), ("nats", nats), ("amqp", amqp)):
        for in_flight in IN_FLIGHT:
            pairs = [await measured(in_flight, sink) for _ in range(ROUNDS)]
            rows.append(_row(name, in_flight, pairs))
    print_table(
        f"events/s to one watcher, median of {ROUNDS} runs of {EVENTS:,} events",
        ("source", "in flight", "gatesim", "bare relay", "ratio", "CPU ratio"),
        rows,
    )


def _row(name: str, in_flight: int, pairs: list[tuple[Sample, Sample]]) -> tuple[str, ...]:
    ours = statistics.median(pair[0].per_second for pair in pairs)
    rival = statistics.median(pair[1].per_second for pair in pairs)
    cpu = statistics.median(pair[1].cpu_us / max(pair[0].cpu_us, 0.01) for pair in pairs)
    return name, str(in_flight), f"{ours:,.0f}", f"{rival:,.0f}", f"{ours / rival:.2f}", f"{cpu:.2f}"


def main() -> None:
    """
    Run all and print the table.
    """
    uvloop.run(_main())
