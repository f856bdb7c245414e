"""
Examples: a few lines of a scenario file for each of its keys; each is held to the loader by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from simulator.scenario_file.key_words import Schema, schema_of
from simulator.scenario_file.shape import Shape

_WIDTH = 76

STEP_EXAMPLES = {
    "steps": """\
steps:
  - publish: {subject: orders, data: {order: 7}}
  - expect: {watcher: audit, count: 1}
""",
    "publish": """\
- publish: {subject: orders, data: {order: 7}}
""",
    "put": """\
- put: {bucket: orders, key: new/7.json, data: {order: 7}, headers: {Content-Type: application/json}}
""",
    "remove": """\
- remove: {bucket: orders, key: new/7.json}
""",
    "apply": """\
- apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {level: high}}}
""",
    "delete": """\
- delete: {kind: ConfigMap, name: settings}
""",
    "request": """\
- request: {path: /foo, data: {ref: main}, headers: {X-GitHub-Event: push}}
- expect: {response: {status: 200}}
""",
    "configMap": """\
- configMap: {set: {orders: "url: nats://nats.argo-events:4222\\nattributes: {subject: orders.new}"}}
""",
    "advance": """\
- advance: 30s
""",
    "fault": """\
- fault: {service: nats, kill: true}
""",
    "heal": """\
- heal: {service: nats}
""",
    "restart": """\
- restart: {gateway: orders-gateway, how: crash}
""",
    "signal": """\
- signal: {name: KILL}
""",
    "watcher": """\
- watcher: {name: audit, refuse: {status: 503, times: 2}}
""",
    "expect": """\
- expect: {watcher: audit, count: 1, each: {type: nats, data: {order: 7}}}
""",
    "repeat": """\
- repeat:
    times: 3
    steps:
      - publish: {subject: orders, data: {order: "${{ i }}"}}
""",
    "parallel": """\
- parallel:
    - [{publish: {subject: orders, data: {order: 1}}}]
    - [{publish: {subject: orders, data: {order: 2}}}]
""",
}
"""A step of each kind, as it stands in the list of steps; and the list itself."""

EXPECT_EXAMPLES = {
    "watcher": "- expect: {watcher: audit, count: 1}\n",
    "watchers": "- expect: {watchers: [audit, backup], same: [id, data]}\n",
    "same": "- expect: {watchers: [audit, backup], same: [id, data]}\n",
    "status": "- expect: {status: {orders: {phase: Running}}}\n",
    "response": """\
- request: {path: /foo, text: hello}
- expect: {response: {status: 200}}
""",
    "offered": "- expect: {watcher: audit, offered: 3}\n",
    "gateway": "- expect: {gateway: orders-gateway, status: {orders: {phase: Running}}}\n",
    "where": "- expect: {watcher: audit, where: {subject: orders}, count: 2}\n",
    "count": """\
- expect: {watcher: audit, count: 3}
- expect: {watcher: backup, count: {min: 1}}
""",
    "each": "- expect: {watcher: audit, each: {type: nats, data: {order: 7}}}\n",
    "any": "- expect: {watcher: audit, any: {data: {order: 7}}}\n",
    "inOrder": "- expect: {watcher: audit, inOrder: [{data: {order: 1}}, {data: {order: 2}}]}\n",
    "gaps": "- expect: {watcher: audit, inOrder: [{data: 1}, {data: 3}], gaps: allow}\n",
    "distinct": "- expect: {watcher: audit, count: 3, distinct: [id]}\n",
    "latency": '- expect: {watcher: audit, count: 3, latency: {max: "200ms"}}\n',
    "none": "- expect: {watcher: audit, none: {data: {order: 8}}}\n",
    "within": "- expect: {watcher: audit, count: 1, within: 30s}\n",
    "since": "- expect: {watcher: audit, count: 5, since: start}\n",
}
"""A step for each key of `expect`."""

HEAD_EXAMPLES = {
    "scenario": """\
apiVersion: gatesim/v1
scenario: an event comes every ten seconds
gateway:
  name: calendar-gateway
  type: calendar
  configMap: {every-ten: "interval: 10s"}
  watchers: {sensors: [{name: audit}]}
steps:
  - advance: 30s
  - expect: {watcher: audit, count: 3}
""",
    "gateway": """\
gateway:
  name: orders-gateway
  type: nats
  configMap:
    orders: |-
      url: nats://nats.argo-events:4222
      attributes:
        subject: orders
  watchers: {sensors: [{name: audit}]}
""",
    "gateways": """\
gateways:
  - name: near
    type: calendar
    configMap: {every-ten: "interval: 10s"}
    watchers: {gateways: [{name: far, port: 12000, endpoint: /in}]}
  - name: far
    type: webhook
    configMap: {in: "{port: '12000', endpoint: /in, method: POST}"}
    watchers: {sensors: [{name: audit}]}
""",
    "services": """\
services:
  nats:
    as: ["nats.argo-events:4222"]
    streams: {ORDERS: {subjects: [orders]}}
""",
}
"""Keys of the head whose example is more than one value; and a whole file under `scenario`."""


def example_of(model: type[Shape], key: str) -> str:
    """
    *key* of *model* with a value that it takes, as YAML; on one line where that has room.
    """
    schema = schema_of(model)
    value = _value(schema["properties"][key], schema.get("$defs", {}))
    line = f"{key}: {_dumped(value, flow=True)}"
    return line if len(line) <= _WIDTH and "\n" not in line else _dumped({key: value}, flow=False)


def _dumped(value: Any, *, flow: bool) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, default_flow_style=flow, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").rstrip("\n")


def _value(schema: Schema, definitions: Mapping[str, Schema]) -> Any:
    if "$ref" in schema and not schema.get("examples"):
        return _value(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for known in ("examples", "enum"):
        if schema.get(known):
            return schema[known][0]
    if "const" in schema:
        return schema["const"]
    for alternatives in ("anyOf", "oneOf"):
        real = [each for each in schema.get(alternatives, ()) if each.get("type") != "null" and each.keys() & _SAYING]
        if real:
            return _value(real[0], definitions)
    return _plain(schema, definitions)


_SAYING = frozenset({"type", "$ref", "const", "enum", "anyOf", "examples"})
"""What makes an alternative say what a value is, rather than which keys go together."""


def _plain(schema: Schema, definitions: Mapping[str, Schema]) -> Any:
    match schema.get("type"):
        case "array":
            return [_value(schema.get("items", {}), definitions)] * max(1, schema.get("minItems", 1))
        case "object":
            return _mapping(schema, definitions)
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
    return "text"


def _mapping(schema: Schema, definitions: Mapping[str, Schema]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    keys = schema.get("required") or sorted(properties, key=lambda key: "examples" not in properties[key])[:1]
    if keys:
        return {key: _value(properties[key], definitions) for key in keys}
    inner = schema.get("additionalProperties")
    return {"name": _value(inner, definitions) if isinstance(inner, dict) else "text"}
