"""
Manifests: gateways of a scenario from the files of a cluster, read as kubectl reads them.
"""

import pytest

from simulator.scenario_file.manifests import gateways_in
from tests.simulator.scenario_texts import loaded, problem_of, problems_of

GATEWAY = """\
apiVersion: argoproj.io/v1alpha1
kind: Gateway
metadata:
  name: nats-gateway
  labels: {a: b}
spec:
  deploySpec: {containers: [{name: x, image: y}]}
  configMap: nats-configmap
  type: nats
  imageVersion: latest
  eventVersion: "2.0"
  dispatchMechanism: HTTP
  watchers:
    sensors: [{name: audit}]
    gateways: [{name: other, port: "9070", endpoint: /in}]
---
apiVersion: v1
kind: Service
metadata: &meta {name: passed-over}
spec: !custom {<<: [*meta, {a: 1}], type: NodePort}
"""
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: nats-configmap}
data:
  nats.fooConfig: |-
    url: nats://nats.argo-events:4222
    attributes: {subject: foo}
  nats.number: !!str 12
"""
SCENARIO = """\
apiVersion: gatesim/v1
scenario: x
manifests: [gateway.yaml, configmap.yaml]
steps:
  - expect: {watcher: audit, count: 0}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    (tmp_path / "configmap.yaml").write_text(CONFIG_MAP)
    return tmp_path


def test_a_gateway_has_the_data_of_the_configmap_it_names(folder):
    scenario = loaded(SCENARIO, folder=folder)
    (gateway,) = scenario.gateways
    assert (gateway.name, gateway.type, gateway.version) == ("nats-gateway", "nats", "2.0")
    assert list(gateway.config_map) == ["nats.fooConfig", "nats.number"]
    assert gateway.watchers.gateways[0].port == 9070
    assert scenario.services["nats"].as_ == ("nats.argo-events:4222",)


def test_the_transformer_s_configmap_is_found_by_its_name(folder):
    extra = (
        "---\nkind: ConfigMap\nmetadata: {name: nats-gateway-gateway-transformer-configmap}\ndata: {EVENT_TYPE: t}\n"
    )
    (folder / "configmap.yaml").write_text(CONFIG_MAP + extra)
    assert loaded(SCENARIO, folder=folder).gateways[0].transformer_config_map == {"EVENT_TYPE": "t"}


def test_merge_keys_add_what_is_not_there():
    from simulator.scenario_file.manifests import _KubernetesReader
    from simulator.scenario_file.source_text import SourceText

    reader = _KubernetesReader(SourceText("f", "a: &a {x: 1, y: 2}\nb: &b {z: 3}\nc: {<<: [*a, *b], y: 5}\n"))
    ((value, tree),) = reader.documents()
    assert value["c"] == {"y": 5, "x": 1, "z": 3}
    assert tree.at(("c", "z")).line == 2


def test_a_list_of_objects_is_taken_apart(folder):
    (folder / "gateway.yaml").write_text(
        f"kind: List\nitems:\n- {GATEWAY.partition('---')[0].replace(chr(10), chr(10) + '  ')}"
    )
    assert [entry.name for entry in gateways_in([folder / "gateway.yaml", folder / "configmap.yaml"])[0]] == [""]
    assert loaded(SCENARIO, folder=folder).gateways[0].name == "nats-gateway"


def test_a_gateway_of_another_api_is_passed_over(folder):
    (folder / "gateway.yaml").write_text(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: x}\n"
    )
    problem = problem_of(SCENARIO, folder=folder)
    assert (problem.line, problem.column, problem.problem) == (3, 1, "no Gateway is in these manifests")


@pytest.mark.parametrize(
    ("before", "after", "place", "problem"),
    [
        ("configMap: nats-configmap", "configMap: nats-confgmap", (8, 14), "no ConfigMap `nats-confgmap` is there"),
        ("  type: nats", "  tpe: nats\n  type: nats", (9, 3), "unknown key `tpe`"),
        ("  type: nats\n", "", (7, 3), "`spec` lacks `type`"),
        ("  name: nats-gateway\n", "", (3, 1), "this Gateway has no `metadata.name`"),
        ("port: \"9070\"", "port: x", (15, 36), "`port` must be a port number, not text"),
    ],
)  # fmt: skip
def test_a_problem_in_a_manifest_names_its_file_and_line(folder, before, after, place, problem):
    (folder / "gateway.yaml").write_text(GATEWAY.replace(before, after))
    found = next(p for p in problems_of(SCENARIO, folder=folder) if p.problem == problem)
    assert (found.file, (found.line, found.column)) == (str(folder / "gateway.yaml"), place)


def test_data_that_is_no_text_is_told_so_in_the_configmap_s_file(folder):
    (folder / "configmap.yaml").write_text(CONFIG_MAP.replace("!!str 12", "12"))
    problem = problem_of(SCENARIO, folder=folder)
    assert (problem.file, problem.line, problem.hint) == (str(folder / "configmap.yaml"), 8, 'quote it: `"12"`')


def test_a_manifest_that_is_not_there_is_told_so_in_the_scenario(folder):
    problem = problem_of(SCENARIO.replace("configmap.yaml", "missing.yaml"), folder=folder)
    assert (problem.line, problem.column, problem.problem) == (3, 27, "there is no file `missing.yaml`")


def test_a_manifest_that_is_no_yaml_is_shown_where_it_breaks(folder):
    (folder / "gateway.yaml").write_text("kind: Gateway\n\tspec: {}\n")
    problem = problems_of(SCENARIO, folder=folder)[0]
    assert (problem.line, problem.problem) == (2, "a tab indents this line")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "a: &x [*x]\n", "- 1\n- 2\n", "x\n"])
def test_a_hostile_manifest_is_a_problem_and_no_crash(folder, text):
    (folder / "gateway.yaml").write_text(text)
    assert problems_of(SCENARIO, folder=folder)


def test_a_manifest_that_aliases_blow_up_is_refused(folder):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (folder / "gateway.yaml").write_text("\n".join(lines))
    assert "aliases make this document too large" in [p.problem for p in problems_of(SCENARIO, folder=folder)]


def test_the_secrets_of_a_gateway_s_namespace_go_with_it(folder):
    extra = """\
---
kind: Secret
metadata: {name: minio}
data: {accesskey: YW5u, broken: "%"}
stringData: {secretkey: hunter22}
---
kind: Secret
metadata: {name: other, namespace: elsewhere}
stringData: {secretkey: hunter23}
"""
    (folder / "configmap.yaml").write_text(CONFIG_MAP + extra)
    scenario = loaded(SCENARIO, folder=folder)
    assert scenario.gateways[0].secrets == {"minio": {"accesskey": "ann", "secretkey": "hunter22"}}
    assert scenario.secret_texts == {"ann", "hunter22"}
