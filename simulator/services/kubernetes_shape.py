"""
What a scenario file may say of a Kubernetes API server.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from simulator.scenario_file.shape import Json, Shape
from simulator.services.shapes import NoKeys, OwnServer, ServiceShape


class KubernetesObject(Shape):
    """
    Which object.
    """

    api_version: str = Field(default="v1", min_length=1, description="Its apiVersion.", examples=["apps/v1"])
    kind: str = Field(min_length=1, description="Its kind.", examples=["ConfigMap"])
    namespace: str = Field(default="default", min_length=1, description="Its namespace.", examples=["argo-events"])
    name: str = Field(min_length=1, description="Its name.", examples=["settings"])


class KubernetesSetup(OwnServer):
    """
    How a Kubernetes API server is prepared.
    """

    objects: tuple[Json, ...] = Field(
        default=(),
        strict=False,
        description="Objects that are there at the start, CustomResourceDefinitions among them; namespaces are made.",
        examples=[[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}]],
    )

    @property
    def manifests(self) -> list[dict[str, Any]]:
        """
        The objects.
        """
        return list(self.objects)


SHAPE = ServiceShape(
    type="kubernetes",
    publish=None,
    setup=KubernetesSetup,
    default_port=443,
    addresses=("kubernetes.default.svc:443",),
    faults=frozenset(
        {"disconnect", "refuse", "blackhole", "latency", "rate", "reset", "pause", "kill", "expireWatch", "reply"}
    ),
    steps={"apply": NoKeys, "delete": KubernetesObject},
)
