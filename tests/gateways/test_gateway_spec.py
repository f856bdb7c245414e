"""
Gateway manifests: what they become, and every problem of them with its place.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateways.errors import ManifestError
from gateways.gateway_resource import LimitsSection, RetrySection
from gateways.gateway_spec import Dispatch, GatewaySpec, Manifests, gateway_from_mapping, load_manifests
from gateways.limits import Limits, Retry
from gateways.watcher import gateway, sensor

GUIDE = """\
apiVersion: argoproj.io/v1alpha1
kind: Gateway
metadata: {name: webhook-gateway, namespace: argo-events}
spec:
  deploySpec: {containers: [{name: webhook, image: example/webhook, ports: [1, 2.5, null]}]}
  configMap: webhook-gateway-configmap
  type: webhook
  version: "1.0"
  imageVersion: v2
  serviceSpec: {type: LoadBalancer}
  dispatchMechanism: HTTP
  watchers:
    gateways:
    - {name: next, port: "12000", endpoint: /foo}
    sensors:
    - name: audit
    - name: second
"""
OPTIONS = """\
  gatesim:
    envelope: 0.1
    contentMode: binary
    order: none
    retry: {attempts: 3, backoff: 100ms, factor: 1.5, backoffMax: 2s, jitter: 0}
    limits: {connect: 1s, answer: 2s, gatewayAnswer: 3s, webhookDeadline: 4s, waiting: 5, webhookInFlight: 6,
             remembered: 7, body: 1Ki, headerRead: 8s, bodyRead: 9s, idle: 10s, connections: 11, stop: 12s,
             intervalMin: 500ms}
    transformer: {port: 9300}
    controlPort: 0
"""


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def write_and_load(*texts: str, **options: Any) -> Manifests:
        files = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        return load_manifests(files, **options)

    return write_and_load


def problems(load: Any, *texts: str, **options: Any) -> list[str]:
    """
    The problems without their folder.
    """
    with pytest.raises(ManifestError) as caught:
        load(*texts, **options)
    return [problem.rpartition("/0.yaml:")[2] or problem for problem in caught.value.problems]


def with_spec(spec: str) -> str:
    return f"apiVersion: argoproj.io/v1alpha1\nkind: Gateway\nmetadata: {{name: g}}\nspec: {{{spec}}}\n"


GOOD = 'type: calendar, version: "1.0", watchers: {sensors: []}'


def test_all_fields_of_the_guide_are_read(load: Any) -> None:
    (spec,) = load(GUIDE).gateways
    assert spec == GatewaySpec(
        name="webhook-gateway",
        type="webhook",
        version="1.0",
        namespace="argo-events",
        config_map="webhook-gateway-configmap",
        image_version="v2",
        watchers=(sensor("audit"), sensor("second"), gateway("next", 12000, "/foo")),
    )
    assert spec.transformer_config_map == "webhook-gateway-gateway-transformer-configmap"


def test_all_options_of_ours_are_read(load: Any) -> None:
    (spec,) = load(GUIDE + OPTIONS).gateways
    assert (spec.envelope, spec.content_mode, spec.order) == ("0.1", "binary", "none")
    assert (spec.transformer_port, spec.control_port) == (9300, 0)
    assert spec.retry == Retry(3, 0.1, 1.5, 2.0, 0)
    assert spec.limits == Limits(1, 2, 3, 4, 5, 6, 7, 1024, 8, 9, 10, 11, 12, 0.5)


def test_every_limit_and_every_number_of_retry_has_an_option() -> None:
    assert len(LimitsSection.model_fields) == len(fields(Limits))
    assert len(RetrySection.model_fields) == len(fields(Retry))


def test_without_options_the_table_of_defaults_holds(load: Any) -> None:
    (spec,) = load(with_spec(GOOD)).gateways
    assert spec == GatewaySpec(name="g", type="calendar", version="1.0", namespace="default")
    assert (spec.limits, spec.retry) == (Limits(), Retry())


def test_config_maps_come_along_and_other_kinds_are_passed_over(load: Any) -> None:
    more = """
kind: ConfigMap
metadata: {name: webhook-gateway-gateway-transformer-configmap}
data: {EVENT_TYPE: webhook}
---
kind: Deployment
spec: 5
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: of-another-kind}
---
kind: List
items: [{kind: ConfigMap, metadata: {name: listed}, data: {a: b}}]
"""
    found = load(GUIDE, more)
    assert found.config_maps["listed"] == {"a": "b"}
    assert found.transformer_config_map(found.gateways[0]) == {"EVENT_TYPE": "webhook"}
    assert [spec.name for spec in found.gateways] == ["webhook-gateway"]


def test_known_messages_come_first_and_in_their_known_order(load: Any) -> None:
    spec = "dispatchMechanism: HTTP, watcher: {}, rpcPort: 9000"
    found = problems(load, with_spec(spec), require_deploy_spec=True)
    assert [text.partition(": ")[2].partition(":")[0].partition(",")[0] for text in found] == [
        "gateway deploy specification is not specified",
        "gateway type is not specified",
        "gateway version is not specified",
        "no associated watchers with gateway",
        "`spec.rpcPort` is not supported yet",
        "unknown key `watcher` in spec",
    ]
    assert found[-1] == "4:33: unknown key `watcher` in spec, did you mean `watchers`?"


def test_a_deployment_is_asked_for_only_where_there_is_a_cluster(load: Any) -> None:
    assert load(with_spec(GOOD)).gateways
    assert problems(load, with_spec(GOOD), require_deploy_spec=True)[0].startswith("4:1: gateway deploy specification")


def test_an_unknown_mechanism_is_an_unknown_gateway_type(load: Any) -> None:
    found = problems(load, with_spec(f"{GOOD}, dispatchMechanism: Carrier"))
    assert len(found) == 1
    assert "unknown gateway type: dispatchMechanism `Carrier` is none of HTTP, NATSGateway, KafkaGateway" in found[0]


@pytest.mark.parametrize(
    ("spec", "dispatch"),
    [
        (
            "dispatchMechanism: NATSGateway, gatesim: {dispatch: {url: 'nats://n'}}",
            Dispatch("NATS", '{"url": "nats://n"}'),
        ),
        (
            "dispatchMechanism: NATS, gatesim: {dispatch: {url: 'nats://n,tls://m', jetstream: true}}",
            Dispatch("NATS", '{"url": "nats://n,tls://m"}', jetstream=True),
        ),
        (
            "dispatchMechanism: KafkaGateway, gatesim: {dispatch: {url: 'k:9092', topic: events, "
            "auth: {username: me, passwordFile: /run/pw}, tls: {}}}",
            Dispatch(
                "Kafka", '{"url": "k:9092", "auth": {"username": "me", "passwordFile": "/run/pw"}, "tls": {}}', "events"
            ),
        ),
    ],
)
def test_a_broker_to_dispatch_to_is_read_and_needs_no_watchers(load: Any, spec: str, dispatch: Dispatch) -> None:
    [found] = load(with_spec(f"deploySpec: {{}}, type: nats, version: '1', {spec}")).gateways
    assert found.dispatch == dispatch


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("dispatchMechanism: NATS", "NATS needs to know where it is: write `gatesim: {dispatch: {url: nats://nats"),
        ("dispatchMechanism: Kafka", "Kafka needs to know where it is: write `gatesim: {dispatch: {url: kafka.argo"),
        ("dispatchMechanism: Kafka, gatesim: {dispatch: {url: 'k:1'}}", "Kafka needs a topic"),
        ("dispatchMechanism: NATS, gatesim: {dispatch: {url: 'http://n'}}", "url must begin with nats:// or tls://"),
        ("dispatchMechanism: Kafka, gatesim: {dispatch: {url: 'k:1', topic: a/b}}", "topic 'a/b' must have up to"),
        (
            "dispatchMechanism: Kafka, gatesim: {dispatch: {url: 'k:1', topic: a, auth: {username: me}}}",
            "auth.password must be specified, or auth.passwordFile",
        ),
        ("dispatchMechanism: NATS, gatesim: {dispatch: {url: 'n:1', topic: a}}", "NATS has no topics"),
        (
            "dispatchMechanism: Kafka, gatesim: {dispatch: {url: 'k:1', topic: a, jetstream: true}}",
            "`jetstream` is for NATS",
        ),
        ("gatesim: {dispatch: {url: 'nats://n'}}", "is for brokers, and events are dispatched by HTTP"),
        (
            "dispatchMechanism: NATS, gatesim: {dispatch: {url: 'nats://n'}}, "
            "watchers: {gateways: [{name: a, port: 1, endpoint: /}]}",
            "gateways are dispatched to by HTTP alone",
        ),
    ],
)
def test_what_a_mechanism_needs_and_cannot_use_is_told(load: Any, spec: str, problem: str) -> None:
    base = "deploySpec: {}, type: nats, version: '1'" if "watchers" in spec else GOOD
    found = problems(load, with_spec(f"{base}, {spec}"))
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("rpcPort: '9000'", "`spec.rpcPort`"),
        ("httpServerPort: 9001", "`spec.httpServerPort`"),
        ("gatesim: {mapping: aws-s3}", "`spec.gatesim.mapping`"),
    ],
)
def test_what_is_not_served_yet_says_so(load: Any, spec: str, name: str) -> None:
    found = problems(load, with_spec(f"{GOOD}, {spec}"))
    assert len(found) == 1
    assert f"{name} is not supported yet: " in found[0]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("version: 1.0", '`spec.version` must be text, not a number: put it in quotes, `"1.0"`'),
        ("configMap: [a]", "`spec.configMap` must be text, not a list"),
        ("watchers: []", "`spec.watchers` must be a mapping, not a list"),
        ("watchers: {sensors: {name: a}}", "`spec.watchers.sensors` must be a list, not a mapping"),
        ("watchers: {sensors: [{}]}", "`spec.watchers.sensors[0]` lacks `name`"),
        ("watchers: {sensors: [{name: a, nmae: b}]}", "unknown key `nmae` in spec.watchers.sensors[0], did you mean"),
        ("watchers: {sensors: [{name: a b}]}", "must be a name without spaces"),
        ("watchers: {gateways: [{name: a, port: 0, endpoint: /}]}", "must be a port between 1 and 65535"),
        ("watchers: {gateways: [{name: a, port: 1, endpoint: x}]}", "must be a path that starts with `/`"),
        ("watchers: {sensors: [{name: a}, {name: a}]}", "`a` is there twice in sensors: leave one out"),
        ("gatesim: {envelope: 0.2}", "`spec.gatesim.envelope` must be '1.0' or '0.1'"),
        ("gatesim: {retry: {attempts: 0}}", "`spec.gatesim.retry.attempts` must be at least 1"),
        ("gatesim: {retry: {attempts: 1.5}}", "must be a whole number"),
        ("gatesim: {retry: {jitter: 2}}", "must be at most 1"),
        ("gatesim: {retry: {backoff: 10}}", "must be a duration such as"),
        ("gatesim: {limits: {answer: 10}}", "must be a duration such as"),
        ("gatesim: {limits: {answer: '10'}}", "is no duration: missing unit in duration `10`"),
        ("gatesim: {limits: {answer: 0s}}", "must be longer than nothing"),
        ("gatesim: {limits: {body: 1Ti}}", "must be a number of bytes such as 1048576 or `1Mi`"),
        ("gatesim: {limits: {anwser: 1s}}", "unknown key `anwser` in spec.gatesim.limits, did you mean `answer`?"),
        ("gatesim: {transformer: {}}", "`spec.gatesim.transformer` lacks `port`"),
        ("eventVersion: '2'", "`version` and `eventVersion` are one field and differ"),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_what_would_be_right(load: Any, spec: str, problem: str) -> None:
    found = problems(load, with_spec(f"{GOOD}, {spec}"))
    assert len(found) == 1
    assert found[0].startswith("4:")
    assert problem in found[0]


def test_event_version_is_version(load: Any) -> None:
    (spec,) = load(with_spec('type: nats, eventVersion: "2.0", watchers: {gateways: []}')).gateways
    assert spec.version == "2.0"


def test_a_key_without_a_value_is_absent(load: Any) -> None:
    found = problems(load, with_spec('type: , version: "1", watchers: {sensors: }, rpcPort: , gatesim: '))
    assert [text.partition(": ")[2].partition(":")[0] for text in found] == [
        "gateway type is not specified",
        "no associated watchers with gateway",
    ]


def test_every_problem_of_every_file_is_told_at_once(load: Any) -> None:
    twice = "kind: ConfigMap\nmetadata: {name: c}\ndata: {a: 1}\n"
    with pytest.raises(ManifestError) as caught:
        load(with_spec("type: a"), f"{twice}---\n{twice}", "a: [", GUIDE, GUIDE)
    text = str(caught.value)
    assert "0.yaml:4:1: gateway version is not specified" in text
    assert '1.yaml:3:11: `data.a` must be text, not a number: quote it, `a: "1"`' in text
    assert "1.yaml:5:1: a second ConfigMap `c`" in text
    assert "2.yaml:1:5: a value is missing" in text
    assert "4.yaml:1:1: a second Gateway `webhook-gateway`; the first is at" in text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Gateway\napiVersion: argoproj.io/v1\nspec: {}\n", "1:1: this Gateway has no `metadata.name`"),
        ("kind: Gateway\napiVersion: argoproj.io/v1\nspce: {}\n", "this Gateway has no `spec`"),
        ("kind: Gateway\napiVersion: argoproj.io/v1\nmetadata: {name: a}\nspec: 5\n", "4:7: `spec` must be a mapping"),
        ("", "no Gateway of apiVersion argoproj.io/v1alpha1 is in "),
    ],
)
def test_a_manifest_without_what_makes_it_one_says_so(load: Any, text: str, problem: str) -> None:
    assert any(problem in found for found in problems(load, text))


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff")
    with pytest.raises(ManifestError) as caught:
        load_manifests([tmp_path / "missing.yaml", tmp_path / "binary.yaml", tmp_path])
    assert caught.value.problems == (
        f"{tmp_path}/missing.yaml: cannot be read: No such file or directory",
        f"{tmp_path}/binary.yaml: not UTF-8 at byte 0",
    )
    with pytest.raises(ManifestError, match="no manifest is given"):
        load_manifests([tmp_path])


def test_a_mapping_in_memory_is_read_by_the_same_rules() -> None:
    spec = gateway_from_mapping(
        {
            "name": "chain",
            "type": "webhook",
            "version": "1.0",
            "configMap": {"a": "endpoint: /a"},
            "transformerConfigMap": {"EVENT_TYPE": "webhook"},
            "watchers": {"gateways": [{"name": "next", "port": 12000, "endpoint": "/b"}]},
            "gatesim": {"retry": {"attempts": 2}},
        }
    )
    assert spec == GatewaySpec(
        name="chain",
        type="webhook",
        version="1.0",
        watchers=(gateway("next", 12000, "/b"),),
        retry=Retry(attempts=2, jitter=0.0),
    )


def test_jitter_in_memory_is_none_unless_it_is_asked_for() -> None:
    mapping = {"name": "g", "type": "calendar", "version": "1", "watchers": {"sensors": []}}
    assert gateway_from_mapping(mapping).retry.jitter == 0
    assert gateway_from_mapping(mapping, jitter=0.1).retry.jitter == 0.1
    asked = {**mapping, "gatesim": {"retry": {"jitter": 0.5}}}
    assert gateway_from_mapping(asked).retry.jitter == 0.5


def test_a_wrong_mapping_in_memory_tells_every_problem() -> None:
    with pytest.raises(ManifestError) as caught:
        gateway_from_mapping({"type": "", "wachers": {}})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "a gateway needs a `name`",
        "gateway type is not specified",
        "gateway version is not specified",
        "no associated watchers with gateway",
        "unknown key `wachers` in spec, did you mean `watchers`?",
    ]


def test_the_running_gateway_needs_no_pydantic() -> None:
    code = (
        "import sys, gateways.gateway_spec, gateways.configmap; print(sorted({'pydantic', 'yaml'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
_KEYS = (
    "deploySpec configMap type version eventVersion watchers rpcPort dispatchMechanism gatesim sensors gateways name"
)
_OURS = "retry limits attempts jitter body answer waiting transformer port controlPort envelope mapping dispatch"


@given(st.dictionaries(st.sampled_from([*_KEYS.split(), *_OURS.split()]), _VALUES, max_size=6), _VALUES, _VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_no_mapping_makes_the_reader_crash(mapping: dict[str, Any], ours: Any, watchers: Any) -> None:
    for given_mapping in (mapping, {**mapping, "gatesim": {"retry": ours, "limits": mapping}, "watchers": watchers}):
        try:
            assert gateway_from_mapping({"name": "g", **given_mapping}).type
        except ManifestError as error:
            assert all(error.problems)  # noqa: PT017 - either outcome is fine, a crash is not
