"""
BucketMemory: what is known of a bucket, within bounds.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from gateways.processors.artifact_memory import WINDOW, BucketMemory, Memories, StoredObject, covers, event_from_list
from gateways.processors.artifact_options import ArtifactOptions

START = datetime(2018, 10, 7, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def stored(key: str, etag: str, seconds: float) -> StoredObject:
    return StoredObject(key, etag, 1, at(seconds))


def begun(remembered_max: int = 100) -> BucketMemory:
    memory = BucketMemory(remembered_max)
    memory.is_complete()
    return memory


def options(event: str = "s3:ObjectCreated:*", suffix: str = "") -> ArtifactOptions:
    return ArtifactOptions.parse(
        f"s3EventConfig: {{bucket: foo, endpoint: 'm:9000', event: '{event}', filter: {{suffix: '{suffix}'}}}}\n"
        "accessKey: {name: minio, key: a}\nsecretKey: {name: minio, key: s}\n"
    )


def test_a_state_that_was_told_is_known_until_it_is_modified_later() -> None:
    memory = begun()
    memory.note("a", "1", at(0))
    assert memory.knows(stored("a", "1", 0))
    assert not memory.knows(stored("a", "1", 0.001))
    assert not memory.knows(stored("a", "2", 0))
    assert not memory.knows(stored("b", "1", 0))


def test_each_state_of_an_object_is_known_by_itself() -> None:
    memory = begun()
    memory.note("a", "1", at(0))
    memory.note("a", "2", at(0))
    assert memory.knows(stored("a", "1", 0))
    assert memory.knows(stored("a", "2", 0))


def test_what_is_older_than_the_window_is_known_and_no_longer_remembered() -> None:
    memory = begun()
    for number in range(1000):
        memory.note(str(number), "1", at(number))
    assert len(memory) == WINDOW.total_seconds() + 1
    assert memory.knows(stored("anything", "1", 999 - WINDOW.total_seconds() - 1))
    assert not memory.knows(stored("anything", "1", 999 - WINDOW.total_seconds()))


def test_while_something_may_be_missing_the_watermark_stands() -> None:
    memory = begun()
    memory.note("a", "1", at(0))
    memory.falls_behind()
    memory.note("b", "1", at(3600))
    assert not memory.knows(stored("missed", "1", 1))
    memory.is_complete()
    assert memory.knows(stored("missed", "1", 1))


def test_the_first_list_forgets_what_is_older_than_the_window_once_it_is_complete() -> None:
    memory = BucketMemory(100)
    for number in (3600, 0, 1, 3599):
        memory.note(str(number), "1", at(number))
    memory.is_complete()
    assert len(memory) == 2
    assert all(memory.knows(stored(str(number), "1", number)) for number in (3600, 0, 1, 3599))
    assert not memory.knows(stored("new", "1", 3600))


def test_more_than_is_remembered_shortens_the_window() -> None:
    memory = begun(10)
    for number in range(100):
        memory.note(str(number), "1", at(number / 1000))
    assert len(memory) == 10
    assert all(memory.knows(stored(str(number), "1", number / 1000)) for number in range(100))
    assert not memory.knows(stored("new", "1", 0.091))


def test_one_object_that_is_told_of_without_end_takes_no_more_room() -> None:
    memory = begun(10)
    for number in range(1000):
        memory.note("a", "1", at(number / 1000))
    assert len(memory) == 1
    assert len(memory._oldest) <= 21
    assert memory.knows(stored("a", "1", 0.999))


def test_a_memory_lasts_as_long_as_its_configuration() -> None:
    class Configuration:
        pass

    memories, one, other = Memories(), Configuration(), Configuration()
    assert memories.of(one, 10) is memories.of(one, 10)
    assert memories.of(one, 10) is not memories.of(other, 10)
    del one
    assert len(memories._of) == 1


@pytest.mark.parametrize(
    ("event", "etag", "wanted"),
    [
        ("s3:ObjectCreated:*", "0a", True),
        ("s3:ObjectCreated:*", "0a-2", True),
        ("s3:ObjectCreated:Put", "0a", True),
        ("s3:ObjectCreated:Put", "0a-2", False),
        ("s3:ObjectCreated:CompleteMultipartUpload", "0a-2", True),
        ("s3:ObjectCreated:CompleteMultipartUpload", "0a", False),
    ],
)
def test_the_etag_tells_whether_an_object_came_in_parts(event: str, etag: str, wanted: bool) -> None:
    assert covers(options(event), stored("a", etag, 0)) is wanted


def test_a_suffix_must_be_that_of_the_filter() -> None:
    assert covers(options(suffix=".csv"), stored("a.csv", "1", 0))
    assert not covers(options(suffix=".csv"), stored("a.txt", "1", 0))


def test_a_listed_object_makes_a_record_as_a_notification_has_it_with_an_id_of_its_own() -> None:
    event = event_from_list(StoredObject("in/ü 1", "0a", 7, at(0.5)), options())
    record = json.loads(event.payload)
    assert (event.subject, event.time, event.content_type) == ("in/ü 1", at(0.5), "application/json")
    assert record["eventName"] == "s3:ObjectCreated:Put"
    assert record["eventTime"] == "2018-10-07T12:00:00.500Z"
    assert record["s3"]["bucket"]["name"] == "foo"
    assert record["s3"]["object"] == {"key": "in%2F%C3%BC+1", "size": 7, "eTag": "0a"}
    assert event.id == event_from_list(StoredObject("in/ü 1", "0a", 7, at(0.5)), options()).id
    assert event.id != event_from_list(StoredObject("in/ü 1", "0a", 7, at(0.6)), options()).id
