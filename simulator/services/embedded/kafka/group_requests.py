"""
Requests about consumer groups: membership, and the offsets they commit.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from simulator.services.embedded.kafka.cluster import Caller, Cluster
from simulator.services.embedded.kafka.errors import (
    GROUP_ID_NOT_FOUND,
    INVALID_GROUP_ID,
    INVALID_SESSION_TIMEOUT,
    NON_EMPTY_GROUP,
    NONE,
    REBALANCE_IN_PROGRESS,
    UNKNOWN_MEMBER_ID,
    Refused,
)
from simulator.services.embedded.kafka.group import COMPLETING, EMPTY, Committed, Group, Joined, Member
from simulator.services.embedded.kafka.library import admin, consumer

_SESSION_MS = range(1, 1_800_001)
_ASKS_TWICE = 4
"""From this version of JoinGroup on a newcomer is first told its id."""
_VERSIONS = 100
"""More than any request has."""
_UNASKED_OPERATIONS = -(1 << 31)
_NOTHING_COMMITTED = Committed(-1, -1, "")


async def join_group(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Join a group; answered when it has a new generation.
    """
    error = wrong
    if not error and not request.group_id:
        error = INVALID_GROUP_ID
    error = _misplaced(cluster, caller, error)
    if not error and request.session_timeout_ms not in _SESSION_MS:
        error = INVALID_SESSION_TIMEOUT
    joined = Joined(request.member_id, error)
    if not error:
        version = request.API_VERSION
        member = Member(
            id=request.member_id,
            client=caller.client,
            host=caller.host,
            instance=_instance(request, 5),
            protocols=[(protocol.name, bytes(protocol.metadata)) for protocol in request.protocols],
            session_s=request.session_timeout_ms / 1000,
            rebalance_s=(request.rebalance_timeout_ms if version >= 1 else request.session_timeout_ms) / 1000,
            stall=caller.stall,
            later=cluster.later,
        )
        group = cluster.group(request.group_id)
        joined = await group.join(member, request.protocol_type, must_ask=version >= _ASKS_TWICE)
    if joined.error:
        return _joined(Group(request.group_id, generation=-1), joined)
    return _joined(group, joined)


def _joined(group: Group, joined: Joined) -> Any:
    member_type = consumer.JoinGroupResponse.JoinGroupResponseMember
    members = group.members.values() if joined.member == joined.leader else ()
    return consumer.JoinGroupResponse(
        throttle_time_ms=0,
        error_code=joined.error,
        generation_id=group.generation,
        protocol_type=group.protocol_type or None,
        protocol_name=group.protocol,
        leader=joined.leader,
        skip_assignment=False,
        member_id=joined.member,
        members=[
            member_type(member_id=each.id, group_instance_id=each.instance, metadata=each.metadata(group.protocol))
            for each in members
        ],
    )


def _misplaced(cluster: Cluster, caller: Caller, wrong: int) -> int:
    """
    *wrong*, else the error that only the coordinator of groups may be asked.
    """
    return wrong or cluster.coordination_error(caller.node)


def _instance(request: Any, since: int) -> str | None:
    """
    The static member's name, which requests have from version *since* on.
    """
    return request.group_instance_id if request.API_VERSION in range(since, _VERSIONS) else None


async def sync_group(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Hand over the leader's assignments, or wait for them.
    """
    error, assignment, group = _misplaced(cluster, caller, wrong), b"", cluster.groups.get(request.group_id)
    if not error and group is None:
        error = UNKNOWN_MEMBER_ID
    if not error and group is not None:
        given = {each.member_id: bytes(each.assignment) for each in request.assignments}
        try:
            assignment = await group.sync(
                request.member_id, request.generation_id, given, instance=_instance(request, 3)
            )
        except Refused as refused:
            error = refused.code
    return consumer.SyncGroupResponse(
        throttle_time_ms=0,
        error_code=error,
        protocol_type=group.protocol_type if group is not None else None,
        protocol_name=group.protocol if group is not None else None,
        assignment=assignment,
    )


def heartbeat(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    A member lives.
    """
    error, group = _misplaced(cluster, caller, wrong), cluster.groups.get(request.group_id)
    try:
        if not error:
            if group is None:
                raise Refused(UNKNOWN_MEMBER_ID)
            group.heartbeat(request.member_id, request.generation_id, _instance(request, 3))
    except Refused as refused:
        error = refused.code
    return consumer.HeartbeatResponse(throttle_time_ms=0, error_code=error)


def leave_group(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Members leave.
    """
    group = cluster.groups.get(request.group_id)
    several = request.API_VERSION >= 3
    leaving = [(request.member_id, None)]
    if several:
        leaving = [(each.member_id, each.group_instance_id) for each in request.members]
    wrong = _misplaced(cluster, caller, wrong)
    results, worst = [], wrong
    for member_id, instance in leaving:
        error = wrong
        try:
            if not error:
                if group is None:
                    raise Refused(UNKNOWN_MEMBER_ID)
                group.leave(member_id, instance)
        except Refused as refused:
            error = refused.code
        worst = worst or (error if not several else NONE)
        results.append(
            consumer.LeaveGroupResponse.MemberResponse(
                member_id=member_id, group_instance_id=instance, error_code=error
            )
        )
    return consumer.LeaveGroupResponse(throttle_time_ms=0, error_code=worst, members=results)


def offset_commit(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Commit offsets, of a member or of somebody who uses the group as a place to keep them.
    """
    error = _misplaced(cluster, caller, wrong) or _commit_error(cluster, request)
    group = cluster.group(request.group_id)
    topic_type = consumer.OffsetCommitResponse.OffsetCommitResponseTopic
    topics = []
    for topic in request.topics:
        parts = []
        for part in topic.partitions:
            code = error
            try:
                if not code:
                    cluster.partition(topic.name, part.partition_index)
                    epoch = part.committed_leader_epoch if request.API_VERSION >= 6 else -1
                    committed = Committed(part.committed_offset, epoch, part.committed_metadata or "")
                    group.offsets[topic.name, part.partition_index] = committed
            except Refused as refused:
                code = refused.code
            parts.append(
                topic_type.OffsetCommitResponsePartition(partition_index=part.partition_index, error_code=code)
            )
        topics.append(topic_type(name=topic.name, partitions=parts))
    return consumer.OffsetCommitResponse(throttle_time_ms=0, topics=topics)


def _commit_error(cluster: Cluster, request: Any) -> int:
    group, generation = cluster.group(request.group_id), request.generation_id_or_member_epoch
    if generation < 0 and not request.member_id and group.state == EMPTY:
        return NONE
    try:
        group.checked(request.member_id, generation, _instance(request, 7))
    except Refused as refused:
        return refused.code
    return REBALANCE_IN_PROGRESS if group.state == COMPLETING else NONE


def offset_fetch(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    What a group has committed.
    """
    wrong = _misplaced(cluster, caller, wrong)
    group = cluster.groups.get(request.group_id) or Group(request.group_id)
    if request.topics is None:
        asked = list(group.offsets)
    else:
        asked = [(topic.name, number) for topic in request.topics for number in topic.partition_indexes]
    topic_type = consumer.OffsetFetchResponse.OffsetFetchResponseTopic
    by_topic: defaultdict[str, list[Any]] = defaultdict(list)
    for name, number in asked:
        committed = group.offsets.get((name, number), _NOTHING_COMMITTED)
        by_topic[name].append(
            topic_type.OffsetFetchResponsePartition(
                partition_index=number,
                committed_offset=committed.offset,
                committed_leader_epoch=committed.leader_epoch,
                metadata=committed.metadata,
                error_code=wrong,
            )
        )
    topics = [topic_type(name=name, partitions=parts) for name, parts in by_topic.items()]
    return consumer.OffsetFetchResponse(throttle_time_ms=0, topics=topics, error_code=wrong)


def list_groups(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    The groups that the broker which is asked coordinates.
    """
    group_type = admin.ListGroupsResponse.ListedGroup
    states = getattr(request, "states_filter", None) or ()
    groups = [
        group_type(group_id=group.id, protocol_type=group.protocol_type, group_state=group.state)
        for group in cluster.groups.values()
        if caller.node == cluster.coordinator and (not states or group.state in states)
    ]
    return admin.ListGroupsResponse(throttle_time_ms=0, error_code=wrong, groups=groups)


def describe_groups(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Groups with their members.
    """
    wrong = _misplaced(cluster, caller, wrong)
    group_type = admin.DescribeGroupsResponse.DescribedGroup
    groups = []
    for name in request.groups:
        group = cluster.groups.get(name) or Group(name, state="Dead")
        members = [
            group_type.DescribedGroupMember(
                member_id=member.id,
                group_instance_id=member.instance,
                client_id=member.client,
                client_host=member.host,
                member_metadata=member.metadata(group.protocol),
                member_assignment=member.assignment,
            )
            for member in group.members.values()
        ]
        groups.append(
            group_type(
                error_code=wrong,
                group_id=name,
                group_state=group.state,
                protocol_type=group.protocol_type,
                protocol_data=group.protocol,
                members=members,
                authorized_operations=_UNASKED_OPERATIONS,
            )
        )
    return admin.DescribeGroupsResponse(throttle_time_ms=0, groups=groups)


def delete_groups(cluster: Cluster, request: Any, caller: Caller, wrong: int) -> Any:
    """
    Forget groups without members.
    """
    wrong = _misplaced(cluster, caller, wrong)
    results = []
    for name in request.groups_names:
        error, group = wrong, cluster.groups.get(name)
        if not error and group is None:
            error = GROUP_ID_NOT_FOUND
        elif not error and group is not None and group.members:
            error = NON_EMPTY_GROUP
        elif not error:
            del cluster.groups[name]
        results.append(admin.DeleteGroupsResponse.DeletableGroupResult(group_id=name, error_code=error))
    return admin.DeleteGroupsResponse(throttle_time_ms=0, results=results)
