"""
Listener: what is answered to requests that no client of good breeding sends.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from simulator.services.embedded.kubernetes.failures import ApiFailure, failure_named
from simulator.services.embedded.kubernetes.listener import VERBS
from tests.simulator.services.embedded.kubernetes.serving import Server, serving

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
JSON = "application/json"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def asked(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(server.url + path, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("request_line", "body", "headers", "code"),
    [
        ("GET /nowhere", None, {}, 404),
        ("GET /api/v2", None, {}, 404),
        ("GET /apis/apps/v9/deployments", None, {}, 404),
        ("GET /api/v1/nonsense", None, {}, 404),
        (f"GET {CONFIG_MAPS}/a/status", None, {}, 404),
        ("GET /api/v1/namespaces/default/nodes", None, {}, 404),
        ("POST /api", b"{}", {"Content-Type": JSON}, 405),
        (f"PUT {CONFIG_MAPS}", b"{}", {"Content-Type": JSON}, 405),
        (f"POST {CONFIG_MAPS}", b"\x0a\x00", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400),
        (f"POST {CONFIG_MAPS}", b"k8s\x00\x0a\xff", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400),
        (f"POST {CONFIG_MAPS}", b"<a/>", {"Content-Type": "application/xml"}, 415),
        (f"PATCH {CONFIG_MAPS}/kept", b"{}", {"Content-Type": JSON}, 415),
        (f"GET {CONFIG_MAPS}", None, {"Accept": "application/vnd.kubernetes.protobuf"}, 406),
        (f"POST {CONFIG_MAPS}", b"{", {"Content-Type": JSON}, 400),
        (f"POST {CONFIG_MAPS}", b"[]", {"Content-Type": JSON}, 400),
        (f"POST {CONFIG_MAPS}", b'{"kind": "Secret"}', {"Content-Type": JSON}, 400),
        (f"POST {CONFIG_MAPS}", b'{"metadata": {"name": "a", "namespace": "b"}}', {"Content-Type": JSON}, 400),
        (f"POST {CONFIG_MAPS}", b'{"metadata": {"name": "a"}, "data": {"x": 1}}', {"Content-Type": JSON}, 422),
        (f"GET {CONFIG_MAPS}?limit=x", None, {}, 400),
        (f"GET {CONFIG_MAPS}?continue=x", None, {}, 400),
        (f"GET {CONFIG_MAPS}?labelSelector=a%20b", None, {}, 400),
        (f"GET {CONFIG_MAPS}?watch=true&resourceVersion=x", None, {}, 400),
    ],
)
def test_it_is_refused_by_a_status_that_says_why(
    server: Server, request_line: str, body: bytes | None, headers: dict[str, str], code: int
) -> None:
    method, _, path = request_line.partition(" ")
    if "/kept" in path:
        asked(server, "POST", CONFIG_MAPS, b'{"metadata": {"name": "kept"}}', **{"Content-Type": JSON})
    answered, status = asked(server, method, path, body, **headers)
    assert (answered, status["kind"], status["status"], status["code"]) == (code, "Status", "Failure", code)
    assert status["message"]


def test_objects_may_be_written_in_yaml_and_seen_as_rows(server: Server) -> None:
    body = b"metadata: {name: rows}\ndata: {a: b}\n"
    assert asked(server, "POST", CONFIG_MAPS, body, **{"Content-Type": "application/yaml"})[0] == 201
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    _, table = asked(server, "GET", f"{CONFIG_MAPS}/rows", None, Accept=accept)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["rows", 1]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_each_request_is_told_by_its_verb_before_it_is_taken_up_and_may_be_refused() -> None:
    verbs: list[str] = []

    def hook(verb: str) -> ApiFailure | None:
        verbs.append(verb)
        return failure_named(503)

    one = f"{CONFIG_MAPS}/a"
    with serving(hook) as refusing:
        for method, path in (
            ("GET", "/api/v1"), ("GET", one), ("GET", CONFIG_MAPS), ("GET", f"{CONFIG_MAPS}?watch=true"),
            ("POST", CONFIG_MAPS), ("PUT", one), ("PATCH", one), ("DELETE", one), ("DELETE", CONFIG_MAPS),
        ):  # fmt: skip
            code, status = asked(refusing, method, path, None if method in ("GET", "DELETE") else b"{}")
            assert (code, status["reason"]) == (503, "ServiceUnavailable")
        assert asked(refusing, "GET", "/readyz.json")[0] == 503
    assert (*verbs[:-1],) == VERBS


@pytest.mark.parametrize(("named", "code"), [(429, 429), ("429", 429), ("TooManyRequests", 429), ("Expired", 410)])
def test_a_failure_is_named_by_its_status_or_its_reason(named: str | int, code: int) -> None:
    failure = failure_named(named)
    assert failure is not None
    assert failure.code == code


def test_there_is_no_failure_of_a_name_that_the_api_does_not_have() -> None:
    assert failure_named("Nonsense") is None
