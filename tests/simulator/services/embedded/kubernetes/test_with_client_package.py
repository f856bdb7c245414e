"""
The API server as the `kubernetes` package, made from the OpenAPI document of the real one, sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.services.embedded.kubernetes.serving import Server, serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "workflows.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"plural": "workflows", "kind": "Workflow"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["steps"],
                                "properties": {
                                    "steps": {"type": "integer", "minimum": 1},
                                    "mode": {"type": "string", "enum": ["fast", "slow"], "default": "fast"},
                                },
                            },
                            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
                        },
                    }
                },
            }
        ],
    },
}
WORKFLOWS = ("argoproj.io", "v1alpha1", "default", "workflows")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    from kubernetes import client

    with client.ApiClient(client.Configuration(host=server.url)) as api:
        yield api


@pytest.fixture
def core(client: Any) -> Any:
    from kubernetes.client import CoreV1Api

    return CoreV1Api(client)


@pytest.fixture
def custom(client: Any) -> Any:
    from kubernetes.client import ApiextensionsV1Api, CustomObjectsApi

    ApiextensionsV1Api(client).create_custom_resource_definition(DEFINITION)
    return CustomObjectsApi(client)


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "data": data or {}}


def refusal(code: int) -> Any:
    from kubernetes.client.exceptions import ApiException

    return pytest.raises(ApiException, match=rf"\({code}\)")


def test_it_tells_its_version_and_its_kinds(client: Any) -> None:
    from kubernetes import client as package

    assert package.VersionApi(client).get_code().git_version == "v1.34.0"
    kinds = {each.kind for each in package.AppsV1Api(client).get_api_resources().resources}
    assert {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"} <= kinds
    assert "batch" in {group.name for group in package.ApisApi(client).get_api_versions().groups}


def test_an_object_lives_from_creation_to_deletion(core: Any) -> None:
    made = core.create_namespaced_config_map("default", config_map("a", {"x": "1"}))
    assert made.metadata.uid
    assert core.read_namespaced_config_map("a", "default").data == {"x": "1"}
    made.data = {"x": "2"}
    changed = core.replace_namespaced_config_map("a", "default", made)
    assert int(changed.metadata.resource_version) > int(made.metadata.resource_version)
    assert changed.metadata.uid == made.metadata.uid
    core.delete_namespaced_config_map("a", "default")
    with refusal(404):
        core.read_namespaced_config_map("a", "default")


def test_whoever_writes_what_is_stale_or_there_already_is_refused(core: Any) -> None:
    made = core.create_namespaced_config_map("default", config_map("a"))
    with refusal(409):
        core.create_namespaced_config_map("default", config_map("a"))
    core.patch_namespaced_config_map("a", "default", {"data": {"x": "1"}})
    with refusal(409):
        core.replace_namespaced_config_map("a", "default", made)


def test_a_change_that_changes_nothing_makes_no_version(core: Any) -> None:
    made = core.create_namespaced_config_map("default", config_map("a", {"x": "1"}))
    same = core.patch_namespaced_config_map("a", "default", {"data": {"x": "1"}})
    assert same.metadata.resource_version == made.metadata.resource_version


def test_names_are_made_up_where_only_their_beginning_is_given(core: Any) -> None:
    names = {
        core.create_namespaced_config_map("default", {"metadata": {"generateName": "run-"}}).metadata.name
        for _ in range(3)
    }
    assert len(names) == 3
    assert all(name.startswith("run-") for name in names)
    with refusal(422):
        core.create_namespaced_config_map("default", {"metadata": {}})
    with refusal(422):
        core.create_namespaced_config_map("default", config_map("Not_A_Name"))


def test_selectors_choose_by_labels_and_fields(core: Any) -> None:
    for name, labels in (("a", {"tier": "front"}), ("b", {"tier": "back"}), ("c", {})):
        core.create_namespaced_config_map("default", config_map(name, labels=labels))

    def chosen(**selectors: str) -> list[str]:
        return [each.metadata.name for each in core.list_namespaced_config_map("default", **selectors).items]

    assert chosen(label_selector="tier=front") == ["a"]
    assert chosen(label_selector="tier!=front") == ["b", "c"]
    assert chosen(label_selector="tier in (front, back)") == ["a", "b"]
    assert chosen(label_selector="tier notin (front)") == ["b", "c"]
    assert chosen(label_selector="tier,tier!=back") == ["a"]
    assert chosen(label_selector="!tier") == ["c"]
    assert chosen(field_selector="metadata.name=b") == ["b"]
    assert chosen(field_selector="metadata.name!=b") == ["a", "c"]
    with refusal(400):
        chosen(field_selector="data.x=1")


def test_a_long_list_comes_in_parts(core: Any) -> None:
    for number in range(7):
        core.create_namespaced_config_map("default", config_map(f"c{number}"))
    first = core.list_namespaced_config_map("default", limit=3)
    assert first.metadata.remaining_item_count == 4
    second = core.list_namespaced_config_map("default", limit=3, _continue=first.metadata._continue)
    last = core.list_namespaced_config_map("default", limit=3, _continue=second.metadata._continue)
    assert [each.metadata.name for each in (*first.items, *second.items, *last.items)] == [f"c{n}" for n in range(7)]
    assert not last.metadata._continue


def test_what_expired_says_410_to_lists_and_watches(server: Server, core: Any) -> None:
    from kubernetes.watch import Watch

    for number in range(3):
        core.create_namespaced_config_map("default", config_map(f"c{number}"))
    part = core.list_namespaced_config_map("default", limit=1)
    server.expire()
    with refusal(410):
        core.list_namespaced_config_map("default", limit=1, _continue=part.metadata._continue)
    with refusal(410):
        for _ in Watch().stream(
            core.list_namespaced_config_map, "default", resource_version=part.metadata.resource_version
        ):
            pass


def test_a_watch_tells_what_happened_since_a_version_and_goes_on(core: Any) -> None:
    from kubernetes.watch import Watch

    before = core.list_namespaced_config_map("default").metadata.resource_version
    made = core.create_namespaced_config_map("default", config_map("a", labels={"in": "yes"}))
    core.patch_namespaced_config_map("a", "default", {"data": {"x": "1"}})
    core.patch_namespaced_config_map("a", "default", {"metadata": {"labels": {"in": "no"}}})
    core.delete_namespaced_config_map("a", "default")

    def seen(**keys: Any) -> list[str]:
        stream = Watch().stream(core.list_namespaced_config_map, "default", timeout_seconds=1, **keys)
        return [event["type"] for event in stream]

    assert seen(resource_version=before) == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert seen(resource_version=made.metadata.resource_version) == ["MODIFIED", "MODIFIED", "DELETED"]
    assert seen(resource_version=before, label_selector="in=yes") == ["ADDED", "MODIFIED", "DELETED"]
    assert seen() == []


def test_a_bookmark_tells_of_what_happened_elsewhere(core: Any) -> None:
    from kubernetes.watch import Watch

    listed = core.list_namespaced_config_map("default").metadata.resource_version
    core.create_namespaced_secret("default", {"metadata": {"name": "s"}})
    stream = Watch().stream(
        core.list_namespaced_config_map,
        "default",
        resource_version=listed,
        allow_watch_bookmarks=True,
        timeout_seconds=1,
    )
    events = list(stream)
    assert [event["type"] for event in events] == ["BOOKMARK"]
    assert int(events[0]["raw_object"]["metadata"]["resourceVersion"]) > int(listed)


def test_a_streamed_list_ends_with_a_bookmark_that_says_so(client: Any, core: Any) -> None:
    core.create_namespaced_config_map("default", config_map("a"))
    import json

    path = "/api/v1/namespaces/default/configmaps?watch=true&sendInitialEvents=true&timeoutSeconds=1"
    url = f"{client.configuration.host}{path}&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    answer = client.rest_client.request("GET", url)
    events = [json.loads(line) for line in answer.read().splitlines()]
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_secret_s_plain_texts_are_encoded(core: Any) -> None:
    made = core.create_namespaced_secret("default", {"metadata": {"name": "s"}, "stringData": {"key": "open"}})
    assert (made.data, made.type) == ({"key": "b3Blbg=="}, "Opaque")


def test_status_and_the_rest_are_written_apart(custom: Any) -> None:
    custom.create_namespaced_custom_object(
        *WORKFLOWS, {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"},
                     "spec": {"steps": 1}, "status": {"phase": "ignored"}}
    )  # fmt: skip
    made = custom.get_namespaced_custom_object(*WORKFLOWS, "w")
    assert "status" not in made
    assert (made["metadata"]["generation"], made["spec"]["mode"]) == (1, "fast")
    done = custom.patch_namespaced_custom_object_status(
        *WORKFLOWS, "w", {"status": {"phase": "Succeeded"}, "spec": {"steps": 9}}
    )
    assert (done["status"], done["spec"]["steps"], done["metadata"]["generation"]) == ({"phase": "Succeeded"}, 1, 1)
    changed = custom.patch_namespaced_custom_object(
        *WORKFLOWS, "w", {"spec": {"steps": 2}, "status": {"phase": "Failed"}}
    )
    assert (changed["status"], changed["metadata"]["generation"]) == ({"phase": "Succeeded"}, 2)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"steps": 0}, "spec.steps"),
        ({"steps": "1"}, "spec.steps"),
        ({}, "spec.steps"),
        ({"steps": 1, "mode": "medium"}, "spec.mode"),
    ],
)
def test_an_object_that_breaks_its_schema_is_refused_by_field(custom: Any, spec: Any, field: str) -> None:
    from kubernetes.client.exceptions import ApiException

    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": spec}
    with pytest.raises(ApiException) as refused:
        custom.create_namespaced_custom_object(*WORKFLOWS, body)
    assert refused.value.status == 422
    assert f'"field": "{field}"' in str(refused.value.body)


def test_a_strategic_patch_merges_lists_by_name_and_custom_kinds_take_none(client: Any, custom: Any) -> None:
    from kubernetes.client import AppsV1Api

    apps = AppsV1Api(client)
    containers = [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]
    spec = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}},
    }
    apps.create_namespaced_deployment("default", {"metadata": {"name": "web"}, "spec": spec})
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:2"}]}}}}
    merged = apps.patch_namespaced_deployment("web", "default", patch)
    assert [each.image for each in merged.spec.template.spec.containers] == ["a:1", "b:2"]
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": {"steps": 1}}
    custom.create_namespaced_custom_object(*WORKFLOWS, body)
    with refusal(415):
        custom.patch_namespaced_custom_object(
            *WORKFLOWS, "w", {"spec": {"steps": 2}}, _content_type="application/strategic-merge-patch+json"
        )


def test_finalizers_keep_an_object_until_they_are_gone(core: Any) -> None:
    core.create_namespaced_config_map("default", config_map("a", finalizers=["example.com/held"]))
    core.delete_namespaced_config_map("a", "default")
    assert core.read_namespaced_config_map("a", "default").metadata.deletion_timestamp is not None
    core.patch_namespaced_config_map("a", "default", {"metadata": {"finalizers": None}})
    with refusal(404):
        core.read_namespaced_config_map("a", "default")


def test_what_is_owned_goes_with_its_owner_unless_it_is_orphaned(core: Any) -> None:
    def owned_by(owner: Any, name: str) -> None:
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid}
        core.create_namespaced_config_map("default", config_map(name, ownerReferences=[reference]))

    owner = core.create_namespaced_config_map("default", config_map("owner"))
    owned_by(owner, "child")
    core.delete_namespaced_config_map("owner", "default")
    with refusal(404):
        core.read_namespaced_config_map("child", "default")
    owner = core.create_namespaced_config_map("default", config_map("owner"))
    owned_by(owner, "child")
    core.delete_namespaced_config_map("owner", "default", propagation_policy="Orphan")
    assert not core.read_namespaced_config_map("child", "default").metadata.owner_references


def test_a_namespace_goes_with_all_that_is_in_it(core: Any) -> None:
    with refusal(404):
        core.create_namespaced_config_map("team", config_map("a"))
    core.create_namespace({"metadata": {"name": "team"}})
    core.create_namespaced_config_map("team", config_map("a"))
    core.delete_namespace("team")
    assert core.list_config_map_for_all_namespaces().items == []


def test_events_are_found_by_what_they_tell_of(core: Any) -> None:
    for name in ("a", "b"):
        core.create_namespaced_event(
            "default",
            {
                "metadata": {"generateName": f"{name}."},
                "involvedObject": {"kind": "Gateway", "name": name, "namespace": "default"},
                "reason": "Started",
                "type": "Normal",
            },
        )
    found = core.list_namespaced_event("default", field_selector="involvedObject.name=a,type=Normal").items
    assert [each.involved_object.name for each in found] == ["a"]


def test_a_dry_run_stores_nothing(core: Any) -> None:
    core.create_namespaced_config_map("default", config_map("a"), dry_run="All")
    with refusal(404):
        core.read_namespaced_config_map("a", "default")


def test_many_are_deleted_by_their_labels(core: Any) -> None:
    for name, labels in (("a", {"old": "yes"}), ("b", {"old": "yes"}), ("c", {})):
        core.create_namespaced_config_map("default", config_map(name, labels=labels))
    core.delete_collection_namespaced_config_map("default", label_selector="old=yes")
    assert [each.metadata.name for each in core.list_namespaced_config_map("default").items] == ["c"]


def test_the_dynamic_client_finds_kinds_by_discovery(client: Any, custom: Any) -> None:
    from kubernetes.dynamic import DynamicClient

    workflows = DynamicClient(client).resources.get(api_version="argoproj.io/v1alpha1", kind="Workflow")
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": {"steps": 1}}
    workflows.create(body=body, namespace="default")
    assert workflows.get(name="w", namespace="default").spec.mode == "fast"
    applied = {**body, "spec": {"steps": 3}}
    done = workflows.server_side_apply(body=applied, name="w", namespace="default", field_manager="test")
    assert (done.spec.steps, done.spec.mode) == (3, "fast")
