"""
Kubernetes Events of changes of phase.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateways.cluster_events import REMOVED, PhaseChange, Reporter, event_of

AT = datetime(2018, 10, 7, 12, tzinfo=UTC)
CHANGE = PhaseChange("foo", "7", "9", "Running", "next at noon", AT)
REPORTER = Reporter("shop", "argo-events", "a-uid", "lab")


def test_an_event_says_what_the_era_s_did() -> None:
    assert event_of(CHANGE, REPORTER) == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "generateName": "shop-",
            "namespace": "argo-events",
            "labels": {
                "config-name": "foo",
                "gateway-name": "shop",
                "GATEWAY_CONFIG_ID": "7",
                "GATEWAY_CONFIG_TIME_ID": "9",
                "event-seen": "true",
                "component": "shop",
                "event-type": "StateChange",
            },
        },
        "type": "StateChange",
        "action": "Running",
        "reason": "configuration running",
        "message": "foo: next at noon",
        "eventTime": "2018-10-07T12:00:00.000000Z",
        "involvedObject": {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Gateway",
            "namespace": "argo-events",
            "name": "shop",
            "uid": "a-uid",
        },
        "source": {"component": "shop"},
        "reportingComponent": "shop",
        "reportingInstance": "lab",
    }


@pytest.mark.parametrize(
    ("action", "message", "reason"),
    [
        ("Initialized", "", "new configuration"),
        ("Completed", "the source ended", "configuration completed"),
        (REMOVED, "", "stale configuration"),
        ("Error", "no such subject", "no such subject"),
        ("Error", "", "Error"),
    ],
)
def test_the_reason_is_that_of_the_phase_or_the_cause(action: str, message: str, reason: str) -> None:
    assert event_of(CHANGE._replace(action=action, message=message), REPORTER)["reason"] == reason


def test_what_is_too_long_for_kubernetes_is_cut_between_characters() -> None:
    event = event_of(CHANGE._replace(action="Error", message="ü" * 2000), REPORTER)
    assert len(event["reason"].encode()) <= 128
    assert len(event["message"].encode()) <= 1024
    assert event["reason"].rstrip("…") == "ü" * 62


@pytest.mark.parametrize(
    ("name", "label"), [("x" * 70, "x" * 63), ("dot.", "dot"), ("-_.", ""), (f"{'x' * 62}.y", "x" * 62)]
)
def test_a_name_that_is_no_label_stands_beside_the_label_in_full(name: str, label: str) -> None:
    metadata = event_of(CHANGE._replace(configuration=name), REPORTER)["metadata"]
    assert metadata["labels"]["config-name"] == label
    assert metadata["annotations"] == {"config-name": name}


def test_without_a_controller_the_gateway_reports_for_itself() -> None:
    event = event_of(CHANGE, Reporter("shop", "default"))
    assert event["reportingInstance"] == "shop"
    assert "uid" not in event["involvedObject"]
