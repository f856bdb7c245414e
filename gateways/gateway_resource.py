"""
The Gateway resource as Kubernetes holds it: every field, its type, and what is wrong with one.

Imported only when a manifest is read; what runs needs gateway_spec alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gateways.errors import ConfigurationError
from gateways.options import go_duration
from gateways.suggestion import did_you_mean

Path = tuple[str | int, ...]


class SpecProblem(NamedTuple):
    """
    Something wrong in a Gateway's spec.
    """

    path: Path
    """From the spec down; of the key that is at fault, or of what lacks one."""
    problem: str


def _wrong(problem: str) -> PydanticCustomError:
    return PydanticCustomError("ours", "{problem}", {"problem": problem})


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        raise _wrong("must be a duration such as `500ms` or `10s`")
    try:
        seconds = go_duration(value)
    except ConfigurationError as error:
        raise _wrong(f"is no duration: {error}") from None
    if seconds <= 0:
        raise _wrong("must be longer than nothing, such as `10s`")
    return seconds


def _port(value: Any) -> int:
    text = str(value) if type(value) in (str, int) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise _wrong("must be a port between 1 and 65535")
    return int(text)


def _own_port(value: Any) -> int:
    return 0 if value in (0, "0") and value is not False else _port(value)


_UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def _bytes(value: Any) -> int:
    text = str(value) if type(value) in (str, int) else ""
    number, unit = (text[:-2], text[-2:]) if text[-1:] == "i" else (text, "")
    if not (number.isascii() and number.isdigit() and len(number) < 12 and unit in _UNITS and int(number)):
        raise _wrong("must be a number of bytes such as 1048576 or `1Mi`")
    return int(number) * _UNITS[unit]


def _endpoint(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or any(character.isspace() for character in value):
        raise _wrong("must be a path that starts with `/`")
    return value


def _envelope(value: Any) -> Any:
    return str(float(value)) if type(value) in (int, float) else value


Duration = Annotated[float, PlainValidator(_duration)]
Port = Annotated[int, PlainValidator(_port)]
OwnPort = Annotated[int, PlainValidator(_own_port)]
"""One of the gateway's own; 0 for any free one."""
Bytes = Annotated[int, PlainValidator(_bytes)]
Name = Annotated[str, Field(pattern=r"^[^\s/:@?#]{1,253}$")]
"""Of an object whose Service is dialled."""


class Section(BaseModel):
    """
    One mapping of the resource. Unknown keys are errors, values are taken as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel)


class SensorSection(Section):
    """
    A watcher that is a sensor.
    """

    name: Name


class GatewayWatcherSection(Section):
    """
    A watcher that is another gateway's webhook endpoint.
    """

    name: Name
    port: Port
    endpoint: Annotated[str, PlainValidator(_endpoint)]


class WatchersSection(Section):
    """
    Who is dispatched to.
    """

    sensors: list[SensorSection] | None = None
    gateways: list[GatewayWatcherSection] | None = None


class DispatchSection(Section):
    """
    Where the mechanisms NATS and Kafka dispatch to.
    """

    url: str | None = None
    topic: str | None = None
    jetstream: bool = False
    auth: dict[str, Any] | None = None
    tls: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """
        What of it a configuration of that type would say of its broker, as its text.
        """
        said = {"url": self.url, "auth": self.auth, "tls": self.tls}
        return json.dumps({name: value for name, value in said.items() if value is not None}, default=str)


class RetrySection(Section):
    """
    How often a watcher is asked, and the waits in between.
    """

    attempts: int | None = Field(default=None, ge=1, le=1000)
    backoff: Duration | None = None
    factor: float | None = Field(default=None, ge=1, le=1000)
    backoff_max: Duration | None = None
    jitter: float | None = Field(default=None, ge=0, le=1)


class LimitsSection(Section):
    """
    How long anything may take and how much of it may wait.
    """

    connect: Duration | None = None
    answer: Duration | None = None
    gateway_answer: Duration | None = None
    webhook_deadline: Duration | None = None
    waiting: int | None = Field(default=None, ge=1, le=1_000_000)
    webhook_in_flight: int | None = Field(default=None, ge=1, le=1_000_000)
    remembered: int | None = Field(default=None, ge=1, le=10_000_000)
    body: Bytes | None = None
    header_read: Duration | None = None
    body_read: Duration | None = None
    idle: Duration | None = None
    connections: int | None = Field(default=None, ge=1, le=1_000_000)
    stop: Duration | None = None
    interval_min: Duration | None = None


class TransformerSection(Section):
    """
    The transformer's HTTP port, for processors that are not ours.
    """

    port: OwnPort


class GatesimSection(Section):
    """
    Options that only this gateway knows.
    """

    envelope: Annotated[Literal["1.0", "0.1"], BeforeValidator(_envelope)] = "1.0"
    content_mode: Literal["structured", "binary"] = "structured"
    mapping: str | None = None
    order: Literal["lane", "none"] = "lane"
    dispatch: DispatchSection | None = None
    retry: RetrySection = RetrySection()
    limits: LimitsSection = LimitsSection()
    transformer: TransformerSection | None = None
    control_port: OwnPort | None = None


class SpecSection(Section):
    """
    The `spec` of a Gateway.
    """

    deploy_spec: dict[str, Any] | None = None
    config_map: str = ""
    type: str = ""
    version: str = ""
    event_version: str = ""
    image_version: str = "latest"
    service_spec: dict[str, Any] | None = None
    watchers: WatchersSection | None = None
    rpc_port: Port | None = None
    http_server_port: Port | None = None
    dispatch_mechanism: str = "HTTP"
    gatesim: GatesimSection = GatesimSection()

    @property
    def mechanism(self) -> str:
        """
        How events are dispatched: `HTTP`, `NATS` or `Kafka`.
        """
        return MECHANISMS.get(self.dispatch_mechanism or _HTTP, "")


_HTTP = "HTTP"
MECHANISMS = {"HTTP": "HTTP", "NATSGateway": "NATS", "KafkaGateway": "Kafka", "NATS": "NATS", "Kafka": "Kafka"}
"""What `dispatchMechanism` may be, and what it means."""
_LATER_KEYS: tuple[Path, ...] = (("rpcPort",), ("httpServerPort",), ("gatesim", "mapping"))


def read_spec(raw: Mapping[str, Any], *, require_deploy_spec: bool) -> tuple[SpecSection | None, list[SpecProblem]]:
    """
    The spec in *raw*, and every problem with it: first those that Kubernetes users know, in their known order.

    Keys without a value count as absent.

    Returns:
        None where a problem is so bad that there is no spec.
    """
    given = _without_nothing(raw)
    problems = [*_missing(given, require_deploy_spec), *_unsupported(given)]
    try:
        spec = SpecSection.model_validate(given)
    except ValidationError as error:
        return None, [*problems, *_shape_problems(error, given)]
    problems += _contradictions(spec)
    return spec, problems


def _without_nothing(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_nothing(inner) for inner in value]
    return value


def _missing(given: Mapping[str, Any], require_deploy_spec: bool) -> Iterator[SpecProblem]:
    """
    Source: R-CTL-7, R-CTL-9.
    """
    mechanism = given.get("dispatchMechanism", "") or _HTTP
    if require_deploy_spec and "deploySpec" not in given:
        yield SpecProblem((), "gateway deploy specification is not specified: write `deploySpec:` with its containers")
    if given.get("type", "") == "":
        yield SpecProblem(("type",), "gateway type is not specified: write `type: calendar`, for instance")
    if given.get("version", "") == given.get("eventVersion", "") == "":
        yield SpecProblem(("version",), 'gateway version is not specified: write `version: "1.0"`, for instance')
    watchers = given.get("watchers", {})
    if mechanism == _HTTP and isinstance(watchers, Mapping) and not {"sensors", "gateways"} & watchers.keys():
        hint = "write `watchers: {sensors: [{name: NAME}]}`, or `watchers: {sensors: []}` for none"
        yield SpecProblem(("watchers",), f"no associated watchers with gateway: {hint}")
    if isinstance(mechanism, str) and mechanism not in MECHANISMS:
        problem = (
            f"unknown gateway type: dispatchMechanism `{mechanism[:40]}` is none of HTTP, NATSGateway, KafkaGateway"
        )
        yield SpecProblem(("dispatchMechanism",), problem)


def _unsupported(given: Mapping[str, Any]) -> Iterator[SpecProblem]:
    for path in _LATER_KEYS:
        holder: Any = given
        for name in path[:-1]:
            holder = holder.get(name) if isinstance(holder, Mapping) else None
        if isinstance(holder, Mapping) and path[-1] in holder:
            yield SpecProblem(path, f"`{shown(path)}` is not supported yet: leave it out")


def _contradictions(spec: SpecSection) -> Iterator[SpecProblem]:
    if spec.version and spec.event_version and spec.version != spec.event_version:
        yield SpecProblem(("eventVersion",), "`version` and `eventVersion` are one field and differ: leave one out")
    if spec.mechanism:
        yield from _of_mechanism(spec)
    watchers = spec.watchers or WatchersSection()
    kinds: tuple[tuple[str, list[Any]], ...] = (
        ("sensors", watchers.sensors or []),
        ("gateways", watchers.gateways or []),
    )
    for kind, entries in kinds:
        seen: set[tuple[Any, ...]] = set()
        for number, entry in enumerate(entries):
            what = (entry.name, getattr(entry, "port", 0), getattr(entry, "endpoint", ""))
            if what in seen:
                yield SpecProblem(("watchers", kind, number), f"`{entry.name}` is there twice in {kind}: leave one out")
            seen.add(what)


def _of_mechanism(spec: SpecSection) -> Iterator[SpecProblem]:
    """
    What the mechanism needs of `gatesim.dispatch`, and what it has no use for.

    Source: G-PIP-20, G-PIP-21.
    """
    path, mechanism, dispatch = ("gatesim", "dispatch"), spec.mechanism, spec.gatesim.dispatch
    if mechanism == _HTTP:
        if dispatch is not None:
            hint = "leave it out, or write `dispatchMechanism: NATSGateway` or `KafkaGateway`"
            yield SpecProblem(path, f"`{shown(path)}` is for brokers, and events are dispatched by HTTP: {hint}")
        return
    if spec.watchers is not None and spec.watchers.gateways:
        problem = f"gateways are dispatched to by HTTP alone; with {mechanism}, let that gateway listen to the broker"
        yield SpecProblem(("watchers", "gateways"), problem)
    given = dispatch or DispatchSection()
    if not given.url:
        example = "nats://nats.argo-events:4222" if mechanism == "NATS" else "kafka.argo-events:9092"
        problem = f"{mechanism} needs to know where it is: write `gatesim: {{dispatch: {{url: {example}}}}}`"
        yield SpecProblem((*path, "url") if dispatch is not None else (), problem)
        return
    if mechanism == "Kafka" and not given.topic:
        yield SpecProblem(path, "Kafka needs a topic: write `gatesim: {dispatch: {topic: events}}` beside the url")
    elif mechanism == "NATS" and given.topic is not None:
        yield SpecProblem((*path, "topic"), "NATS has no topics; the subject is `<gateway>/<configuration>`")
    elif problem := _of_url(mechanism, given):
        yield SpecProblem(path, problem)
    if mechanism == "Kafka" and given.jetstream:
        yield SpecProblem((*path, "jetstream"), "`jetstream` is for NATS: leave it out")


def _of_url(mechanism: str, dispatch: DispatchSection) -> str:
    """
    Why nothing can be dispatched there; empty where it can.
    """
    from gateways.processors.kafka_options import KafkaOptions  # noqa: PLC0415 - only where a broker is named
    from gateways.processors.nats_options import NatsOptions  # noqa: PLC0415 - as above

    try:
        if mechanism == "NATS":
            NatsOptions.to_publish(dispatch.text)
        else:
            KafkaOptions.to_topic(dispatch.text, dispatch.topic or "")
    except ConfigurationError as error:
        return f"{error}"
    return ""


def shown(path: Path) -> str:
    """
    *path* as people read it: `spec.watchers.sensors[0].name`.
    """
    return "spec" + "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in path)


def _shape_problems(error: ValidationError, given: Mapping[str, Any]) -> Iterator[SpecProblem]:
    for found in error.errors(include_url=False):
        path: Path = found["loc"]
        kind = found["type"]
        if kind == "extra_forbidden":
            known = _keys_at(path[:-1])
            problem = f"unknown key `{path[-1]}` in {shown(path[:-1])}{did_you_mean(str(path[-1]), known)}"
        elif kind == "missing":
            path, problem = path[:-1], f"`{shown(path[:-1])}` lacks `{path[-1]}`"
        else:
            problem = f"`{shown(path)}` {_words(kind, found.get('ctx', {}), found['input'])}"
        yield SpecProblem(path, problem)


def _keys_at(path: Path) -> list[str]:
    """
    The keys that the mapping at *path* may have.
    """
    model: type[Section] = SpecSection
    for name in path:
        for field in model.model_fields.values():
            if field.alias == name:
                model = _model_in(field.annotation) or model
    return [field.alias or "" for field in model.model_fields.values()]


def _model_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner)) is not None), None)


_MUST_BE = {
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
}
_BOUNDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda context: f"must be at least {context['ge']:g}",
    "less_than_equal": lambda context: f"must be at most {context['le']:g}",
    "literal_error": lambda context: f"must be {context['expected']}",
    "string_pattern_mismatch": lambda _: "must be a name without spaces, `/` and `:`",
    "ours": lambda context: str(context["problem"]),
}


def _words(kind: str, context: Mapping[str, Any], value: Any) -> str:
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'must be text, not {_kind_of(value)}: put it in quotes, `"{str(value).lower()}"`'
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind]}, not {_kind_of(value)}"
    return _BOUNDS[kind](context) if kind in _BOUNDS else f"is wrong: {kind.replace('_', ' ')}"


def _kind_of(value: Any) -> str:
    names = ((bool, "a boolean"), (str, "text"), (int | float, "a number"), (list, "a list"), (dict, "a mapping"))
    return next((name for kind, name in names if isinstance(value, kind)), "nothing")
