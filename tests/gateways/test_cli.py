"""
A gateway as a process of its own: manifests in, CloudEvents out at a sink, edits while it runs, signals, and its log.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

LIMIT_S = 20.0
GATEWAY = """\
apiVersion: argoproj.io/v1alpha1
kind: Gateway
metadata: {{name: {name}}}
spec:
  type: {type}
  version: "1.0"
  configMap: settings
  watchers:
    sensors: [{{name: audit}}]
"""


class Sink:
    """
    A watcher that accepts CloudEvents; held, it answers only when released.
    """

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.offered: queue.Queue[None] = queue.Queue()
        self.open = threading.Event()
        self.open.set()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                sink.offered.put(None)
                if sink.open.wait(LIMIT_S):
                    sink.events.put(json.loads(body))
                    self.send_response(202)
                    self.send_header("content-length", "0")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def next(self) -> dict[str, Any]:
        return self.events.get(timeout=LIMIT_S)


class Process:
    """
    `gatesim gateway run` with its log, read line by line as it comes.
    """

    def __init__(
        self, *words: str | Path, program: Sequence[str] = ("-m", "gatesim"), environment: dict[str, str] | None = None
    ) -> None:
        command = [sys.executable, *program, "gateway", "run", *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, **pipes, text=True, env={**os.environ, **(environment or {})})
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def until(self, text: str) -> str:
        """The first new line that holds *text*."""
        while (line := self._lines.get(timeout=LIMIT_S)) is not None:
            self.log.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended without saying {text!r}:\n" + "\n".join(self.log))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit code; all of its log is in `log` then."""
        code = self.process.wait(timeout=LIMIT_S)
        while (line := self._lines.get(timeout=LIMIT_S)) is not None:
            self.log.append(line)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=LIMIT_S)
        self._reader.join(LIMIT_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.open.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def started(sink: Sink, tmp_path: Path) -> Iterator[Any]:
    """
    Starts a gateway of a type with these files and further words, dispatching to the sink.
    """
    running: list[Process] = []

    def start(type_name: str, *words: str | Path, name: str = "shop") -> Process:
        gateway = tmp_path / "gateway.yaml"
        gateway.write_text(GATEWAY.format(name=name, type=type_name))
        made = Process("-f", gateway, "--watcher", f"audit={sink.url}", "--bind", "127.0.0.1", *words)
        running.append(made)
        return made

    yield start
    for each in running:
        each.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def config_map(path: Path, data: dict[str, str]) -> Path:
    """Write a ConfigMap's manifest as an editor does that never shows half a file."""
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(manifest, indent=1))
    os.replace(beside, path)
    return path


def hook(endpoint: str, port: int) -> str:
    return f'port: "{port}"\nendpoint: {endpoint}\nmethod: POST\n'


def post(port: int, path: str, body: str = "{}") -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=body.encode(),
        headers={"content-type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_webhook_request_becomes_a_cloudevent_at_the_watcher(started: Any, sink: Sink, tmp_path: Path) -> None:
    port = free_port()
    process = started("webhook", "-f", config_map(tmp_path / "c.yaml", {"orders": hook("/orders", port)}))
    process.until("shop/orders: Running")
    assert post(port, "/orders", '{"order": 7}') == 200
    event = sink.next()
    assert (event["source"], event["type"], event["data"]) == ("shop/orders", "webhook", {"order": 7})


def test_a_schedule_fires_by_the_machines_clock(started: Any, sink: Sink, tmp_path: Path) -> None:
    started("calendar", "-f", config_map(tmp_path / "c.yaml", {"tick": "interval: 1s"}))
    first, second = sink.next(), sink.next()
    assert first["source"] == second["source"] == "shop/tick"
    assert first["id"] != second["id"]


def test_one_file_may_hold_both_manifests(sink: Sink, tmp_path: Path) -> None:
    both = tmp_path / "both.yaml"
    config = json.dumps({"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"tick": "interval: 1s"}})
    both.write_text(GATEWAY.format(name="shop", type="calendar") + "---\n" + config)
    process = Process("-f", both, "--watcher", f"audit={sink.url}")
    try:
        assert sink.next()["source"] == "shop/tick"
    finally:
        process.close()


def test_an_edited_file_is_taken_in_while_it_runs(started: Any, sink: Sink, tmp_path: Path) -> None:
    port = free_port()
    file = config_map(tmp_path / "c.yaml", {"old": hook("/old", port)})
    process = started("webhook", "-f", file)
    process.until("shop/old: Running")
    config_map(file, {"new": hook("/new", port)})
    process.until("shop/new: Running")
    assert (post(port, "/old"), post(port, "/new")) == (404, 200)
    assert sink.next()["source"] == "shop/new"


def test_a_mounted_folder_is_taken_in_when_kubernetes_swaps_its_link(started: Any, sink: Sink, tmp_path: Path) -> None:
    port, mounted = free_port(), tmp_path / "mounted"
    for version, endpoint in (("..1", "/old"), ("..2", "/new")):
        (mounted / version).mkdir(parents=True)
        (mounted / version / "orders").write_text(hook(endpoint, port))
    (mounted / "..data").symlink_to("..1")
    (mounted / "orders").symlink_to("..data/orders")
    process = started("webhook", "-f", mounted)
    process.until("shop/orders: Running")
    assert post(port, "/old") == 200
    (mounted / "..tmp").symlink_to("..2")
    os.replace(mounted / "..tmp", mounted / "..data")
    process.until("shop/orders: Running")
    assert (post(port, "/old"), post(port, "/new")) == (404, 200)


def test_a_file_that_goes_away_keeps_all_running_and_is_compared_when_it_is_back(
    started: Any, sink: Sink, tmp_path: Path
) -> None:
    port = free_port()
    file = config_map(tmp_path / "c.yaml", {"kept": hook("/kept", port), "gone": hook("/gone", port)})
    process = started("webhook", "-f", file)
    process.until("shop/kept: Running")
    file.unlink()
    assert post(port, "/gone") == 200
    config_map(file, {"kept": hook("/kept", port), "more": hook("/more", port)})
    process.until("shop/more: Running")
    assert (post(port, "/gone"), post(port, "/kept")) == (404, 200)
    assert sum("shop/kept: Initialized" in line for line in process.log) == 1


def test_a_first_signal_settles_what_is_in_flight(started: Any, sink: Sink, tmp_path: Path) -> None:
    port = free_port()
    process = started("webhook", "-f", config_map(tmp_path / "c.yaml", {"orders": hook("/orders", port)}))
    process.until("shop/orders: Running")
    sink.open.clear()
    answers: queue.Queue[int] = queue.Queue()
    threading.Thread(target=lambda: answers.put(post(port, "/orders")), daemon=True).start()
    sink.offered.get(timeout=LIMIT_S)
    process.signal(signal.SIGTERM)
    process.until("SIGTERM: stopping")
    sink.open.set()
    assert (sink.next()["source"], answers.get(timeout=LIMIT_S), process.ended()) == ("shop/orders", 200, 0)
    assert process.log[-1].endswith("shop: stopped")


def test_a_second_signal_ends_it_at_once_and_names_what_is_given_up(started: Any, sink: Sink, tmp_path: Path) -> None:
    sink.open.clear()
    process = started("calendar", "-f", config_map(tmp_path / "c.yaml", {"tick": "interval: 1s"}))
    sink.offered.get(timeout=LIMIT_S)
    process.signal(signal.SIGINT)
    process.until("SIGINT: stopping")
    process.signal(signal.SIGINT)
    assert "given up: 1 event of tick" in process.until("SIGINT again: ended at once")
    assert process.ended() == 2


def test_secrets_never_appear_in_the_log(started: Any, sink: Sink, tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    texts = {
        "url": f"{{url: 'nats://someone:hunter2@{nobody}', attributes: {{subject: a}}}}",
        "auth": f"{{url: 'nats://{nobody}', auth: {{token: hunter2}}, attributes: {{subject: b}}}}",
        "both": f"{{url: 'nats://hunter2@{nobody}', auth: {{token: hunter2}}, attributes: {{subject: c}}}}",
    }
    process = started("nats", "-f", config_map(tmp_path / "c.yaml", texts), "--log-level", "debug")
    for _ in texts:
        process.until("error shop/")
    process.signal(signal.SIGTERM)
    assert process.ended() == 0
    assert not [line for line in process.log if "hunter2" in line]


def test_a_log_in_json_is_one_object_a_line(started: Any, sink: Sink, tmp_path: Path) -> None:
    process = started("calendar", "-f", config_map(tmp_path / "c.yaml", {"t": "interval: 1h"}), "--log-format", "json")
    process.until("Running")
    process.signal(signal.SIGTERM)
    process.ended()
    lines = [json.loads(line) for line in process.log]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert lines[-1]["message"] == "shop: stopped"


def test_the_address_of_the_control_port_is_logged_and_answers(started: Any, tmp_path: Path) -> None:
    process = started("calendar", "-f", config_map(tmp_path / "c.yaml", {"t": "interval: 1h"}), "--control-port", "0")
    url = process.until("status at").rpartition(" ")[2]
    with urllib.request.urlopen(url, timeout=LIMIT_S) as response:
        status = json.load(response)
    assert [node["name"] for node in status["status"]["nodes"].values()] == ["t"]


def test_a_control_port_that_is_taken_ends_it_with_a_sentence(started: Any, tmp_path: Path) -> None:
    file = config_map(tmp_path / "c.yaml", {"t": "interval: 1h"})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = started("calendar", "-f", file, "--control-port", str(taken.getsockname()[1]))
        assert "address already in use" in process.until("cannot run")
        assert process.ended() == 1
    assert not [line for line in process.log if "Traceback" in line]


@pytest.mark.parametrize(
    ("manifest", "words", "said"),
    [
        (
            GATEWAY.format(name="shop", type="calendar"),
            ["--name", "shpo"],
            "--name shpo: no Gateway is called so, did you",
        ),
        (GATEWAY.format(name="shop", type="calendar").replace("type:", "tpye:"), [], "{file}:4:1: gateway type is not"),
        (
            GATEWAY.format(name="shop", type="coffee"),
            [],
            "no processor serves gateway type 'coffee'; there are ",
        ),
        ("a: [", [], "{file}:"),
        (
            GATEWAY.format(name="a", type="nats") + "---\n" + GATEWAY.format(name="b", type="nats"),
            [],
            "the manifests hold",
        ),
        (
            GATEWAY.format(name="shop", type="nats"),
            ["--watcher", "audti=http://x"],
            "no watcher is called `audti`; did you",
        ),
        (
            GATEWAY.format(name="shop", type="nats"),
            ["--watcher", "audit=ftp://x"],
            "watcher `audit`: the URL is neither",
        ),
        (GATEWAY.format(name="shop", type="nats"), ["--watcher", "audit"], "--watcher 'audit': write NAME=URL"),
        (GATEWAY.format(name="shop", type="nats"), ["--address", "a=b"], "--address 'a=b': write HOST:PORT=HOST:PORT"),
        (GATEWAY.format(name="shop", type="nats"), ["--control-port", "x"], "--control-port x: write a port"),
        (GATEWAY.format(name="shop", type="nats"), ["--in-cluster"], "--in-cluster and -f both say where the Gateway"),
        (GATEWAY.format(name="shop", type="nats"), ["--namespace", "x"], "--namespace is for a Gateway in a cluster"),
    ],
)
def test_a_wrong_file_or_option_is_said_in_a_sentence(
    manifest: str, words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import argparse

    from gateways.cli import add_arguments, main

    file = tmp_path / "gateway.yaml"
    file.write_text(manifest)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert main(parser.parse_args(["run", "-f", str(file), *words])) == 4
    assert capsys.readouterr().err.startswith(said.format(file=file))


def test_a_kubeconfig_leads_to_the_cluster_of_a_resource_gateway(started: Any, sink: Sink, tmp_path: Path) -> None:
    from tests.simulator.services.embedded.kubernetes.serving import serving

    with serving() as server:
        kubeconfig = tmp_path / "kubeconfig"
        cluster = {"name": "c", "cluster": {"server": server.url}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        users = [{"name": "u", "user": {"token": "secret"}}]
        whole = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "x"}
        kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **whole}))
        text = config_map(tmp_path / "c.yaml", {"team": "version: v1\nkind: Namespace\nfilter: {prefix: default}"})
        process = started("resource", "-f", text, "--kubeconfig", kubeconfig)
        process.until("shop/team: Running")
        event = sink.next()
        assert (event["type"], event["subject"], event["operation"]) == ("resource", "default", "added")
        process.signal(signal.SIGTERM)
        assert process.ended() == 0
