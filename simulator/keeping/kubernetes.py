"""
KeptKubernetes: a real API server on an etcd of its own, with the controllers for namespaces and owners where they are.

One certificate is the authority, the server's and the client's; its key signs the tokens of service accounts too.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from simulator.installing.binaries import Installed
from simulator.keeping.kept_server import KeptProcess, Unstartable, installed
from simulator.relay import free_ports
from simulator.services.certificate import Certificate, CertificateUnavailable
from simulator.services.process import Exit, LocalProcess, StartFailed

Json = dict[str, Any]
_LOOPBACK = "127.0.0.1"
_START_S, _ANSWER_S = 60.0, 2.0
_KEYS_AT_ONCE = 100
"""etcd takes 128 changes at once."""
_CERTIFICATE_DAYS = 3650
_CONTROLLERS = "namespace-controller,garbage-collector-controller"
"""Others make objects of their own in every namespace, which a scenario would see."""
_OF_THE_SERVER = (
    "/registry/apiextensions.k8s.io/customresourcedefinitions/",
    "/registry/apiregistration.k8s.io/",
    "/registry/configmaps/kube-system/extension-apiserver-authentication",
    "/registry/configmaps/kube-system/kube-apiserver-legacy-service-account-token-tracking",
    "/registry/flowschemas/",
    "/registry/leases/kube-system/apiserver-",
    "/registry/masterleases/",
    "/registry/peerserverleases/",
    "/registry/prioritylevelconfigurations/",
    "/registry/ranges/",
)
"""What begins so is the server's, or stays: see `clean`."""


class KeptKubernetes(KeptProcess):
    """
    One API server. It takes no options.

    Commands: `begin` marks what is there as its own; `clean` removes what came since, but for definitions, and says
    whether all is as it was; `expire` forgets every version before the newest one.
    """

    kind: ClassVar[str] = "kubernetes"

    def __init__(self, options: Mapping[str, Any], died: Callable[[str], None]) -> None:
        server = LocalProcess("kube-apiserver", died=lambda end: self._ended("kube-apiserver", end))
        super().__init__(options, died, server, stop_limit_s=5.0)
        self._etcd = LocalProcess("etcd", died=lambda end: self._ended("etcd", end))
        self._controllers = LocalProcess("kube-controllers", died=lambda end: self._ended("controllers", end))
        self._certificate = Certificate(
            self._process.folder, [_LOOPBACK], subject="/O=system:masters/CN=gatesim", days=_CERTIFICATE_DAYS
        )
        self._etcd_port, self._peer_port, self._port = free_ports(3)
        self._version = ""
        self._before: dict[str, str] = {}
        """What was there at `begin`: key to the revision of its last change."""

    @property
    def running(self) -> bool:
        """See KeptServer."""
        return super().running and self._etcd.pid is not None

    @property
    def access(self) -> dict[str, Any]:
        """See KeptServer. The certificate is the authority's and, with the key, that of a client who may do all."""
        return {
            "port": self._port,
            "certificate": str(self._certificate.file),
            "key": str(self._certificate.key),
            "version": self._version,
        }

    async def start(self) -> None:
        """See KeptServer."""
        missing = "kube-apiserver and etcd are not on this machine"
        found = await asyncio.to_thread(installed, "kubernetes", missing)
        try:
            if not self._certificate.file.exists():
                await self._certificate.make()
            if self._etcd.pid is None:
                await self._etcd.start(self._etcd_command(found), {}, _START_S, answers=self._etcd_answers)
            if self._process.pid is None:
                await self._process.start(self._server_command(found), {}, _START_S, answers=self._answers)
            self._version = (await asyncio.to_thread(self._get, "/version"))["gitVersion"]
            if "kube-controller-manager" in found.programs and self._controllers.pid is None:
                await self._controllers.start(self._controllers_command(found), {}, _START_S)
        except CertificateUnavailable as error:
            raise Unstartable(error.reason, error.how) from error
        except StartFailed as error:
            await self._end_all()
            raise Unstartable(f"Kubernetes did not start: {error}") from error

    async def stop(self) -> None:
        """See KeptServer. Only the API server ends, and whoever talks to it; etcd has the data."""
        await self._controllers.kill()
        await super().stop()

    async def kill(self) -> None:
        """See KeptServer. As `stop`."""
        await asyncio.gather(self._controllers.kill(), super().kill())

    async def wipe(self) -> None:
        """See KeptServer."""
        await self._end_all()
        self._before.clear()
        await asyncio.to_thread(shutil.rmtree, self._etcd.folder / "data", ignore_errors=True)

    async def close(self) -> None:
        """See KeptServer."""
        await self._end_all()
        for process in (self._controllers, self._process, self._etcd):
            process.remove_folder()

    async def command(self, name: str, argument: Any) -> Any:
        """See KeptServer."""
        match name:
            case "begin":
                self._before = await asyncio.to_thread(self._keys)
                return None
            case "clean":
                return await asyncio.to_thread(self._clean)
            case "expire":
                return await asyncio.to_thread(self._expire)
        return await super().command(name, argument)

    async def _end_all(self) -> None:
        for process in (self._controllers, self._process, self._etcd):
            await process.kill()

    def _ended(self, what: str, end: Exit) -> None:
        self.died(f"{what} {end}")

    # What is kept.

    def _clean(self) -> bool:
        keys = self._keys()
        made = [key for key in keys if key not in self._before]
        for at in range(0, len(made), _KEYS_AT_ONCE):
            removals = [{"requestDeleteRange": {"key": _coded(key)}} for key in made[at : at + _KEYS_AT_ONCE]]
            self._ask_etcd("kv/txn", {"success": removals})
        return all(
            keys.get(key) == changed for key, changed in self._before.items() if not key.startswith(_OF_THE_SERVER)
        )

    def _keys(self) -> dict[str, str]:
        """
        The keys of all objects but the server's own, each with the revision of its last change.
        """
        first, last = _coded("/registry/"), _coded("/registry0")
        answer = self._ask_etcd("kv/range", {"key": first, "range_end": last, "keys_only": True})
        named = {b64decode(each["key"]).decode(): str(each["mod_revision"]) for each in answer.get("kvs", ())}
        return {key: changed for key, changed in named.items() if not key.startswith(_OF_THE_SERVER)}

    def _expire(self) -> None:
        # A key that is no object's moves the revision on, past everything that anybody has seen.
        revision = self._ask_etcd("kv/put", {"key": _coded("gatesim"), "value": ""})["header"]["revision"]
        self._ask_etcd("kv/put", {"key": _coded("gatesim"), "value": ""})
        self._ask_etcd("kv/compaction", {"revision": str(int(revision) + 1), "physical": True})

    def _ask_etcd(self, what: str, question: Json) -> Json:
        url = f"http://{_LOOPBACK}:{self._etcd_port}/v3/{what}"
        request = urllib.request.Request(url, json.dumps(question).encode(), {"Content-Type": "application/json"})
        try:
            with _DIRECT.open(request, timeout=_START_S) as answer:
                found: Json = json.load(answer)
                return found
        except OSError as error:
            raise Unstartable(f"etcd does not do what it is asked for: {error}") from error

    # What runs.

    def _etcd_command(self, found: Installed) -> list[str]:
        client, peer = (f"http://{_LOOPBACK}:{port}" for port in (self._etcd_port, self._peer_port))
        return [
            str(found.programs["etcd"]),
            *(f"--data-dir={self._etcd.folder / 'data'}", "--unsafe-no-fsync", "--log-level=warn"),
            *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
            f"--initial-cluster=default={peer}",
            # A member that is alone waits for its own election.
            *("--heartbeat-interval=10", "--election-timeout=100"),
        ]

    def _server_command(self, found: Installed) -> list[str]:
        certificate, key = self._certificate.file, self._certificate.key
        return [
            str(found.programs["kube-apiserver"]),
            f"--etcd-servers=http://{_LOOPBACK}:{self._etcd_port}",
            *(f"--bind-address={_LOOPBACK}", f"--advertise-address={_LOOPBACK}", f"--secure-port={self._port}"),
            *(f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}", f"--client-ca-file={certificate}"),
            *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"),
            "--service-account-issuer=https://kubernetes.default.svc",
            *(f"--service-account-key-file={certificate}", f"--service-account-signing-key-file={key}"),
            # Pods would wait for accounts, which no controller here makes.
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",  # a loopback address cannot be an endpoint
            "--watch-cache=false",  # it would remember versions that etcd has forgotten
            "--profiling=false",
        ]

    def _controllers_command(self, found: Installed) -> list[str]:
        return [
            str(found.programs["kube-controller-manager"]),
            *(f"--kubeconfig={self._kubeconfig()}", "--leader-elect=false", "--secure-port=0"),
            *(f"--controllers={_CONTROLLERS}", "--kube-api-qps=200", "--kube-api-burst=400"),
        ]

    def _kubeconfig(self) -> Path:
        file = self._process.folder / "kubeconfig"
        certificate, key = str(self._certificate.file), str(self._certificate.key)
        cluster = {"server": f"https://{_LOOPBACK}:{self._port}", "certificate-authority": certificate}
        user = {"client-certificate": certificate, "client-key": key}
        told = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "gatesim",
            "clusters": [{"name": "gatesim", "cluster": cluster}],
            "users": [{"name": "gatesim", "user": user}],
            "contexts": [{"name": "gatesim", "context": {"cluster": "gatesim", "user": "gatesim"}}],
        }
        file.write_text(json.dumps(told), encoding="utf-8")
        return file

    async def _etcd_answers(self) -> bool:
        return await asyncio.to_thread(_says_yes, f"http://{_LOOPBACK}:{self._etcd_port}/health", None)

    async def _answers(self) -> bool:
        url = f"https://{_LOOPBACK}:{self._port}/readyz"
        return await asyncio.to_thread(_says_yes, url, self._as_client())

    def _get(self, path: str) -> Json:
        opener = _opener(self._as_client())
        with opener.open(f"https://{_LOOPBACK}:{self._port}{path}", timeout=_ANSWER_S) as answer:
            found: Json = json.load(answer)
            return found

    def _as_client(self) -> ssl.SSLContext:
        return client_context(str(self._certificate.file), str(self._certificate.key))


def client_context(certificate: str, key: str) -> ssl.SSLContext:
    """
    How to connect to a server that `access` tells of.
    """
    context = ssl.create_default_context(cafile=certificate)
    context.load_cert_chain(certificate, key)
    return context


def _opener(context: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    """
    What opens a URL without a proxy of the machine's between.
    """
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))


_DIRECT = _opener(None)


def _says_yes(url: str, context: ssl.SSLContext | None) -> bool:
    try:
        with _opener(context).open(url, timeout=_ANSWER_S) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _coded(text: str) -> str:
    return b64encode(text.encode()).decode()
