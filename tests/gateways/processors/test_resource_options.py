"""
ResourceOptions: what a text says, and what is said of one that is wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateways.errors import ConfigurationError
from gateways.processors.resource_options import ResourceFilter, ResourceOptions

PODS = "version: v1\nkind: Pod\n"


def test_the_example_of_the_guide_is_read() -> None:
    text = 'namespace: argo-events\ngroup: ""\nversion: "v1alpha1"\nkind: "Workflow"\nfilter:\n  prefix: scripts-bash\n'
    options = ResourceOptions.parse(text)
    assert (options.namespace, options.group, options.api_version) == ("argo-events", "", "v1alpha1")
    assert (options.kind, options.filter.prefix) == ("Workflow", "scripts-bash")


def test_without_a_filter_everything_passes() -> None:
    options = ResourceOptions.parse(PODS)
    assert options.filter == ResourceFilter()
    assert options.operations == {"added", "modified", "deleted"}
    assert options.namespace == ""


def test_empty_labels_are_not_the_same_as_none() -> None:
    assert ResourceOptions.parse(PODS + "filter: {labels: {}}").filter.labels == {}
    assert ResourceOptions.parse(PODS + "filter: {}").filter.labels is None


def test_an_instant_may_have_any_zone() -> None:
    found = ResourceOptions.parse(PODS + 'filter: {createdBy: "2018-10-07T14:00:00+02:00"}').filter.created_by
    assert found == datetime(2018, 10, 7, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "wanted"),
    [("type: DELETED", {"deleted"}), ("types: [ADDED, MODIFIED]", {"added", "modified"}), ("types: []", None)],
)
def test_kinds_of_happening_are_chosen(more: str, wanted: set[str] | None) -> None:
    everything = {"added", "modified", "deleted"}
    assert ResourceOptions.parse(PODS + more).operations == (wanted or everything)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Pod", "resource version must be specified"),
        ("version: v1", "resource kind must be specified"),
        ("version: v1/x\nkind: Pod", "version 'v1/x' is none; write a name such as v1"),
        ("version: v1\nkind: ../x", "kind '../x' is none; write a name such as ConfigMap"),
        (PODS + "group: a/b", "group 'a/b' is none; write a name such as apps"),
        (PODS + "namespace: A", "namespace 'A' is none; write a name such as argo-events"),
        (PODS + "filter: {createdBy: yesterday}", "filter.createdBy 'yesterday' is no instant"),
        (PODS + "filter: {createdBy: 2018-10-07T25:00:00Z}", "is no instant"),
        (PODS + "filter: {labels: Succeeded}", "`filter.labels` must be a mapping"),
        (PODS + "type: UPDATE", "type 'UPDATE' is none of ADDED, MODIFIED, DELETED"),
        (PODS + "type: ADDED\ntypes: [ADDED]", "type and types exclude each other"),
    ],
)
def test_what_is_wrong_is_named(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        ResourceOptions.parse(text)
    assert problem in str(wrong.value)
