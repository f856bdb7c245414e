"""
First scenarios: what `gatesim new` writes loads, plays green as it is, and never takes the place of another file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simulator.commands.new import STORIES, add_arguments, main
from simulator.commands.new_from_manifests import block
from simulator.environment import PlayOptions
from simulator.runner import play_blocking
from simulator.scenario_file.loader import load_file, load_text
from simulator.scenario_file.source_text import SourceText, readable
from simulator.scenario_file.yaml_source import parse
from simulator.verdict import Verdict

CALENDAR = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: calendar-configmap}
data:
  calendar.fooConfig: |-
    interval: 10s
  calendar.barConfig: |-
    schedule: 30 * * * *
"""
WEBHOOK = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: webhook-configmap}
data:
  # port can't be reconfigured.
  port: "12000"
  webhook.fooConfig: |-
    endpoint: "/foo"
    method: "POST"
  webhook.barConfig: |
    endpoint: "/bar"
    method: "PUT"
"""
KAFKA = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: kafka-configmap}
data:
  kafka.fooConfig: |-
    url: kafka.argo-events:9092
    attributes:
      topic: foo
      partition: "1"
  kafka.sharedConfig: |-
    url: kafka.argo-events:9092
    attributes:
      topic: bar
    group: billing
"""
AMQP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: amqp-configmap}
data:
  amqp.fooConfig: |-
    url: amqp://amqp.argo-events:5672
    attributes:
      exchangeName: orders
      exchangeType: topic
      routingKey: orders.#
"""

NATS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: nats-configmap}
data:
  nats.fooConfig: |-
    url: nats://nats.argo-events:4222
    attributes:
      subject: orders.*
  nats.barConfig: |-
    url: nats://nats.argo-events:4222
    attributes:
      subject: orders.new
"""
GATEWAY = """\
apiVersion: argoproj.io/v1alpha1
kind: Gateway
metadata: {name: shop}
spec:
  type: webhook
  version: "1.0"
  configMap: webhook-configmap
  watchers:
    sensors: [{name: ledger}]
"""


def made(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args(list(words)))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_passes(file: Path) -> None:
    (scenario,) = load_file(file)
    result = play_blocking(scenario, PlayOptions())
    assert (result.verdict, result.reason.text) == (Verdict.PASSED, "")


@pytest.mark.parametrize("type_name", STORIES)
def test_a_first_scenario_passes_as_it_is(type_name: str, folder: Path) -> None:
    assert made("each order arrives once", "--type", type_name) == 0
    assert_passes(folder / "each-order-arrives-once.scenario.yaml")


@pytest.mark.parametrize(
    "manifest", [CALENDAR, WEBHOOK, NATS, AMQP, KAFKA], ids=["calendar", "webhook", "nats", "amqp", "kafka"]
)
def test_a_scenario_made_from_a_config_map_passes_as_it_is(manifest: str, folder: Path) -> None:
    (folder / "configmap.yaml").write_text(manifest)
    assert made("it works", "--from", "configmap.yaml") == 0
    assert_passes(folder / "it-works.scenario.yaml")


def test_a_scenario_made_from_both_manifests_names_the_very_files_and_passes(folder: Path) -> None:
    (folder / "configmap.yaml").write_text(WEBHOOK)
    (folder / "gateway.yaml").write_text(GATEWAY)
    out = "scenarios/shop.scenario.yaml"
    assert made("the shop answers", "--from", "configmap.yaml", "--gateway", "gateway.yaml", "--out", out) == 0
    assert 'manifests: ["../gateway.yaml", "../configmap.yaml"]' in (folder / out).read_text()
    assert_passes(folder / out)


def test_every_configuration_of_the_manifest_is_asked_for(folder: Path) -> None:
    (folder / "configmap.yaml").write_text(WEBHOOK)
    made("it works", "--from", "configmap.yaml")
    (scenario,) = load_file("it-works.scenario.yaml")
    requests = [step.body for step in scenario.steps if step.kind == "request"]
    assert [(request.method, request.path) for request in requests] == [("POST", "/foo"), ("PUT", "/bar")]  # type: ignore[union-attr]  # by kind


def test_the_texts_of_a_config_map_stay_as_they_are(folder: Path) -> None:
    (folder / "configmap.yaml").write_text(WEBHOOK)
    made("it works", "--from", "configmap.yaml")
    (scenario,) = load_file("it-works.scenario.yaml")
    assert scenario.gateways[0].config_map == yaml.safe_load(WEBHOOK)["data"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_of_a_configuration_survives_being_written(text: str) -> None:
    written = f"a:\n  b: {block(text, '      ')}\n  c: 1\n"
    assert parse(readable(SourceText("", written))).value == {"a": {"b": text, "c": 1}}


def test_the_first_line_tells_editors_the_schema(folder: Path) -> None:
    made("x", "--type", "calendar")
    first = (folder / "x.scenario.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./gatesim-v1.schema.json"


def test_a_schema_around_the_file_is_the_one_that_editors_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "gatesim-v1.schema.json").write_text("{}")
    made("scenarios/deep/x", "--type", "calendar")
    assert "$schema=../../gatesim-v1.schema.json\n" in (folder / "scenarios/deep/x.scenario.yaml").read_text()
    assert "schema export" not in capsys.readouterr().out


def test_a_file_that_is_there_stays_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "x.scenario.yaml").write_text("mine")
    assert made("x", "--type", "nats") == 4
    assert (folder / "x.scenario.yaml").read_text() == "mine"
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "file", "sentence"),
    [
        (
            ["scenarios/orders/each-arrives_once"],
            "scenarios/orders/each-arrives_once.scenario.yaml",
            "each arrives once",
        ),
        (["a_b.scenario.yaml"], "a_b.scenario.yaml", "a b"),
        (["Ünïcode: & more"], "ünïcode-more.scenario.yaml", "Ünïcode: & more"),
        (["any name", "--out", "here.scenario.yml"], "here.scenario.yml", "any name"),
        (["yes"], "yes.scenario.yaml", "yes"),
        (["7"], "7.scenario.yaml", "7"),
    ],
)
def test_a_name_or_a_path_says_what_is_written(words: list[str], file: str, sentence: str, folder: Path) -> None:
    assert made(*words, "--type", "calendar") == 0
    assert load_file(folder / file)[0].name == sentence


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], 'gatesim new: name the scenario: gatesim new "each order arrives once" --type nats'),
        (["x"], f"gatesim new: say --type; there are {', '.join(STORIES)}"),
        (
            ["x", "--type", "pigeon"],
            "gatesim new: there is no first scenario for type 'pigeon'; there are calendar, webhook",
        ),
        (["x.yaml", "--type", "nats"], "gatesim new: x.yaml: a scenario's file ends in .scenario.yaml"),
        (["x", "--gateway", "g.yaml"], "gatesim new: --gateway goes with --from CONFIGMAP.yaml"),
        (["???", "--type", "nats"], "gatesim new: no file name can be made of '???'"),
        (["x", "--from", "none.yaml"], "none.yaml:1:1: the file cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_sentence(
    words: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made(*words) == 4
    assert capsys.readouterr().err.startswith(said)
    assert not list(folder.iterdir())


def test_a_config_map_whose_type_nobody_can_tell_asks_for_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "c.yaml").write_text("{kind: ConfigMap, metadata: {name: c}, data: {a: 'x: 1'}}")
    assert made("x", "--from", "c.yaml") == 4
    assert "say --type" in capsys.readouterr().err


def test_what_to_do_next_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made("x", "--type", "calendar")
    out = capsys.readouterr().out
    assert "gatesim run x.scenario.yaml" in out
    assert "gatesim schema export --out gatesim-v1.schema.json" in out


def test_every_story_says_what_it_expects() -> None:
    for story in STORIES.values():
        (scenario,) = load_text(f"apiVersion: gatesim/v1\nscenario: s\n{story}")
        assert any(step.kind == "expect" for step in scenario.steps)
