"""
Head: what is there before the first step of a scenario: gateways, services, time, and what is promised of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, Strict, WithJsonSchema
from pydantic.alias_generators import to_camel

from simulator.scenario_file.key_rules import AnyOf, OneOf
from simulator.scenario_file.shape import Instant, Port, Shape, TextMap, Texts, kind_of, wrong

Provider = Literal["embedded", "local", "container", "external"]
Isolation = Literal["shared", "own"]


class VirtualTime(Shape):
    """
    Time that only the scenario moves.
    """

    virtual: Instant = Field(
        default=datetime(2018, 10, 7, 12, tzinfo=UTC),
        description="When the scenario begins.",
        examples=["2018-10-07T12:00:00Z"],
    )
    zone: str = Field(
        default="UTC", description="The time zone of the gateways' process, an IANA name.", examples=["UTC"]
    )


class Sensor(Shape):
    """
    A watcher that is a sensor.
    """

    name: str = Field(min_length=1, description="Name of the sensor.", examples=["audit"])


class GatewayWatcher(Shape):
    """
    A watcher that is a gateway: one of this file's by its name, else a recorder.
    """

    name: str = Field(min_length=1, description="Name of the gateway that is dispatched to.")
    port: Port = Field(description="The webhook port it listens on.", examples=[12000])
    endpoint: str = Field(pattern=r"^/\S*$", description="The webhook endpoint.", examples=["/foo"])


class Watchers(Shape):
    """
    Who the gateway dispatches to.
    """

    sensors: Annotated[tuple[Sensor, ...], Strict(False)] | None = Field(
        default=None, description="Sensors.", examples=[[{"name": "audit"}]]
    )
    gateways: Annotated[tuple[GatewayWatcher, ...], Strict(False)] | None = Field(
        default=None, description="Gateways, at a webhook endpoint each."
    )


def _text_or_number(value: Any) -> str:
    if type(value) not in (str, int):
        raise wrong(f"must be text or a number, not {kind_of(value)}")
    return str(value)


TextOrNumber = Annotated[
    str, PlainValidator(_text_or_number), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]})
]


class Gateway(Shape):
    """
    A gateway: the fields of a Gateway resource, and the data of its ConfigMap.
    """

    may_be_empty = frozenset({"configMap", "transformerConfigMap"})

    name: str = Field(min_length=1, description="Name of the gateway.", examples=["nats-gateway"])
    type: str = Field(min_length=1, description="Gateway type.", examples=["nats", "webhook", "calendar"])
    version: str = Field(default="1.0", description="Version of its events; text.", examples=["1.0"])
    config_map: TextMap | None = Field(
        default=None,
        description="The ConfigMap's data: each configuration's name to its text. Left out: there is no ConfigMap yet.",
        examples=[{"calendar.fooConfig": "interval: 10s"}],
    )
    cluster: str | None = Field(
        default=None,
        min_length=1,
        description="Its cluster, a service of type `kubernetes`: Gateway, ConfigMap, Secrets and status are there.",
        examples=["kubernetes"],
    )
    watchers: Watchers | None = Field(default=None, description="Who the gateway dispatches to.")
    dispatch_mechanism: str = Field(default="HTTP", description="How the gateway dispatches.", examples=["HTTP"])
    rpc_port: TextOrNumber | None = Field(default=None, description="gRPC port of a custom gateway's server.")
    http_server_port: TextOrNumber | None = Field(default=None, description="HTTP port of a custom gateway's server.")
    deploy_spec: dict[str, Any] | None = Field(
        default=None, description="Pod specification, as a Gateway resource has it."
    )
    service_spec: dict[str, Any] | None = Field(default=None, description="Service specification, likewise.")
    gatesim: dict[str, Any] | None = Field(
        default=None,
        description="The reference gateway's own options: envelope, contentMode, retry, limits and others.",
    )
    secrets: dict[str, TextMap] = Field(
        default={},
        description="The Secrets of its namespace: names to keys and their values, which are masked in every output.",
        examples=[{"minio": {"accesskey": "an-access-key", "secretkey": "a-secret-key"}}],
    )
    transformer_config_map: TextMap | None = Field(
        default=None, description="Data of the ConfigMap that the transformer's HTTP port reads."
    )


class ServiceSetup(Shape):
    """
    A service and how it is prepared. Beside these keys each type of service takes its own, such as `streams`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, alias_generator=to_camel)

    type: str | None = Field(
        default=None, description="Type of the service; its name where left out.", examples=["nats"]
    )
    as_: Texts = Field(
        default=(),
        alias="as",
        description="The addresses in configuration texts that mean this service.",
        examples=[["nats.argo-events:4222"]],
    )
    provider: Provider | None = Field(default=None, description="Where it comes from; the command line wins.")
    stopped: bool = Field(default=False, description="Nothing listens there until a `restart` of it.")
    isolation: Isolation | None = Field(default=None, description="`own`: a service that nobody else uses.")

    @property
    def setup(self) -> dict[str, Any]:
        """
        The keys of its type: for NATS `streams`, `users`, `tls`, `jetstream`.
        """
        return dict(self.model_extra or {})


Mode = Literal["at-least-once", "at-most-once"]


class Guarantee(Shape):
    """
    What delivery owes; turns on the delivery checkers.
    """

    mode: Mode = Field(description="How often each stimulus must be accepted.")
    ordered_per: str | None = Field(
        default=None, description="Events that are equal in this attribute keep their order.", examples=["subject"]
    )


def _guarantee(value: Any) -> Any:
    return {"mode": value} if isinstance(value, str) else value


def _clock(value: Any) -> Any:
    if value == "real":
        return value
    if not isinstance(value, dict):
        shown = f"`{value[:40]}` is no clock" if isinstance(value, str) else f"must be a clock, not {kind_of(value)}"
        raise wrong(shown, 'write `real` or `{virtual: "2018-10-07T12:00:00Z"}`')
    return VirtualTime.model_validate(value)


class Allow(Shape):
    """
    Losses that the scenario expects, each an exact number.
    """

    not_received: int = Field(
        default=0, ge=0, alias="not-received", description="Stimuli that the gateway does not receive, exactly so many."
    )


class Requires(Shape):
    """
    What the scenario cannot do without; elsewhere it is left out of the run.
    """

    provider: Provider | None = Field(default=None, description="The provider of its services.")
    platform: Literal["linux", "macos", "windows"] | None = Field(default=None, description="The operating system.")

    key_rules = (AnyOf(("provider", "platform"), "a requirement"),)


class Head(Shape):
    """
    A scenario file: what is there, and what happens.
    """

    api_version: Literal["gatesim/v1"] = Field(description="The format of this file.")
    scenario: str = Field(
        min_length=1, description="The sentence that the scenario proves.", examples=["each message arrives once"]
    )
    requirements: Texts = Field(
        default=(), description="Ids of the requirements that it shows.", examples=[["R-CAL-1"], ["G-NATS-1", "BUG-01"]]
    )
    issue: str | None = Field(default=None, description="The bug that it reproduces.", examples=["example/project#12"])
    description: str = Field(default="", description="More about it, for people.")
    tags: Texts = Field(default=(), description="Words to select it by; pytest markers.", examples=[["slow"]])
    clock: Annotated[
        Literal["real"] | VirtualTime,
        PlainValidator(_clock, json_schema_input_type=Literal["real"] | VirtualTime),
    ] = Field(
        default_factory=VirtualTime,
        description="Time that the scenario moves, or `real` time.",
        examples=[{"virtual": "2018-10-07T12:00:00Z", "zone": "UTC"}, "real"],
    )
    gateway: Gateway | None = Field(default=None, description="The gateway; short for `gateways` with one entry.")
    gateways: Annotated[tuple[Gateway, ...], Strict(False)] | None = Field(
        default=None, min_length=1, description="The gateways."
    )
    manifests: Texts | None = Field(
        default=None,
        min_length=1,
        description="Gateway and ConfigMap manifests, as a cluster has them; paths are relative to this file.",
        examples=[["gateway.yaml", "configmap.yaml"]],
    )
    services: dict[str, ServiceSetup | None] = Field(
        default={}, description="Services by name; `type` is the name where left out.", examples=[{"nats": {}}]
    )
    guarantee: Annotated[
        Guarantee | None, BeforeValidator(_guarantee, json_schema_input_type=Mode | Guarantee | None)
    ] = Field(default=None, description="What delivery owes.", examples=["at-least-once", {"mode": "at-least-once"}])
    allow: Allow | None = Field(default=None, description="Losses that are expected.", examples=[{"not-received": 1}])
    unexpected: Literal["fail", "allow"] = Field(
        default="fail", description="What events mean that no `expect` covered by the end."
    )
    matrix: dict[str, list[Any]] | None = Field(
        default=None,
        min_length=1,
        description="Names to values; each combination is a scenario of its own, `${{ matrix.NAME }}` its value.",
        examples=[{"size": [1, 1000]}],
    )
    use: Texts = Field(default=(), description="Shared parts of other files.", examples=[["fragments.yaml#broker"]])
    requires: Requires | None = Field(default=None, description="What it cannot do without.")
    secrets: Texts = Field(
        default=(), description="Keys whose values are masked in every output.", examples=[["password", "token"]]
    )
    isolation: Isolation = Field(default="shared", description="`own`: services that no other scenario uses.")
    steps: Annotated[tuple[Any, ...], Strict(False)] = Field(min_length=1, description="What happens, in order.")

    key_rules = (
        OneOf(("gateway", "gateways"), optional=True),
        AnyOf(("gateway", "gateways", "manifests"), "a gateway"),
    )
