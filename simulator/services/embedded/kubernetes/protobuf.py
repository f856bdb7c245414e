"""
Protobuf: the few kinds that `kubectl create` writes in it (`kubectl create configmap` and its like), read into objects.

Source: Kubernetes API concepts, "Alternate representations of resources"; the field numbers are those of
`k8s.io/api/core/v1/generated.proto` and `k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from simulator.services.embedded.kubernetes.failures import ApiFailure
from simulator.services.embedded.kubernetes.kinds import Object

PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_TEXT, _FLAG, _TEXTS, _BLOBS = "text", "flag", "texts", "blobs"
"""How a field is read: text, true or false, a map of texts, a map of bytes."""

Fields = dict[int, tuple[str, Any]]

_METADATA: Fields = {
    1: ("name", _TEXT),
    2: ("generateName", _TEXT),
    3: ("namespace", _TEXT),
    11: ("labels", _TEXTS),
    12: ("annotations", _TEXTS),
}
_KINDS: dict[tuple[str, str], Fields] = {
    ("v1", "ConfigMap"): {1: ("metadata", _METADATA), 2: ("data", _TEXTS), 3: ("binaryData", _BLOBS)},
    ("v1", "Secret"): {
        1: ("metadata", _METADATA),
        2: ("data", _BLOBS),
        3: ("type", _TEXT),
        4: ("stringData", _TEXTS),
        5: ("immutable", _FLAG),
    },
    ("v1", "Namespace"): {1: ("metadata", _METADATA)},
    ("v1", "ServiceAccount"): {1: ("metadata", _METADATA)},
}
_TYPE: Fields = {1: ("apiVersion", _TEXT), 2: ("kind", _TEXT)}


def from_protobuf(raw: bytes) -> Object:
    """
    The object in *raw*.

    Raises:
        ApiFailure: It is of another kind, or no protobuf of Kubernetes.
    """
    if not raw.startswith(_MAGIC):
        raise ApiFailure(400, "provided data does not appear to be a protobuf message, expected prefix k8s")
    try:
        envelope = dict(_fields(raw[len(_MAGIC) :]))
        said = _read(envelope[1], _TYPE)
        kind = _KINDS.get((said["apiVersion"], said["kind"]))
        if kind is None:
            raise ApiFailure(415, f"{said['kind']} is not taken in protobuf; accepted media types include: "
                                  "application/json, application/yaml")  # fmt: skip
        return {**said, **_read(envelope[2], kind)}
    except (IndexError, KeyError, ValueError) as error:
        raise ApiFailure(400, f"the object provided is unrecognized: {error}") from error


def _read(raw: bytes, fields: Fields) -> Object:
    found: Object = {}
    for number, value in _fields(raw):
        name, how = fields.get(number, ("", None))
        if how in (_TEXTS, _BLOBS):
            key, inner = _entry(value)
            found.setdefault(name, {})[key] = inner.decode() if how == _TEXTS else base64.b64encode(inner).decode()
        elif how == _FLAG:
            found[name] = bool(value)
        elif how == _TEXT:
            if value:
                found[name] = value.decode()
        elif how is not None:
            found[name] = _read(value, how)
    return found


def _entry(raw: bytes) -> tuple[str, bytes]:
    parts = dict(_fields(raw))
    return parts.get(1, b"").decode(), parts.get(2, b"")


def _fields(raw: bytes) -> Iterator[tuple[int, Any]]:
    """
    Each field's number, and its bytes or its number.
    """
    place = 0
    while place < len(raw):
        tag, place = _varint(raw, place)
        match tag & 7:
            case 0:
                value, place = _varint(raw, place)
                yield tag >> 3, value
            case 2:
                length, place = _varint(raw, place)
                if place + length > len(raw):
                    raise ValueError("a field is cut off")
                yield tag >> 3, raw[place : place + length]
                place += length
            case wire:
                raise ValueError(f"wire type {wire} is not used by these kinds")


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
