"""
A gateway as a process of its own that takes everything from a cluster: by a kubeconfig, and as a pod does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from gateways.cli import add_arguments, main
from simulator.cluster_objects import DEFINITION
from simulator.services.certificate import Certificate
from tests.gateways.test_cli import LIMIT_S, Process, Sink, free_port, hook, post
from tests.simulator.services.embedded.kubernetes.serving import Server, serving

NAMESPACE = "argo-events"
AS_A_POD = """
import sys
from pathlib import Path
from gateways import cluster
cluster.SERVICE_ACCOUNT = Path({folder!r})
from gatesim.__main__ import main
sys.exit(main())
"""


class Cluster:
    """
    An API server with a hand on what is there.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self.url = server.url
        self.folder = folder
        self._ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self._ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)

    @property
    def kubeconfig(self) -> Path:
        file = self.folder / "kubeconfig"
        context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}
        clusters = [{"name": "c", "cluster": {"server": self.url}}]
        users = [{"name": "u", "user": {"token": "secret"}}]
        whole = {"clusters": clusters, "contexts": [context], "users": users, "current-context": "x"}
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **whole}))
        return file

    def apply(self, kind: str, name: str, **rest: Any) -> None:
        api = "/apis/argoproj.io/v1alpha1" if kind == "gateways" else "/api/v1"
        version = {"gateways": ("argoproj.io/v1alpha1", "Gateway"), "configmaps": ("v1", "ConfigMap"),
                   "secrets": ("v1", "Secret")}[kind]  # fmt: skip
        path = f"{api}/namespaces/{NAMESPACE}/{kind}/{name}?fieldManager=test&force=true"
        manifest = {"apiVersion": version[0], "kind": version[1], "metadata": {"name": name}, **rest}
        self._ask("PATCH", path, manifest, "application/apply-patch+yaml")

    def gateway(self, name: str, type_name: str, **spec: Any) -> None:
        watchers = {"sensors": [{"name": "audit"}]}
        given = {"type": type_name, "version": "1.0", "configMap": "settings", "watchers": watchers, **spec}
        self.apply("gateways", name, spec=given)

    def config_map(self, **data: str) -> None:
        self.apply("configmaps", "settings", data=data)

    def phases(self, name: str) -> dict[str, str]:
        found = self._ask("GET", f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/gateways/{name}")
        nodes = (found.get("status") or {}).get("nodes") or {}
        return {node["name"]: node["phase"] for node in nodes.values()}

    def actions(self) -> list[str]:
        events = self._ask("GET", f"/api/v1/namespaces/{NAMESPACE}/events")["items"]
        in_order = sorted(events, key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [f"{event['metadata']['labels']['config-name']} {event['action']}" for event in in_order]

    def _ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, method=method, headers={"Content-Type": content_type})
        with urlopen(request, timeout=LIMIT_S) as response:
            return json.load(response)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with serving() as server:
        yield Cluster(server, tmp_path)


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.open.set()
    made.server.shutdown()
    made.server.server_close()


@contextmanager
def running(*words: str | Path, **how: Any) -> Iterator[Process]:
    process = Process(*words, **how)
    try:
        yield process
    finally:
        process.close()


def stopped(process: Process) -> None:
    process.signal(signal.SIGTERM)
    assert process.ended() == 0


def test_a_kubeconfig_alone_leads_to_the_gateway_and_all_that_it_names(cluster: Cluster, sink: Sink) -> None:
    port = free_port()
    cluster.gateway("shop", "webhook")
    cluster.config_map(orders=hook("/orders", port))
    words = ("--kubeconfig", cluster.kubeconfig, "--watcher", f"audit={sink.url}", "--bind", "127.0.0.1")
    with running(*words) as process:
        process.until("shop/orders: Running")
        assert post(port, "/orders", '{"order": 7}') == 200
        assert sink.next()["data"] == {"order": 7}
        cluster.config_map(bills=hook("/bills", port))
        process.until("shop/bills: Running")
        assert (post(port, "/orders"), post(port, "/bills")) == (404, 200)
        stopped(process)
    assert cluster.phases("shop") == {"bills": "Running"}
    assert cluster.actions() == [
        "orders Initialized", "orders Running", "orders Remove", "bills Initialized", "bills Running",
    ]  # fmt: skip


def test_a_second_process_takes_over_the_entries_of_the_first(cluster: Cluster, sink: Sink) -> None:
    cluster.gateway("shop", "calendar")
    cluster.config_map(a="interval: 1h", b="interval: 1h")
    words = ("--kubeconfig", cluster.kubeconfig, "--watcher", f"audit={sink.url}")
    with running(*words) as process:
        process.until("shop/b: Running")
        stopped(process)
    cluster.config_map(b="interval: 1h")
    with running(*words) as process:
        process.until("shop/b: Running")
        stopped(process)
    assert cluster.phases("shop") == {"b": "Running"}


def test_a_secret_that_was_read_appears_in_no_line_of_the_log(cluster: Cluster, sink: Sink) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    selector = "{name: minio, key: %s}"
    text = (
        f"s3EventConfig: {{bucket: foo, endpoint: '{nobody}', event: s3:ObjectCreated:Put}}\ninsecure: true\n"
        f"accessKey: {selector % 'a'}\nsecretKey: {selector % 'b'}\n"
    )
    cluster.gateway("files", "artifact")
    cluster.config_map(foo=text)
    words = ("--kubeconfig", cluster.kubeconfig, "--watcher", f"audit={sink.url}", "--log-level", "debug")
    with running(*words) as process:
        process.until("there is no secret 'minio'")
        cluster.apply("secrets", "minio", stringData={"a": "hunter2", "b": "hunter3"})
        process.until("connection refused")
        stopped(process)
        assert not [line for line in process.log if "hunter" in line]


@contextmanager
def over_tls(url: str, certificate: Certificate) -> Iterator[int]:
    """
    The server at *url* as it is reached over TLS; gives the port.
    """
    upstream, ports, up, down = url.rpartition(":")[2], [], threading.Event(), asyncio.Event()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(upstream))
        await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer), return_exceptions=True)
        far_writer.close()
        writer.close()

    async def life() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.serving())
        ports.append(server.sockets[0].getsockname()[1])
        loops.append(asyncio.get_running_loop())
        up.set()
        await down.wait()
        server.close()

    asyncio.run(certificate.make())
    loops: list[asyncio.AbstractEventLoop] = []
    thread = threading.Thread(target=lambda: asyncio.run(life()))
    thread.start()
    assert up.wait(LIMIT_S)
    try:
        yield ports[0]
    finally:
        loops[0].call_soon_threadsafe(down.set)
        thread.join(LIMIT_S)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no certificate can be made here")
def test_a_pod_finds_its_cluster_by_its_service_account(cluster: Cluster, sink: Sink, tmp_path: Path) -> None:
    account = tmp_path / "serviceaccount"
    account.mkdir()
    certificate = Certificate(tmp_path, ["127.0.0.1"])
    cluster.gateway("shop", "calendar")
    cluster.config_map(tick="interval: 1s")
    with over_tls(cluster.url, certificate) as port:
        (account / "token").write_text("a-token")
        (account / "namespace").write_text(f"{NAMESPACE}\n")
        shutil.copy(certificate.file, account / "ca.crt")
        pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
        words = ("--in-cluster", "--name", "shop", "--watcher", f"audit={sink.url}")
        with running(*words, program=("-c", AS_A_POD.format(folder=str(account))), environment=pod) as process:
            assert sink.next()["source"] == "shop/tick"
            stopped(process)
    assert cluster.phases("shop") == {"tick": "Running"}


def ran(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args(["run", *words]))


Told = Callable[[], str]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    return lambda: capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no Gateway is given: write -f MANIFEST, --in-cluster or --kubeconfig FILE"),
        (("--in-cluster", "--kubeconfig", "x"), "--in-cluster and --kubeconfig both say where the Gateway is"),
        (("--in-cluster",), "no way to the cluster is known: this is no pod with a service account"),
        (("--kubeconfig", "/nowhere"), "no way to the cluster is known: /nowhere"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(
    words: tuple[str, ...], said: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert ran(*words) == 4
    assert told().startswith(said)


def test_a_gateway_that_the_cluster_does_not_have_is_told_with_those_it_has(cluster: Cluster, told: Told) -> None:
    cluster.gateway("shop", "calendar")
    assert ran("--kubeconfig", str(cluster.kubeconfig), "--name", "shpo") == 4
    assert told() == (
        "--name shpo: no Gateway in namespace argo-events is called so, did you mean `shop`?; there are shop\n"
    )
    assert ran("--kubeconfig", str(cluster.kubeconfig), "--namespace", "default") == 4
    assert told() == "namespace default has no Gateway; --namespace says another one\n"


def test_a_type_that_nobody_serves_is_said_without_a_trace(cluster: Cluster, told: Told) -> None:
    cluster.gateway("shop", "coffee")
    assert ran("--kubeconfig", str(cluster.kubeconfig)) == 4
    assert told().startswith("no processor serves gateway type 'coffee'; there are ")


def test_a_cluster_that_cannot_be_reached_is_no_wrong_use(cluster: Cluster, told: Told) -> None:
    url, cluster.url = cluster.url, f"http://127.0.0.1:{free_port()}"
    assert ran("--kubeconfig", str(cluster.kubeconfig)) == 1
    assert told().startswith("the Gateway cannot be read: 127.0.0.1:")
    cluster.url = url
