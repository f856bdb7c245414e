"""
The protocol's core: bytes of a request in, bytes of its answer out; which requests there are, and in which versions.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, NamedTuple

from simulator.services.embedded.kafka import cluster_requests, group_requests, log_requests, login_requests
from simulator.services.embedded.kafka.cluster import Caller, Cluster
from simulator.services.embedded.kafka.errors import NONE, UNSUPPORTED_VERSION
from simulator.services.embedded.kafka.library import admin, consumer, metadata, producer, sasl

Answer = Callable[[Cluster, Any, Caller, int], Any | Awaitable[Any]]
_HEAD = struct.Struct(">hhi")


class NotUnderstood(Exception):
    """
    The request is none of ours: its connection is closed, as Apache Kafka does.
    """


class LoginMissing(NotUnderstood):
    """
    The request needs a login first.
    """


class Api(NamedTuple):
    """
    One kind of request.
    """

    name: str
    request: Any
    """Class of kafka-python's protocol."""
    versions: range
    answer: Answer


def _api(module: Any, name: str, first: int, last: int, answer: Answer) -> Api:
    return Api(name, getattr(module, f"{name}Request"), range(first, last + 1), answer)


def api_versions(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Which requests there are.
    """
    response = metadata.ApiVersionsResponse
    keys = [
        response.ApiVersion(api_key=key, min_version=api.versions[0], max_version=api.versions[-1])
        for key, api in APIS.items()
    ]
    return response(error_code=wrong, api_keys=keys, throttle_time_ms=0)


_ALL = (
    _api(metadata, "ApiVersions", 0, 4, api_versions),
    _api(sasl, "SaslHandshake", 1, 1, login_requests.handshake),
    _api(sasl, "SaslAuthenticate", 0, 2, login_requests.authenticate),
    _api(metadata, "Metadata", 0, 9, cluster_requests.metadata),
    _api(metadata, "FindCoordinator", 0, 3, cluster_requests.find_coordinator),
    _api(producer, "Produce", 3, 9, log_requests.produce),
    _api(producer, "InitProducerId", 0, 4, log_requests.init_producer_id),
    _api(consumer, "Fetch", 4, 11, log_requests.fetch),
    _api(consumer, "ListOffsets", 1, 6, log_requests.list_offsets),
    _api(consumer, "OffsetForLeaderEpoch", 2, 4, log_requests.offset_for_leader_epoch),
    _api(consumer, "JoinGroup", 0, 7, group_requests.join_group),
    _api(consumer, "SyncGroup", 0, 5, group_requests.sync_group),
    _api(consumer, "Heartbeat", 0, 4, group_requests.heartbeat),
    _api(consumer, "LeaveGroup", 0, 5, group_requests.leave_group),
    _api(consumer, "OffsetCommit", 2, 8, group_requests.offset_commit),
    _api(consumer, "OffsetFetch", 1, 7, group_requests.offset_fetch),
    _api(admin, "CreateTopics", 2, 6, cluster_requests.create_topics),
    _api(admin, "DeleteTopics", 1, 5, cluster_requests.delete_topics),
    _api(admin, "CreatePartitions", 0, 3, cluster_requests.create_partitions),
    _api(admin, "DeleteRecords", 0, 2, log_requests.delete_records),
    _api(admin, "DescribeConfigs", 1, 4, cluster_requests.describe_configs),
    _api(admin, "DescribeCluster", 0, 0, cluster_requests.describe_cluster),
    _api(admin, "ListGroups", 0, 4, group_requests.list_groups),
    _api(admin, "DescribeGroups", 0, 5, group_requests.describe_groups),
    _api(admin, "DeleteGroups", 0, 2, group_requests.delete_groups),
)
APIS: dict[int, Api] = {api.request.API_KEY: api for api in _ALL}
"""By the number that a request begins with."""
REQUESTS = tuple(api.name for api in _ALL)
_BEFORE_LOGIN = frozenset({"ApiVersions", "SaslHandshake", "SaslAuthenticate"})


async def answer(cluster: Cluster, frame: bytes, caller: Caller) -> bytes | None:
    """
    Answer one request.

    Args:
        cluster: What is asked about.
        frame: The request, without its length.
        caller: Who asks; what it reads is noted.

    Returns:
        The answer with its length, or None where the protocol has none (a produce without acknowledgement).

    Raises:
        NotUnderstood: It cannot be read, or is of a kind or version that we did not offer.
        LoginMissing: It may not be asked by who has not logged in.
    """
    try:
        key, version, correlation = _HEAD.unpack_from(frame)
    except struct.error:
        raise NotUnderstood("a request without a header") from None
    api = APIS.get(key)
    if api is None:
        raise NotUnderstood(f"request {key} is not supported")
    if cluster.users and not caller.user and api.name not in _BEFORE_LOGIN:
        raise LoginMissing(f"{api.name} comes before a login")
    if version not in api.versions:
        if api.answer is not api_versions:
            raise NotUnderstood(f"version {version} of {api.name} is not supported")
        response: Any = api_versions(cluster, None, caller, UNSUPPORTED_VERSION)
        version = 0
    else:
        request = _read(api, frame, version)
        caller.client = request.header.client_id or ""
        wrong = cluster.wrong_code(api.name) if cluster.wrong_replies else NONE
        response = api.answer(cluster, request, caller, wrong)
        if isawaitable(response):
            response = await response
    if response is None:
        return None
    response.API_VERSION = version
    response.with_header(correlation_id=correlation)
    return bytes(response.encode(header=True, framed=True))


def _read(api: Api, frame: bytes, version: int) -> Any:
    try:
        return api.request.decode(frame, version=version, header=True)
    except (struct.error, ValueError, IndexError, TypeError, UnicodeDecodeError) as error:
        raise NotUnderstood(f"{api.name} cannot be read: {error}") from error
