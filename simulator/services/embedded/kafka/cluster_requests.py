"""
Requests about the cluster: its brokers and topics, and what administrators ask.
"""

from __future__ import annotations

from typing import Any

from simulator.services.embedded.kafka.cluster import Broker, Caller, Cluster, Topic
from simulator.services.embedded.kafka.errors import (
    INVALID_REQUEST,
    NONE,
    UNKNOWN_TOPIC_OR_PARTITION,
    Refused,
)
from simulator.services.embedded.kafka.library import admin
from simulator.services.embedded.kafka.library import metadata as metadata_protocol

_GROUP = 0
_TOPIC_RESOURCE, _BROKER_RESOURCE = 2, 4
_FROM_TOPIC, _DEFAULT = 1, 5
_DEFAULT_CONFIGS = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "-1",
}


def metadata(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Brokers, topics and leaders.
    """
    everything = request.topics is None or (request.API_VERSION == 0 and not request.topics)
    names = list(cluster.topics) if everything else [topic.name for topic in request.topics]
    may_create = request.API_VERSION < 4 or request.allow_auto_topic_creation
    broker_type = metadata_protocol.MetadataResponse.MetadataResponseBroker
    brokers = [broker_type(node_id=b.node, host=b.host, port=b.port, rack=None) for b in cluster.brokers.values()]
    return metadata_protocol.MetadataResponse(
        throttle_time_ms=0,
        brokers=brokers,
        cluster_id=cluster.id,
        controller_id=cluster.controller,
        topics=[_described(cluster, name, wrong, may_create=may_create) for name in names],
    )


def _described(cluster: Cluster, name: str, wrong: int, *, may_create: bool) -> Any:
    topic_type = metadata_protocol.MetadataResponse.MetadataResponseTopic
    error, partitions = wrong, []
    if not error:
        topic = cluster.topics.get(name)
        try:
            if topic is None and cluster.auto_create and may_create:
                topic = cluster.create_topic(name, 1)
        except Refused as refused:
            error = refused.code
        if topic is None:
            error = error or UNKNOWN_TOPIC_OR_PARTITION
        else:
            partitions = _partitions(topic)
    return topic_type(
        error_code=error,
        name=name,
        is_internal=False,
        partitions=partitions,
    )


def _partitions(topic: Topic) -> list[Any]:
    return [
        metadata_protocol.MetadataResponse.MetadataResponseTopic.MetadataResponsePartition(
            error_code=NONE,
            partition_index=number,
            leader_id=log.leader,
            leader_epoch=log.leader_epoch,
            replica_nodes=[log.leader],
            isr_nodes=[log.leader],
            offline_replicas=[],
        )
        for number, log in enumerate(topic.partitions)
    ]


def find_coordinator(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Who coordinates a group: one broker for all of them. Nobody coordinates transactions.
    """
    error = wrong or (NONE if getattr(request, "key_type", _GROUP) in (None, _GROUP) else INVALID_REQUEST)
    broker = Broker(-1, "", -1) if error else cluster.brokers[cluster.coordinator]
    return metadata_protocol.FindCoordinatorResponse(
        throttle_time_ms=0,
        error_code=error,
        error_message="transactions are not supported" if error == INVALID_REQUEST else None,
        node_id=broker.node,
        host=broker.host,
        port=broker.port,
    )


def create_topics(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Make topics.
    """
    results = []
    for asked in request.topics:
        error = wrong
        partitions = len(asked.assignments) or (asked.num_partitions if asked.num_partitions != -1 else 1)
        configs = {config.name: config.value for config in asked.configs}
        try:
            if not error:
                cluster.create_topic(asked.name, partitions, configs)
                if request.validate_only:
                    cluster.delete_topic(asked.name)
        except Refused as refused:
            error = refused.code
        results.append(
            admin.CreateTopicsResponse.CreatableTopicResult(
                name=asked.name,
                error_code=error,
                error_message=None,
                topic_config_error_code=NONE,
                num_partitions=partitions,
                replication_factor=1,
                configs=[],
            )
        )
    return admin.CreateTopicsResponse(throttle_time_ms=0, topics=results)


def delete_topics(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Forget topics.
    """
    results = []
    for name in request.topic_names:
        error = wrong
        try:
            if not error:
                cluster.delete_topic(name)
        except Refused as refused:
            error = refused.code
        results.append(admin.DeleteTopicsResponse.DeletableTopicResult(name=name, error_code=error, error_message=None))
    return admin.DeleteTopicsResponse(throttle_time_ms=0, responses=results)


def create_partitions(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Give topics more partitions.
    """
    results = []
    for asked in request.topics:
        error = wrong
        try:
            if not error and not request.validate_only:
                cluster.add_partitions(asked.name, asked.count)
        except Refused as refused:
            error = refused.code
        result = admin.CreatePartitionsResponse.CreatePartitionsTopicResult(
            name=asked.name, error_code=error, error_message=None
        )
        results.append(result)
    return admin.CreatePartitionsResponse(throttle_time_ms=0, results=results)


def describe_configs(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    The settings of topics and brokers.
    """
    results = []
    for asked in request.resources:
        topic = cluster.topics.get(asked.resource_name) if asked.resource_type == _TOPIC_RESOURCE else None
        known = topic is not None or asked.resource_type == _BROKER_RESOURCE
        error = wrong or (NONE if known else UNKNOWN_TOPIC_OR_PARTITION)
        own = topic.configs if topic is not None else {}
        wanted = asked.configuration_keys
        entries = {**_DEFAULT_CONFIGS, **own} if not error else {}
        results.append(
            admin.DescribeConfigsResponse.DescribeConfigsResult(
                error_code=error,
                error_message=None,
                resource_type=asked.resource_type,
                resource_name=asked.resource_name,
                configs=[
                    _config(name, value, is_own=name in own)
                    for name, value in entries.items()
                    if wanted is None or name in wanted
                ],
            )
        )
    return admin.DescribeConfigsResponse(throttle_time_ms=0, results=results)


def _config(name: str, value: str | None, *, is_own: bool) -> Any:
    return admin.DescribeConfigsResponse.DescribeConfigsResult.DescribeConfigsResourceResult(
        name=name,
        value=value,
        read_only=False,
        config_source=_FROM_TOPIC if is_own else _DEFAULT,
        is_sensitive=False,
        synonyms=[],
        config_type=0,
        documentation=None,
    )


def describe_cluster(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    The brokers, as administrators ask for them.
    """
    broker_type = admin.DescribeClusterResponse.DescribeClusterBroker
    return admin.DescribeClusterResponse(
        throttle_time_ms=0,
        error_code=wrong,
        error_message=None,
        cluster_id=cluster.id,
        controller_id=cluster.controller,
        brokers=[broker_type(broker_id=b.node, host=b.host, port=b.port, rack=None) for b in cluster.brokers.values()],
    )
