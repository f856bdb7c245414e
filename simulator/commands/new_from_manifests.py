"""
A scenario made from a ConfigMap's manifest: every configuration is asked for, by its own kind of stimulus.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simulator.errors import ScenarioError, ScenarioProblem
from simulator.scenario_file.durations import DurationError, parse_duration
from simulator.scenario_file.manifests import config_maps_in, gateways_in
from simulator.scenario_file.source_text import SourceText
from simulator.scenario_file.yaml_source import parse
from simulator.scenario_file.yaml_text import as_yaml

_WATCHER = "audit"
_DIGITS = 10
"""A partition's number has fewer."""
_TYPE_SIGNS = {
    "calendar": ("interval", "schedule"),
    "webhook": ("endpoint", "port"),
    "nats": ("url",),
    "resource": ("kind",),
}
"""Keys of a configuration's text by which its gateway's type is guessed."""
_SCHEMES = {"amqp": "amqp", "amqps": "amqp", "tcp": "mqtt", "mqtt": "mqtt", "mqtts": "mqtt", "ssl": "mqtt"}
"""Schemes of its `url` that tell it before those keys."""


class NotEnough(Exception):
    """
    The manifests do not say enough for a scenario; the message is for their reader.
    """


def scenario_from(config_map: Path, gateway: Path | None, *, type_name: str, folder: Path) -> str:
    """
    All of a scenario below its name: the gateway and the steps.

    Args:
        config_map: The ConfigMap's manifest.
        gateway: The Gateway's; without one a gateway is made up.
        type_name: The gateway's type; guessed from the texts where it is empty and no Gateway says it.
        folder: Where the scenario will stand; manifests are named from there.

    Raises:
        NotEnough: Something must be added or changed.
    """
    if gateway is not None:
        name, type_name, data, sensors = _from_gateway(config_map, gateway, type_name)
        files = [os.path.relpath(path, folder) for path in (gateway, config_map)]
        head = f"# The very files from the cluster.\nmanifests: {as_yaml(files)}\n"
    else:
        data = _data_of(config_map)
        type_name = type_name or _guessed_type(data)
        name, sensors = f"{type_name}-gateway", [_WATCHER]
        head = _inline_gateway(name, type_name, data)
    head = f"{_services(type_name, data)}{head}"
    steps = list(_steps(name, type_name, data, sensors[0] if sensors else ""))
    allow = (
        "unexpected: allow                # until each event has its `expect`\n" if _overlaps(type_name, data) else ""
    )
    return f"{head}{allow}\nsteps:\n" + "".join(steps)


def _services(type_name: str, data: Mapping[str, str]) -> str:
    """
    What has to be there before a gateway can listen: the topics of Kafka, which nobody makes by asking for them.
    """
    partitions: dict[str, int] = {}
    for text in data.values() if type_name == "kafka" else ():
        options = _options(text)
        topic = _attribute(options, "topic")
        if topic:
            partitions[topic] = max(partitions.get(topic, 1), (_partition_of(options) or 0) + 1)
    topics = ", ".join(f"{as_yaml(topic)}: {{partitions: {number}}}" for topic, number in partitions.items())
    return f"services:\n  kafka: {{topics: {{{topics}}}}}\n" if topics else ""


def _from_gateway(config_map: Path, gateway: Path, type_name: str) -> tuple[str, str, dict[str, str], list[str]]:
    entries, problems = gateways_in([gateway, config_map])
    _refuse(problems)
    if len(entries) != 1:
        raise NotEnough(f"{gateway}: it holds {len(entries)} Gateways; give a file with one")
    value = entries[0].value
    watchers = value.get("watchers")
    sensors = watchers.get("sensors") if isinstance(watchers, dict) else None
    names = [each["name"] for each in sensors or () if isinstance(each, dict) and isinstance(each.get("name"), str)]
    data = value.get("configMap")
    texts = {str(key): text for key, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}
    return str(value.get("name")), str(value.get("type") or type_name), texts, names


def _data_of(config_map: Path) -> dict[str, str]:
    found, problems = config_maps_in([config_map])
    _refuse(problems)
    if len(found) != 1:
        raise NotEnough(f"{config_map}: it holds {len(found)} ConfigMaps; give a file with one")
    data = found[0].value.get("data") or {}
    if not isinstance(data, dict) or not all(isinstance(text, str) for text in data.values()):
        raise NotEnough(f"{config_map}: `data` must be a mapping of names to text")
    return {str(key): text for key, text in data.items()}


def _refuse(problems: list[ScenarioProblem]) -> None:
    if problems:
        raise NotEnough(str(ScenarioError(problems)))


def _guessed_type(data: Mapping[str, str]) -> str:
    for text in data.values():
        options = _options(text)
        scheme = str(options.get("url", "")).partition("://")[0]
        if scheme in _SCHEMES:
            return _SCHEMES[scheme]
        if _reads_kafka(options):
            return "kafka"
        for type_name, signs in _TYPE_SIGNS.items():
            if any(sign in options for sign in signs):
                return type_name
    raise NotEnough("what type of gateway this is cannot be told from the texts; say --type, or give its --gateway")


def _reads_kafka(options: Mapping[str, Any]) -> bool:
    """
    A url without a scheme, a topic, and a partition of it or a group that shares them.
    """
    url = options.get("url")
    if not isinstance(url, str) or "://" in url or not _attribute(options, "topic"):
        return False
    return _partition_of(options) is not None or bool(options.get("group"))


def _partition_of(options: Mapping[str, Any]) -> int | None:
    attributes = options.get("attributes")
    found = attributes.get("partition") if isinstance(attributes, dict) else None
    text = str(options.get("partition") if found is None else found)
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None


def _options(text: str) -> dict[str, Any]:
    """
    A configuration's text as a mapping with lower-case keys; empty where it is none.
    """
    try:
        value = parse(SourceText("", text)).value
    except ScenarioError:
        return {}
    return {key.lower(): inner for key, inner in value.items()} if isinstance(value, dict) else {}


def _inline_gateway(name: str, type_name: str, data: Mapping[str, str]) -> str:
    lines = ["gateway:", f"  name: {as_yaml(name)}", f"  type: {as_yaml(type_name)}"]
    lines.append("  configMap:" if data else "  configMap: {}")
    lines += [f"    {as_yaml(key)}: {block(text, '      ')}" for key, text in data.items()]
    lines += ["  watchers:", f"    sensors: [{{name: {_WATCHER}}}]      # accepts CloudEvents and records them"]
    return "\n".join(lines) + "\n"


_BLOCK = re.compile(r"[\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\n]+")


def block(text: str, indentation: str) -> str:
    """
    *text* as a YAML scalar behind a key: a block where it has lines, else in quotes.
    """
    ends = len(text) - len(text.rstrip("\n"))
    if not text.strip("\n ") or ends > 1 or not _BLOCK.fullmatch(text) or text[0] in " \n":
        return as_yaml(text)
    lines = text.removesuffix("\n").split("\n")
    return "\n".join([f"|{'' if ends else '-'}", *(f"{indentation}{line}" if line else "" for line in lines)])


def _steps(gateway: str, type_name: str, data: Mapping[str, str], sensor: str) -> Iterator[str]:
    """
    For each configuration a look at its status; and its own kind of stimulus, with what must come of it.
    """
    listening = {key: text for key, text in data.items() if not (key == "port" and not _options(text))}
    if not listening:
        yield "  - advance: 1m                  # nothing is configured, so nothing comes\n"
    for key in listening:
        yield f"  - expect: {{status: {{{as_yaml(key)}: {{phase: Running}}}}}}\n"
    if not sensor:
        return
    for key, text in listening.items():
        stimulus = _STIMULI.get(type_name, _no_stimulus)(_options(text), data)
        where = f"{{watcher: {as_yaml(sensor)}, where: {{source: {as_yaml(f'{gateway}/{key}')}}}"
        if stimulus:
            yield stimulus
            yield f"  - expect: {where}, count: {{min: 1}}}}\n"


def _no_stimulus(options: Mapping[str, Any], data: Mapping[str, str]) -> str:
    return ""


def _advance(options: Mapping[str, Any], data: Mapping[str, str]) -> str:
    interval = options.get("interval")
    if isinstance(interval, str) and "schedule" not in options:
        try:
            parse_duration(interval)
        except DurationError:
            return ""
        return f"  - advance: {interval}\n"
    fields = str(options.get("schedule", "")).split()
    if len(fields) == 5 and fields[2:] == ["*"] * 3 and fields[0].isdigit():
        return "  - advance: 1h\n" if fields[1] == "*" else "  - advance: 1d\n" if fields[1].isdigit() else ""
    return ""


def _request(options: Mapping[str, Any], data: Mapping[str, str]) -> str:
    endpoint, method, port = (options.get(name) for name in ("endpoint", "method", "port"))
    if not isinstance(endpoint, str) or not endpoint.startswith("/"):
        return ""
    ports = {str(_options(text).get("port") or (text.strip() if key == "port" else "")) for key, text in data.items()}
    named = port or (data.get("port", "").strip() if len(ports - {""}) > 1 else "")
    where = f", port: {named}" if named else ""
    request = f"method: {as_yaml(str(method or 'POST'))}, path: {as_yaml(endpoint)}{where}, data: {{hello: world}}"
    return f"  - request: {{{request}}}\n  - expect: {{response: {{status: 200}}}}\n"


def _publish(options: Mapping[str, Any], data: Mapping[str, str]) -> str:
    subject = _attribute(options, "subject")
    if not subject:
        return ""
    concrete = ".".join("x" if token in ("*", ">") else token for token in subject.split("."))
    return f"  - publish: {{subject: {as_yaml(concrete)}, data: {{hello: world}}}}\n"


def _publish_to_topic(options: Mapping[str, Any], data: Mapping[str, str]) -> str:
    topic = _attribute(options, "topic")
    if not topic:
        return ""
    concrete = "/".join("x" if level in ("+", "#") else level for level in topic.split("/"))
    quality = f", qos: {options['qos']}" if options.get("qos") in (1, 2) else ""
    return f"  - publish: {{topic: {as_yaml(concrete)}{quality}, data: {{hello: world}}}}\n"


def _publish_kafka(options: Mapping[str, Any], data: Mapping[str, str]) -> str:
    topic = _attribute(options, "topic")
    if not topic:
        return ""
    partition = _partition_of(options)
    where = f", partition: {partition}" if partition is not None else ""
    return f"  - publish: {{topic: {as_yaml(topic)}{where}, data: {{hello: world}}}}\n"


def _publish_amqp(options: Mapping[str, Any], data: Mapping[str, str]) -> str:
    found = options.get("attributes")
    attributes = {str(key).lower(): value for key, value in found.items()} if isinstance(found, dict) else {}
    exchange, key = attributes.get("exchangename"), attributes.get("routingkey")
    if not exchange or attributes.get("exchangetype") == "headers":
        return ""
    concrete = ".".join("x" if word in ("*", "#") else word for word in str(key or "").split("."))
    where = f"exchange: {as_yaml(str(exchange))}, routingKey: {as_yaml(concrete)}"
    return f"  - publish: {{{where}, data: {{hello: world}}}}\n"


def _attribute(options: Mapping[str, Any], name: str) -> str:
    attributes = options.get("attributes")
    found = attributes.get(name) if isinstance(attributes, dict) else None
    found = found or options.get(name)
    return found if isinstance(found, str) else ""


def _overlaps(type_name: str, data: Mapping[str, str]) -> bool:
    """
    Whether one stimulus may give events of several configurations, or one configuration's stimulus moves another's.
    """
    name = {"nats": "subject", "mqtt": "topic", "kafka": "topic"}.get(type_name)
    listened_to = [_attribute(_options(text), name) for text in data.values()] if name is not None else []
    return len(data) > 1 and (type_name != "webhook") and (name is None or _may_share(listened_to))


def _may_share(subjects: list[str]) -> bool:
    return len(set(subjects)) < len(subjects) or any(set(subject) & set("*>+#") for subject in subjects)


_STIMULI = {
    "calendar": _advance,
    "webhook": _request,
    "nats": _publish,
    "mqtt": _publish_to_topic,
    "amqp": _publish_amqp,
    "kafka": _publish_kafka,
}
