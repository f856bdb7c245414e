"""
What a scenario file may say of an S3 service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from simulator.scenario_file.shape import Shape, Texts
from simulator.services.shapes import NO_TLS_IN_PROCESS, OwnServer, ServiceShape, address_of

_HTTP_PORT, _HTTPS_PORT = 80, 443


class S3Object(Shape):
    """
    Which object.
    """

    bucket: str = Field(min_length=1, description="The S3 bucket.", examples=["orders"])
    key: str = Field(min_length=1, max_length=1024, description="The object's key.", examples=["7.json"])


class S3Setup(OwnServer):
    """
    How an S3 server is prepared.
    """

    buckets: Texts = Field(
        default=(),
        description="Buckets that exist at the start.",
        examples=[["orders"]],
    )
    users: dict[str, str] = Field(
        default={}, description="Access keys to secret keys, of which one is needed; without any, all are let in."
    )
    tls: bool = Field(default=False, description="Take connections over TLS only.")
    listening: bool = Field(
        default=True, description="Answer ListenBucketNotification, as MinIO does; Amazon S3 does not know it."
    )

    key_rules = (NO_TLS_IN_PROCESS,)


@dataclass(frozen=True, slots=True)
class S3Shape(ServiceShape):
    """
    An endpoint without a port means that of its scheme.
    """

    def addresses_in(self, configuration: Any) -> list[str]:
        """See ServiceShape."""
        found = _lowered(configuration)
        endpoint = _lowered(found.get("s3eventconfig")).get("endpoint")
        port = _HTTP_PORT if found.get("insecure") is True else _HTTPS_PORT
        return [address_of(endpoint, port)] if isinstance(endpoint, str) and endpoint.strip() else []


def _lowered(value: Any) -> dict[str, Any]:
    return {str(key).lower(): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}


SHAPE = S3Shape(
    type="s3",
    publish=None,
    setup=S3Setup,
    address_key="s3EventConfig.endpoint",
    default_port=9000,
    addresses=("minio.argo-events:9000",),
    faults=frozenset(
        {"disconnect", "refuse", "blackhole", "latency", "rate", "reset", "pause", "kill", "expireWatch", "reply"}
    ),
    steps={"put": S3Object, "remove": S3Object},
)
