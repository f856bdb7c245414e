"""
GatewaySpec: what a Gateway resource says, checked and frozen; and the manifests that it is read from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gateways.errors import ManifestError
from gateways.limits import Limits, Retry
from gateways.manifest import ManifestObject, config_map_data, objects_in
from gateways.watcher import Watcher, gateway, sensor
from gateways.yaml_nodes import Node, Place, YamlProblem, kind_of, plain

if TYPE_CHECKING:
    from gateways.gateway_resource import LimitsSection, RetrySection, SpecSection

DEFAULT_NAMESPACE = "default"
API_GROUP = "argoproj.io/"
_OUTSIDE = frozenset({"name", "namespace", "secrets", "transformerConfigMap"})
"""What a mapping says of a gateway beside its spec."""


class Dispatch(NamedTuple):
    """
    Where events are dispatched to where that is a broker.
    """

    mechanism: str
    """`NATS` or `Kafka`."""
    text: str
    """`url`, `auth` and `tls`, written as in the text of a configuration of that type."""
    topic: str = ""
    """Of Kafka."""
    jetstream: bool = False
    """Of NATS: accepted is what a stream has stored."""


@dataclass(frozen=True, slots=True)
class GatewaySpec:
    """
    One gateway, as much of its resource as running it needs.
    """

    name: str
    type: str
    version: str = ""
    """Of its events."""
    namespace: str = DEFAULT_NAMESPACE
    config_map: str = ""
    """Name of the ConfigMap with its configurations; empty for none."""
    image_version: str = "latest"
    watchers: tuple[Watcher, ...] = ()
    """Sensors first, each kind in the order of the resource."""
    dispatch: Dispatch | None = None
    """None: over HTTP, to the watchers."""
    envelope: str = "1.0"
    """Of CloudEvents to sensors: `1.0`, or `0.1` as old sensors read it."""
    content_mode: str = "structured"
    """Of CloudEvents 1.0 over HTTP to sensors: `structured` or `binary`. Gateways always get the first."""
    order: str = "lane"
    """`lane`: each watcher gets the events of one configuration in their order. `none`: side by side."""
    retry: Retry = field(default_factory=Retry)
    limits: Limits = field(default_factory=Limits)
    transformer_port: int | None = None
    """Where framework-independent processors hand over events; None for nowhere."""
    control_port: int | None = None
    """Where status, health and metrics are served; None for nowhere."""

    @property
    def transformer_config_map(self) -> str:
        """
        Name of the ConfigMap that the transformer's port reads.
        """
        return f"{self.name}-gateway-transformer-configmap"


class Manifests(NamedTuple):
    """
    What manifest files hold for gateways.
    """

    gateways: tuple[GatewaySpec, ...]
    """In the order of the files; never empty."""
    config_maps: Mapping[str, Mapping[str, str]]
    """The data of every ConfigMap, by name."""

    def transformer_config_map(self, spec: GatewaySpec) -> Mapping[str, str] | None:
        """
        The data of the ConfigMap that the transformer's port of *spec* reads; None where there is none.
        """
        return self.config_maps.get(spec.transformer_config_map)


def gateway_from_mapping(mapping: Mapping[str, Any], *, jitter: float = 0.0) -> GatewaySpec:
    """
    The gateway that *mapping* describes: its `name`, and beside it the fields of a Gateway's spec.

    For a gateway in the caller's own process: `configMap` may be the data itself, which is then passed over, as is
    `transformerConfigMap` and `secrets`.

    Args:
        mapping: Keys as the resource spells them.
        jitter: Where `gatesim.retry.jitter` says nothing; 0 suits time that only a scenario moves.

    Raises:
        ManifestError: Every problem, without places.
    """
    from gateways.gateway_resource import read_spec  # noqa: PLC0415 - see gateway_resource

    raw = {key: value for key, value in mapping.items() if key not in _OUTSIDE}
    if isinstance(raw.get("configMap"), Mapping):
        del raw["configMap"]
    name, namespace = mapping.get("name"), mapping.get("namespace") or DEFAULT_NAMESPACE
    spec, found = read_spec(raw, require_deploy_spec=False)
    problems = [problem.problem for problem in found]
    if not isinstance(name, str) or not name:
        problems.insert(0, "a gateway needs a `name`")
    if problems or spec is None:
        raise ManifestError(problems)
    return _as_spec(spec, str(name), str(namespace), jitter)


def load_manifests(paths: Sequence[Path], *, require_deploy_spec: bool = False) -> Manifests:
    """
    Read the Gateways and ConfigMaps in manifest files, as a cluster would have them.

    Other kinds of objects are passed over, and so are folders: those are mounted ConfigMaps, see configmap.FileSource.

    Args:
        paths: Files, each with any number of documents.
        require_deploy_spec: Whether a Gateway needs its `deploySpec`; running one outside a cluster does not.

    Raises:
        ManifestError: Every problem of every file, each with file, line and column.
    """
    reading = _Reading(require_deploy_spec)
    for path in paths:
        if not path.is_dir():
            reading.read(path)
    if not reading.gateways and not reading.problems:
        reading.problems.append(_no_gateway(paths))
    if reading.problems:
        raise ManifestError(reading.problems)
    return Manifests(tuple(spec for spec, _ in reading.gateways.values()), reading.config_maps)


def _no_gateway(paths: Sequence[Path]) -> str:
    files = ", ".join(str(path) for path in paths if not path.is_dir())
    if not files:
        return "no manifest is given: name the file that holds the Gateway"
    return f"no Gateway of apiVersion {API_GROUP}v1alpha1 is in {files}"


class _Reading:
    """
    What was found in the files so far.
    """

    def __init__(self, require_deploy_spec: bool) -> None:
        self.gateways: dict[str, tuple[GatewaySpec, str]] = {}
        """By name; each with its place."""
        self.config_maps: dict[str, Mapping[str, str]] = {}
        self.problems: list[str] = []
        self._require_deploy_spec = require_deploy_spec

    def read(self, path: Path) -> None:
        """
        Take in the file at *path*.
        """
        try:
            for found in objects_in(path.read_bytes().decode("utf-8-sig")):
                if found.kind == "ConfigMap":
                    self._config_map(found, path)
                elif found.kind == "Gateway" and found.api_version.startswith(API_GROUP):
                    self._gateway(found, path)
        except OSError as error:
            self.problems.append(f"{path}: cannot be read: {error.strerror or error}")
        except UnicodeDecodeError as error:
            self.problems.append(f"{path}: not UTF-8 at byte {error.start}")
        except YamlProblem as error:
            self._at(path, error.place, error.advice)

    def _config_map(self, found: ManifestObject, path: Path) -> None:
        data, problems = config_map_data(found)
        self.problems += [f"{path}:{problem}" for problem in problems]
        if found.name in self.config_maps:
            self._at(path, found.node.place, f"a second ConfigMap `{found.name}`: give each a name of its own")
        self.config_maps[found.name] = data

    def _gateway(self, found: ManifestObject, path: Path) -> None:
        from gateways.gateway_resource import read_spec  # noqa: PLC0415 - see gateway_resource

        place = found.node.place
        name = found.name
        if not name:
            self._at(path, place, "this Gateway has no `metadata.name`")
        elif name in self.gateways:
            self._at(path, place, f"a second Gateway `{name}`; the first is at {self.gateways[name][1]}")
        node = found.node.value.get("spec")
        if node is None or not isinstance(node.value, dict):
            what = "this Gateway has no `spec`" if node is None else f"`spec` must be a mapping, not {kind_of(node)}"
            self._at(path, place if node is None else node.place, what)
            return
        spec, problems = read_spec(plain(node), require_deploy_spec=self._require_deploy_spec)
        for problem in problems:
            self._at(path, _place_of(node, problem.path, _key_place(found.node, "spec")), problem.problem)
        if spec is not None and not problems and name:
            namespace = found.namespace or DEFAULT_NAMESPACE
            self.gateways[name] = (_as_spec(spec, name, namespace, Retry().jitter), f"{path}:{place.line}")

    def _at(self, path: Path, place: Place, problem: str) -> None:
        self.problems.append(f"{path}:{place.in_file}: {problem}")


def _key_place(node: Node, key: str) -> Place:
    return (node.keys or {}).get(key, node.place)


def _place_of(node: Node, path: Iterable[str | int], around: Place) -> Place:
    """
    Where the key at the end of *path* stands, or the nearest thing around it.
    """
    place = around
    for name in path:
        if isinstance(node.value, dict) and isinstance(name, str) and name in node.value:
            place, node = _key_place(node, name), node.value[name]
        elif isinstance(node.value, list) and isinstance(name, int) and name < len(node.value):
            node = node.value[name]
            place = node.place
        else:
            break
    return place


def _as_spec(spec: SpecSection, name: str, namespace: str, jitter: float) -> GatewaySpec:
    options = spec.gatesim
    return GatewaySpec(
        name=name,
        type=spec.type,
        version=spec.version or spec.event_version,
        namespace=namespace,
        config_map=spec.config_map,
        image_version=spec.image_version,
        watchers=tuple(_watchers(spec)),
        dispatch=_dispatch(spec),
        envelope=options.envelope,
        content_mode=options.content_mode,
        order=options.order,
        retry=_retry(options.retry, jitter),
        limits=_limits(options.limits),
        transformer_port=options.transformer.port if options.transformer else None,
        control_port=options.control_port,
    )


def _dispatch(spec: SpecSection) -> Dispatch | None:
    section = spec.gatesim.dispatch
    if spec.mechanism == "HTTP" or section is None:
        return None
    return Dispatch(spec.mechanism, section.text, section.topic or "", section.jetstream)


def _watchers(spec: SpecSection) -> Iterator[Watcher]:
    if spec.watchers is not None:
        for entry in spec.watchers.sensors or ():
            yield sensor(entry.name)
        for other in spec.watchers.gateways or ():
            yield gateway(other.name, other.port, other.endpoint)


def _retry(section: RetrySection, jitter: float) -> Retry:
    given = {
        "attempts": section.attempts,
        "backoff_s": section.backoff,
        "factor": section.factor,
        "backoff_s_max": section.backoff_max,
        "jitter": jitter if section.jitter is None else section.jitter,
    }
    return replace(Retry(), **_only_given(given))


def _limits(section: LimitsSection) -> Limits:
    given = {
        "connect_s": section.connect,
        "answer_s": section.answer,
        "gateway_answer_s": section.gateway_answer,
        "webhook_deadline_s": section.webhook_deadline,
        "waiting": section.waiting,
        "webhook_in_flight": section.webhook_in_flight,
        "remembered": section.remembered,
        "body_bytes": section.body,
        "header_read_s": section.header_read,
        "body_read_s": section.body_read,
        "idle_s": section.idle,
        "connections": section.connections,
        "stop_s": section.stop,
        "interval_s_min": section.interval_min,
    }
    return replace(Limits(), **_only_given(given))


def _only_given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
