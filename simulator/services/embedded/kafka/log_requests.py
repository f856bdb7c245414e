"""
Requests about logs: produce, fetch, offsets, and the numbers of idempotent producers.
"""

from __future__ import annotations

import asyncio
from typing import Any

from simulator.services.embedded.kafka.batches import cut
from simulator.services.embedded.kafka.cluster import Caller, Cluster
from simulator.services.embedded.kafka.errors import (
    FENCED_LEADER_EPOCH,
    FETCH_SESSION_ID_NOT_FOUND,
    INVALID_FETCH_SESSION_EPOCH,
    INVALID_REQUEST,
    NONE,
    UNKNOWN_LEADER_EPOCH,
    Refused,
)
from simulator.services.embedded.kafka.library import admin, consumer, producer
from simulator.services.embedded.kafka.partition import PartitionLog

_LATEST, _EARLIEST = -1, -2
_ANY_EPOCH = -1
_SESSIONS = 7
"""From this version on a fetch names a session."""
_FULL_FETCH = (-1, 0)
"""Epochs of a fetch that goes on with no session: it wants none, or would like one."""


def produce(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Append what a producer sent. Without acknowledgement there is no answer.
    """
    topic_type = producer.ProduceResponse.TopicProduceResponse
    topics = [
        topic_type(
            name=topic.name,
            partition_responses=[_produced(cluster, topic.name, each, caller, wrong) for each in topic.partition_data],
        )
        for topic in request.topic_data
    ]
    return producer.ProduceResponse(responses=topics, throttle_time_ms=0) if request.acks != 0 else None


def _produced(cluster: Cluster, topic: str, part: Any, caller: Caller, wrong: int) -> Any:
    base, start, error = -1, -1, wrong
    if not error:
        try:
            log = cluster.led(topic, part.index, caller.node)
            batches = list(cut(bytes(part.records or b"")))
            base, start = log.append(batches), log.start
            for told in cluster.produced:
                for batch in batches:
                    told(topic, part.index, batch)
        except Refused as refused:
            error = refused.code
    return producer.ProduceResponse.TopicProduceResponse.PartitionProduceResponse(
        index=part.index,
        error_code=error,
        base_offset=base,
        log_append_time_ms=-1,
        log_start_offset=start,
        record_errors=[],
        error_message=None,
    )


def init_producer_id(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Give an idempotent producer its number. Transactions are refused.
    """
    error = wrong or (INVALID_REQUEST if request.transactional_id else NONE)
    number = -1 if error else next(cluster.producers)
    return producer.InitProducerIdResponse(
        throttle_time_ms=0, error_code=error, producer_id=number, producer_epoch=-1 if error else 0
    )


async def fetch(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Read from partitions; waits for as many bytes as the client wants, but not longer than it wants.

    Fetch sessions (KIP-227) are never made: each answer has session 0, which tells a client to ask in full, and whoever
    goes on with a session is told that there is none.
    """
    refused = _session_error(request)
    if refused:
        return consumer.FetchResponse(throttle_time_ms=0, error_code=refused, session_id=0, responses=[])
    asked = [(topic.topic, part) for topic in request.topics for part in topic.partitions]
    caller.reads = frozenset((topic, part.partition) for topic, part in asked)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + request.max_wait_ms / 1000
    stirred = asyncio.Event()
    waited_for: list[PartitionLog] = []
    for topic, part in asked:
        if topic in cluster.topics and 0 <= part.partition < len(cluster.topics[topic].partitions):
            waited_for.append(cluster.partition(topic, part.partition))
    for log in waited_for:
        log.wait(stirred.set)
    try:
        while True:
            stirred.clear()
            response, size, failed = _fetched(cluster, request, caller, wrong)
            left = deadline - loop.time()
            if size >= request.min_bytes or failed or left <= 0:
                return response
            try:
                async with asyncio.timeout(left):
                    await stirred.wait()
            except TimeoutError:
                pass  # it gets what there is
    finally:
        for log in waited_for:
            log.forget(stirred.set)


def _session_error(request: Any) -> int:
    if request.API_VERSION < _SESSIONS:
        return NONE
    if request.session_id:
        return FETCH_SESSION_ID_NOT_FOUND
    return NONE if request.session_epoch in _FULL_FETCH else INVALID_FETCH_SESSION_EPOCH


def _fetched(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> tuple[Any, int, bool]:
    size, failed = 0, False
    topics = []
    for topic in request.topics:
        parts = []
        for part in topic.partitions:
            room = min(part.partition_max_bytes, max(0, request.max_bytes - size))
            answer = _read(cluster, topic.topic, part, caller, wrong, room=room if size else part.partition_max_bytes)
            failed = failed or answer.error_code != NONE
            size += len(answer.records)
            parts.append(answer)
        topics.append(consumer.FetchResponse.FetchableTopicResponse(topic=topic.topic, partitions=parts))
    return consumer.FetchResponse(throttle_time_ms=0, error_code=NONE, session_id=0, responses=topics), size, failed


def _read(cluster: Cluster, topic: str, part: Any, caller: Caller, wrong: int, *, room: int) -> Any:
    end, start, records, error = -1, -1, b"", wrong
    if not error:
        try:
            log = cluster.led(topic, part.partition, caller.node)
            end, start = log.end, log.start
            _check_epoch(log, part)
            records = log.read(part.fetch_offset, room) if room > 0 else b""
        except Refused as refused:
            error = refused.code
    return consumer.FetchResponse.FetchableTopicResponse.PartitionData(
        partition_index=part.partition,
        error_code=error,
        high_watermark=end,
        last_stable_offset=end,
        log_start_offset=start,
        aborted_transactions=None,
        preferred_read_replica=-1,
        records=records,
    )


def _check_epoch(log: PartitionLog, part: Any) -> None:
    """
    A client that knows of another leadership than ours is told so.
    """
    known = getattr(part, "current_leader_epoch", _ANY_EPOCH)
    if known is None or known in (_ANY_EPOCH, log.leader_epoch):
        return
    raise Refused(FENCED_LEADER_EPOCH if known < log.leader_epoch else UNKNOWN_LEADER_EPOCH)


def list_offsets(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    The earliest offset, the latest, or that of an instant.
    """
    topic_type = consumer.ListOffsetsResponse.ListOffsetsTopicResponse
    topics = [
        topic_type(
            name=topic.name, partitions=[_offset(cluster, topic.name, p, caller, wrong) for p in topic.partitions]
        )
        for topic in request.topics
    ]
    return consumer.ListOffsetsResponse(throttle_time_ms=0, topics=topics)


def _offset(cluster: Cluster, topic: str, part: Any, caller: Caller, wrong: int) -> Any:
    offset, timestamp, epoch, error = -1, -1, -1, wrong
    if not error:
        try:
            log = cluster.led(topic, part.partition_index, caller.node)
            _check_epoch(log, part)
            epoch = log.leader_epoch
            if part.timestamp == _LATEST:
                offset = log.end
            elif part.timestamp == _EARLIEST:
                offset = log.start
            else:
                offset, timestamp = log.first_at(part.timestamp) or (-1, -1)
        except Refused as refused:
            error = refused.code
    return consumer.ListOffsetsResponse.ListOffsetsTopicResponse.ListOffsetsPartitionResponse(
        partition_index=part.partition_index, error_code=error, timestamp=timestamp, offset=offset, leader_epoch=epoch
    )


def offset_for_leader_epoch(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Where an epoch ended. Our logs are never cut back, so the answer is the end.
    """
    topic_type = consumer.OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult
    topics = [
        topic_type(
            topic=topic.topic, partitions=[_epoch_end(cluster, topic.topic, p, caller, wrong) for p in topic.partitions]
        )
        for topic in request.topics
    ]
    return consumer.OffsetForLeaderEpochResponse(throttle_time_ms=0, topics=topics)


def _epoch_end(cluster: Cluster, topic: str, part: Any, caller: Caller, wrong: int) -> Any:
    end, epoch, error = -1, -1, wrong
    if not error:
        try:
            log = cluster.led(topic, part.partition, caller.node)
            end, epoch = log.end, log.leader_epoch
        except Refused as refused:
            error = refused.code
    return consumer.OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult.EpochEndOffset(
        error_code=error, partition=part.partition, leader_epoch=epoch, end_offset=end
    )


def delete_records(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Let logs begin later.
    """
    topic_type = admin.DeleteRecordsResponse.DeleteRecordsTopicResult
    topics = [
        topic_type(
            name=topic.name, partitions=[_forgotten(cluster, topic.name, p, caller, wrong) for p in topic.partitions]
        )
        for topic in request.topics
    ]
    return admin.DeleteRecordsResponse(throttle_time_ms=0, topics=topics)


def _forgotten(cluster: Cluster, topic: str, part: Any, caller: Caller, wrong: int) -> Any:
    low, error = -1, wrong
    if not error:
        try:
            log = cluster.led(topic, part.partition_index, caller.node)
            log.forget_before(log.end if part.offset == -1 else part.offset)
            low = log.start
        except Refused as refused:
            error = refused.code
    return admin.DeleteRecordsResponse.DeleteRecordsTopicResult.DeleteRecordsPartitionResult(
        partition_index=part.partition_index, low_watermark=low, error_code=error
    )
