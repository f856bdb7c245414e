"""
Kubernetes Events: what one says of a configuration's change of phase; pure.

Source: R-STA-1 to R-STA-4; Kubernetes API reference, "Event v1 core".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateways.gateway_spec import API_GROUP

API_VERSION = f"{API_GROUP}v1alpha1"
REMOVED = "Remove"
"""The action of an Event about a configuration that is gone; others are named by their phase."""
_REASONS = {
    "Initialized": "new configuration",
    "Running": "configuration running",
    "Completed": "configuration completed",
    REMOVED: "stale configuration",
}
_REASON_BYTES_MAX = 128
"""Kubernetes refuses an Event with a longer one."""
_MESSAGE_BYTES_MAX = 1024
_LABEL_LENGTH_MAX = 63


class Reporter(NamedTuple):
    """
    Whose Events they are.
    """

    gateway: str
    namespace: str
    uid: str = ""
    """Of the Gateway; empty while it is not known."""
    instance: str = ""
    """Of the controller that is in charge of the Gateway; its name stands in where nobody is."""


class PhaseChange(NamedTuple):
    """
    Something that happened to a configuration.
    """

    configuration: str
    id: str
    """Of its entry in the status."""
    time_id: str
    """Of this incarnation of it."""
    action: str
    """The new phase, or REMOVED."""
    message: str
    at: datetime


def event_of(change: PhaseChange, reporter: Reporter) -> dict[str, Any]:
    """
    The Event that tells of *change*.

    It is marked as seen from the start: what it tells stands in the status already, and nobody has to put it there.
    """
    label = _as_label(change.configuration)
    reason = _REASONS.get(change.action, change.message)
    metadata: dict[str, Any] = {
        "generateName": f"{reporter.gateway}-",
        "namespace": reporter.namespace,
        "labels": {
            "config-name": label,
            "gateway-name": _as_label(reporter.gateway),
            "GATEWAY_CONFIG_ID": change.id,
            "GATEWAY_CONFIG_TIME_ID": change.time_id,
            "event-seen": "true",
            "component": _as_label(reporter.gateway),
            "event-type": "StateChange",
        },
    }
    if label != change.configuration:
        metadata["annotations"] = {"config-name": change.configuration}
    involved = {"apiVersion": API_VERSION, "kind": "Gateway", "namespace": reporter.namespace, "name": reporter.gateway}
    if reporter.uid:
        involved["uid"] = reporter.uid
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "type": "StateChange",
        "action": change.action,
        "reason": _cut(reason or change.action, _REASON_BYTES_MAX),
        "message": _cut(f"{change.configuration}: {change.message or reason}", _MESSAGE_BYTES_MAX),
        "eventTime": change.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "involvedObject": involved,
        "source": {"component": reporter.gateway},
        "reportingComponent": reporter.gateway,
        "reportingInstance": reporter.instance or reporter.gateway,
    }


def _as_label(text: str) -> str:
    """
    *text* as far as it can be a label's value, which ends in a letter or digit and begins with one.
    """
    return text.lstrip("-_.")[:_LABEL_LENGTH_MAX].rstrip("-_.")


def _cut(text: str, bytes_max: int) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - 3].decode("utf-8", "ignore") + "…"
