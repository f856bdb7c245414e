"""
`gatesim new`: a first scenario, commented and passing as it is; for a gateway type, or from manifests.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from simulator.commands.new_from_manifests import NotEnough, scenario_from
from simulator.scenario_file.yaml_text import as_yaml
from simulator.verdict import EXIT_FAILED, EXIT_OK, EXIT_USAGE

SUFFIX = ".scenario.yaml"
SCHEMA = "gatesim-v1.schema.json"

_CALENDAR = """\
# The gateway as its manifest has it, with the data of its ConfigMap: a text for each configuration.
gateway:
  name: calendar-gateway
  type: calendar
  configMap:
    every-ten: |-
      interval: 10s
  watchers:
    sensors: [{name: audit}]      # accepts CloudEvents and records them

# Time stands still until a step moves it; with `clock: real` above, it runs.
steps:
  - advance: 30s
  - expect:
      watcher: audit
      count: 3                    # exactly; a fourth event fails the scenario
      each: {source: calendar-gateway/every-ten, type: calendar}
"""

_WEBHOOK = """\
# The gateway as its manifest has it, with the data of its ConfigMap: a text for each configuration.
gateway:
  name: webhook-gateway
  type: webhook
  configMap:
    orders: |-
      port: "12000"
      endpoint: /orders
      method: POST
  watchers:
    sensors: [{name: audit}]      # accepts CloudEvents and records them

steps:
  - request: {path: /orders, data: {order: 7}}
  - expect: {response: {status: 200}}     # answered once every watcher has accepted the event
  - expect:
      watcher: audit
      count: 1                    # exactly; a second event fails the scenario
      each: {source: webhook-gateway/orders, type: webhook, data: {order: 7}}
"""

_NATS = """\
# The gateway as its manifest has it, with the data of its ConfigMap: a text for each configuration.
# A NATS server is started for the scenario; it stands for the address in the text.
gateway:
  name: nats-gateway
  type: nats
  configMap:
    orders: |-
      url: nats://nats.argo-events:4222
      attributes:
        subject: orders
  watchers:
    sensors: [{name: audit}]      # accepts CloudEvents and records them

steps:
  - publish: {subject: orders, data: {order: 7}}
  - expect:
      watcher: audit
      count: 1                    # exactly; a second event fails the scenario
      each: {source: nats-gateway/orders, type: nats, subject: orders, data: {order: 7}}
"""

_KAFKA = """\
# The gateway as its manifest has it, with the data of its ConfigMap: a text for each configuration.
# A Kafka cluster with these topics is started for the scenario; it stands for the address in the text.
services:
  kafka: {topics: {orders: {partitions: 1}}}
gateway:
  name: kafka-gateway
  type: kafka
  configMap:
    orders: |-
      url: kafka.argo-events:9092
      attributes:
        topic: orders
        partition: "0"
  watchers:
    sensors: [{name: audit}]      # accepts CloudEvents and records them

steps:
  - publish: {topic: orders, partition: 0, data: {order: 7}}
  - expect:
      watcher: audit
      count: 1                    # exactly; a second event fails the scenario
      each: {source: kafka-gateway/orders, type: kafka, subject: orders/0/0, data: {order: 7}}
"""

_ARTIFACT = """\
# The gateway as its manifest has it, with the data of its ConfigMap: a text for each configuration.
# An S3 server is started for the scenario; it stands for the address in the text.
gateway:
  name: artifact-gateway
  type: artifact
  configMap:
    orders: |-
      s3EventConfig:
        bucket: orders
        endpoint: minio.argo-events:9000
        event: s3:ObjectCreated:Put
      insecure: true
      accessKey: {name: minio, key: accesskey}
      secretKey: {name: minio, key: secretkey}
  secrets: {minio: {accesskey: an-access-key, secretkey: a-secret-key}}
  watchers:
    sensors: [{name: audit}]      # accepts CloudEvents and records them

services:
  s3: {buckets: [orders], users: {an-access-key: a-secret-key}}

steps:
  - put: {bucket: orders, key: new/7.json, data: {order: 7}}
  - expect:
      watcher: audit
      count: 1                    # exactly; a second event fails the scenario
      each: {source: artifact-gateway/orders, type: artifact, subject: new/7.json}
"""

_AMQP = """\
# The gateway as its manifest has it, with the data of its ConfigMap: a text for each configuration.
# An AMQP server is started for the scenario; it stands for the address in the text.
gateway:
  name: amqp-gateway
  type: amqp
  configMap:
    orders: |-
      url: amqp://amqp.argo-events:5672
      attributes:
        exchangeName: orders
        exchangeType: topic
        routingKey: orders.#
  watchers:
    sensors: [{name: audit}]      # accepts CloudEvents and records them

steps:
  - publish: {exchange: orders, routingKey: orders.new, data: {order: 7}}
  - expect:
      watcher: audit
      count: 1                    # exactly; a second event fails the scenario
      each: {source: amqp-gateway/orders, type: amqp, subject: orders.new, data: {order: 7}}
"""

_MQTT = """\
# The gateway as its manifest has it, with the data of its ConfigMap: a text for each configuration.
# An MQTT server is started for the scenario; it stands for the address in the text.
gateway:
  name: mqtt-gateway
  type: mqtt
  configMap:
    orders: |-
      url: tcp://mqtt.argo-events:1883
      attributes:
        topic: orders
  watchers:
    sensors: [{name: audit}]      # accepts CloudEvents and records them

steps:
  - publish: {topic: orders, data: {order: 7}}
  - expect:
      watcher: audit
      count: 1                    # exactly; a second event fails the scenario
      each: {source: mqtt-gateway/orders, type: mqtt, subject: orders, data: {order: 7}}
"""

_RESOURCE = """\
# The gateway as its manifest has it, with the data of its ConfigMap: a text for each configuration.
# A Kubernetes API server is started for the scenario; it is the cluster around the gateway.
gateway:
  name: resource-gateway
  type: resource
  configMap:
    settings: |-
      namespace: argo-events
      version: v1
      kind: ConfigMap
  watchers:
    sensors: [{name: audit}]      # accepts CloudEvents and records them

steps:
  - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: argo-events}}}
  - expect:
      watcher: audit
      count: 1                    # exactly; a second event fails the scenario
      each: {source: resource-gateway/settings, type: resource, subject: argo-events/a, operation: added}
"""

STORIES = {
    "calendar": _CALENDAR,
    "webhook": _WEBHOOK,
    "nats": _NATS,
    "mqtt": _MQTT,
    "resource": _RESOURCE,
    "amqp": _AMQP,
    "kafka": _KAFKA,
    "artifact": _ARTIFACT,
}
"""A first gateway and its steps, by gateway type."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's arguments.
    """
    parser.add_argument(
        "name",
        nargs="?",
        default="",
        metavar="NAME|PATH",
        help=f"the sentence that the scenario proves, or the file to write (NAME{SUFFIX}); may be left out with --from",
    )
    parser.add_argument("--type", default="", metavar="TYPE", help=f"gateway type: {', '.join(STORIES)}")
    parser.add_argument("--out", default="", metavar="FILE", help="the file to write; made of NAME where left out")
    parser.add_argument(
        "--from", dest="config_map", default="", metavar="CONFIGMAP.yaml", help="make it from this ConfigMap's manifest"
    )
    parser.add_argument("--gateway", default="", metavar="GATEWAY.yaml", help="with --from: the Gateway's manifest")


def main(arguments: argparse.Namespace) -> int:
    """
    Write the scenario and say what to do next.

    Returns:
        The exit code.
    """
    try:
        file, text = _made(arguments)
    except _Refused as error:
        sys.stderr.write(f"gatesim new: {error}\n")
        return EXIT_USAGE
    except NotEnough as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    try:
        _write(file, text)
    except FileExistsError:
        sys.stderr.write(f"gatesim new: {file} is there already and stays as it is; name another one by --out\n")
        return EXIT_USAGE
    except OSError as error:
        sys.stderr.write(f"gatesim new: {file} cannot be written: {error.strerror}\n")
        return EXIT_FAILED
    sys.stdout.write(_next_steps(file))
    return EXIT_OK


class _Refused(Exception):
    """
    The arguments do not say what to write.
    """


def _made(arguments: argparse.Namespace) -> tuple[Path, str]:
    if arguments.gateway and not arguments.config_map:
        raise _Refused("--gateway goes with --from CONFIGMAP.yaml")
    if not arguments.name and not arguments.config_map:
        raise _Refused('name the scenario: gatesim new "each order arrives once" --type nats')
    sentence, file = _named(arguments)
    if arguments.config_map:
        body = scenario_from(
            Path(arguments.config_map),
            Path(arguments.gateway) if arguments.gateway else None,
            type_name=arguments.type,
            folder=file.parent,
        )
    else:
        body = _story(arguments.type)
    return file, f"{_modeline(file)}apiVersion: gatesim/v1\nscenario: {quoted(sentence)}\n\n{body}"


def _story(type_name: str) -> str:
    if type_name not in STORIES:
        known = ", ".join(STORIES)
        said = f"there is no first scenario for type {type_name!r}" if type_name else "say --type"
        raise _Refused(f"{said}; there are {known}")
    return STORIES[type_name]


def _named(arguments: argparse.Namespace) -> tuple[str, Path]:
    """
    The scenario's sentence, and the file to write.
    """
    name = arguments.name or f"what {_stem(arguments.config_map)} says is listened to"
    is_path = name.endswith((".yaml", ".yml")) or os.sep in name
    file = Path(arguments.out or (name if is_path else _file_name(name)))
    if file.suffix not in (".yaml", ".yml") and is_path and not arguments.out:
        file = file.with_name(file.name + SUFFIX)
    if not file.name.endswith((SUFFIX, SUFFIX.replace("yaml", "yml"))):
        raise _Refused(f"{file}: a scenario's file ends in {SUFFIX}, by which it is found")
    sentence = re.sub(r"[-_\s]+", " ", _stem(name)).strip() if is_path else name.strip()
    return sentence or "it works", file


def _stem(path: str) -> str:
    return Path(path).name.partition(".")[0]


def _file_name(sentence: str) -> str:
    words = re.findall(r"\w+", sentence.lower())
    if not words:
        raise _Refused(f"no file name can be made of {sentence!r}; name the file by --out")
    return "-".join(words)[:100] + SUFFIX


_PLAIN = re.compile(r"[A-Za-z][\w ,'()/.-]*", re.ASCII)


def quoted(text: str) -> str:
    """
    *text* as a YAML scalar on one line.
    """
    plain = _PLAIN.fullmatch(text) and not text.endswith(" ") and text.lower() not in ("null", "true", "false")
    return text if plain else as_yaml(text)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)


def _known_schema(file: Path) -> Path | None:
    """
    The schema's file in the folder of *file*, or in the nearest one around it.
    """
    folder = file.parent.absolute()
    return next((around / SCHEMA for around in (folder, *folder.parents) if (around / SCHEMA).is_file()), None)


def _modeline(file: Path) -> str:
    """
    The line by which editors find the schema.
    """
    known = _known_schema(file)
    place = Path(os.path.relpath(known, file.parent.absolute())).as_posix() if known is not None else SCHEMA
    return f"# yaml-language-server: $schema={place if place.startswith('.') else f'./{place}'}\n"


def _next_steps(file: Path) -> str:
    steps = [("gatesim run", str(file), "play it"), ("gatesim explain", "steps", "what else a story can hold")]
    if _known_schema(file) is None:
        steps.append(("gatesim schema export", f"--out {file.parent / SCHEMA}", "completion in editors"))
    return "".join([f"wrote {file}\nnext:\n", *(f"  {command} {words}    # {why}\n" for command, words, why in steps)])
