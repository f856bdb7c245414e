"""
Kubernetes objects in YAML text.
"""

from __future__ import annotations

from gateways.manifest import config_map_data, objects_in

TEXT = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: first, namespace: here}
data: {a: text}
---
just text
---
kind: List
items: [{kind: ConfigMap, metadata: {name: second}}, 5, {kind: 7, metadata: text}]
"""


def test_the_objects_of_all_documents_and_lists_are_found() -> None:
    found = list(objects_in(TEXT))
    assert [(thing.kind, thing.name, thing.namespace) for thing in found] == [
        ("ConfigMap", "first", "here"),
        ("ConfigMap", "second", ""),
        ("", "", ""),
    ]
    assert (found[0].api_version, found[1].api_version) == ("v1", "")


def test_data_is_text_and_everything_else_is_a_problem_with_its_place() -> None:
    (config_map,) = objects_in("kind: ConfigMap\ndata:\n  a: text\n  b: 12000\n  c: {d: e}\n  f:\n")
    data, problems = config_map_data(config_map)
    assert data == {"a": "text"}
    assert [str(problem) for problem in problems] == [
        '4:6: `data.b` must be text, not a number: quote it, `b: "12000"`',
        "5:6: `data.c` must be text, not a mapping: write `c: |-` and indent the lines below it",
        '6:5: `data.f` must be text, not nothing: quote it, `f: ""`',
    ]


def test_a_config_map_without_data_is_empty() -> None:
    for text in ("kind: ConfigMap", "kind: ConfigMap\ndata:", "kind: ConfigMap\nbinaryData: {a: AA==}"):
        (config_map,) = objects_in(text)
        assert config_map_data(config_map) == ({}, [])
