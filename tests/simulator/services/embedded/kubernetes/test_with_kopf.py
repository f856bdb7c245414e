"""
The API server as kopf sees it, an operator framework: it watches, patches, keeps finalizers and writes events.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.services.embedded.kubernetes.serving import serving
from tests.simulator.services.embedded.kubernetes.test_with_client_package import DEFINITION, WORKFLOWS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

OPERATOR = """
import kopf

@kopf.on.startup()
def quietly(settings, **_):
    settings.persistence.finalizer = "example.com/held"

@kopf.on.create("argoproj.io", "v1alpha1", "workflows")
def made(spec, patch, body, **_):
    patch.status["phase"] = f"made with {spec['steps']}"
    kopf.info(body, reason="Made", message="it is made")

@kopf.on.delete("argoproj.io", "v1alpha1", "workflows")
def gone(name, **_):
    print(f"gone {name}", flush=True)
"""
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{url}"}}}}]
users: [{{name: u, user: {{token: any}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
"""
LIMIT_S = 30.0


def wait_for(found: Any) -> Any:
    deadline = time.monotonic() + LIMIT_S
    while not (result := found()):
        assert time.monotonic() < deadline, "the operator did not do it"
        time.sleep(0.05)
    return result


def test_an_operator_creates_marks_and_lets_go(tmp_path: Path) -> None:
    from kubernetes import client

    (tmp_path / "operator.py").write_text(OPERATOR)
    with serving() as server, client.ApiClient(client.Configuration(host=server.url)) as api:
        client.ApiextensionsV1Api(api).create_custom_resource_definition(DEFINITION)
        workflows = client.CustomObjectsApi(api)
        (tmp_path / "config").write_text(KUBECONFIG.format(url=server.url))
        environment = {**os.environ, "KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)}
        command = [sys.executable, "-m", "kopf", "run", "-n", "default", "--standalone", str(tmp_path / "operator.py")]
        operator = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}}
            workflows.create_namespaced_custom_object(*WORKFLOWS, {**body, "spec": {"steps": 3}})

            def seen() -> Any:
                return workflows.get_namespaced_custom_object(*WORKFLOWS, "w")

            wait_for(lambda: seen().get("status", {}).get("phase") == "made with 3")
            assert seen()["metadata"]["finalizers"] == ["example.com/held"]
            events = client.CoreV1Api(api)
            wait_for(lambda: "Made" in [each.reason for each in events.list_namespaced_event("default").items])
            workflows.delete_namespaced_custom_object(*WORKFLOWS, "w")
            wait_for(lambda: not workflows.list_namespaced_custom_object(*WORKFLOWS)["items"])
        finally:
            operator.terminate()
            said = operator.communicate(timeout=LIMIT_S)[0].decode()
        assert "gone w" in said
