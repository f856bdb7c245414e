"""
Configurations: what tells one from another, and files that are watched while they change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateways.clock import SystemClock
from gateways.configmap import (
    POLL_S,
    Configuration,
    FileSource,
    MemorySource,
    configuration_id,
    configurations,
    diff,
)
from simulator.virtual_clock import VirtualClock

MANIFEST = """
kind: Gateway
metadata: {name: calendar}
---
kind: ConfigMap
metadata: {name: other}
data: {x: y}
---
kind: ConfigMap
metadata: {name: mine}
data:
  calendar.fooConfig: |-
    interval: 10s
binaryData: {z: AA==}
"""
FOO = {"calendar.fooConfig": "interval: 10s"}


@pytest.mark.parametrize(
    ("key", "text", "identity"),
    [
        ("", "", "2166136261"),
        ("test", "", "2949673445"),
        ("calendar.fooConfig", "interval: 10s", "299288154"),
        ("calendar.barConfig", "schedule: 30 * * * *", "3526087262"),
        ("webhook.portConfig", 'port: "12000"', "155089607"),
        ("webhook.fooConfig", 'endpoint: "/foo"\nmethod: "POST"', "2281186939"),
        ("nats.fooConfig", "url: nats://nats.argo-events:4222\nattributes:\n  subject: foo", "671964302"),
        ("a", "bc", "440920331"),
        ("ab", "c", "440920331"),
        ("k4", "# Grüße 🎉\nschedule: 0 0 1 1 *", "1185530541"),
        ("k_3", "schedule: 0 0 1 1 *\r\n", "1244292088"),
        ("k6", "schedule: 0 0 1 1 *\n\n", "206722027"),
    ],
)
def test_an_identity_is_the_historic_hash_of_key_and_text(key: str, text: str, identity: str) -> None:
    assert configuration_id(key, text) == identity
    assert Configuration(key, text).id == identity


def test_a_changed_text_and_a_renamed_key_are_a_removal_and_an_addition() -> None:
    current = configurations({"a": "1", "b": "1", "c": "1"})
    stale, new = diff(current, configurations({"a": "1", "b": "1 ", "d": "1"}))
    assert stale == [Configuration("b", "1"), Configuration("c", "1")]
    assert new == [Configuration("b", "1 "), Configuration("d", "1")]


def test_colliding_identities_do_not_hide_one_another() -> None:
    stale, new = diff([], configurations({"ab": "c", "a": "bc"}))
    assert (stale, new) == ([], [Configuration("a", "bc"), Configuration("ab", "c")])
    assert new[0].id == new[1].id


def test_keys_that_kubernetes_refuses_are_reported_and_passed_over() -> None:
    said: list[str] = []
    found = configurations({"a b": "", "": "", "x" * 254: "", "ok.-_9": "", "ü": ""}, said.append)
    assert [entry.key for entry in found] == ["ok.-_9"]
    assert len(said) == 4


class Watched:
    """
    What a source yields, under virtual time.
    """

    def __init__(self, clock: VirtualClock, *paths: Path, name: str = "mine") -> None:
        self.clock = clock
        self.said: list[str] = []
        self.seen: list[Mapping[str, str] | None] = []
        self.source = FileSource(paths, name, clock, report=self.said.append)

    async def watch(self) -> None:
        async for data in self.source.changes():
            self.seen.append(data)

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.clock.advance(POLL_S)
        await self.clock.still()


def watch(
    story: Callable[[Watched], Coroutine[Any, Any, None]], *paths: Path, name: str = "mine"
) -> tuple[list[Mapping[str, str] | None], list[str]]:
    """
    Play *story* while a source watches *paths*.

    Returns:
        What it yielded and what it reported.
    """

    async def run() -> Watched:
        clock = VirtualClock(datetime(2018, 10, 7, tzinfo=UTC), patience_s=2)
        watched = Watched(clock, *paths, name=name)
        task = asyncio.create_task(watched.watch())
        clock.awake(task)
        await clock.still()
        await story(watched)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return watched

    watched = asyncio.run(run())
    return watched.seen, watched.said


async def nothing(watched: Watched) -> None:
    await watched.look()


def manifest(text: str = "interval: 10s") -> str:
    return MANIFEST.replace("interval: 10s", text)


def test_the_named_config_map_of_a_manifest_is_yielded_at_once(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)
    assert watch(nothing, file) == ([FOO], [])


def test_a_config_map_that_is_not_there_is_none_and_one_without_data_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("kind: ConfigMap\nmetadata: {name: mine}\n")
    assert watch(nothing, file, name="nobody") == ([None], [])
    assert watch(nothing, file) == ([{}], [])
    assert watch(nothing, tmp_path / "missing.yaml") == ([None], [])


def test_an_atomic_replace_is_picked_up(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)

    async def story(watched: Watched) -> None:
        (tmp_path / "new").write_text(manifest("interval: 1m"))
        (tmp_path / "new").rename(file)
        await watched.look()

    assert watch(story, file)[0] == [FOO, {"calendar.fooConfig": "interval: 1m"}]


def test_a_write_in_place_is_picked_up_even_when_size_and_stamp_stay(tmp_path: Path) -> None:
    import os

    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)

    async def story(watched: Watched) -> None:
        before = file.stat()
        file.write_text(manifest("interval: 20s"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        await watched.look()

    assert watch(story, file)[0] == [FOO, {"calendar.fooConfig": "interval: 20s"}]


def test_a_write_is_picked_up_where_the_file_system_counts_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.configmap._stamp", lambda path: "the same second")
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)

    async def story(watched: Watched) -> None:
        await watched.look(4)
        file.write_text(manifest("interval: 1m"))
        await watched.look()

    assert watch(story, file)[0] == [FOO, {"calendar.fooConfig": "interval: 1m"}]


def test_a_file_that_is_being_written_is_left_alone_until_it_stands_still(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)
    whole = manifest("interval: 1m") + "  # and a long tail of comments"

    async def story(watched: Watched) -> None:
        for length in range(len(MANIFEST) // 2, len(whole), 40):
            file.write_text(whole[:length])
            await watched.look(1)
        file.write_text(whole)
        await watched.look()

    assert watch(story, file) == ([FOO, {"calendar.fooConfig": "interval: 1m"}], [])


def test_a_file_that_does_not_parse_keeps_the_old_set_and_is_reported_once(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)

    async def story(watched: Watched) -> None:
        file.write_text("a: [\n")
        await watched.look(9)
        file.write_text(manifest("interval: 1m"))
        await watched.look()

    seen, said = watch(story, file)
    assert seen == [FOO, {"calendar.fooConfig": "interval: 1m"}]
    assert len(said) == 1
    assert said[0].startswith(f"{file}:1:5: a value is missing")
    assert said[0].endswith("; what was there before goes on")


def test_a_file_that_is_mended_to_what_it_was_is_no_change(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)

    async def story(watched: Watched) -> None:
        file.write_text("a: [")
        await watched.look()
        file.write_text(MANIFEST)
        await watched.look()

    seen, said = watch(story, file)
    assert (seen, len(said)) == ([FOO], 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("kind: ConfigMap\nmetadata: {name: mine}\ndata:\n  port: 12000\n", "4:9: `data.port` must be text, not a nu"),
        ("kind: ConfigMap\nmetadata: {name: mine}\ndata:\n  a: {b: c}\n", "4:6: `data.a` must be text, not a mapping"),
        ("kind: ConfigMap\nmetadata: {name: mine}\ndata: [a]\n", "3:7: `data` must be a mapping of names to texts"),
        (f"{MANIFEST}---\n{MANIFEST}", "ConfigMap `mine` is there twice"),
    ],
)
def test_a_manifest_that_kubernetes_would_refuse_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(content)
    seen, said = watch(nothing, file)
    assert seen == [None]
    assert len(said) == 1
    assert problem in said[0]


def test_a_file_without_text_is_reported_with_its_cause(tmp_path: Path) -> None:
    import os

    binary, pipe, huge = tmp_path / "binary", tmp_path / "pipe", tmp_path / "huge"
    binary.write_bytes(b"\xff\xfe")
    os.mkfifo(pipe)
    huge.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    causes = ["not UTF-8 at byte 0", "is no regular file", "is larger than 4 MiB"]
    for file, cause in zip((binary, pipe, huge), causes, strict=True):
        assert watch(nothing, file)[1] == [f"{file}: {cause}; what was there before goes on"]


def test_deleting_the_file_yields_none_and_its_return_is_a_change(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)

    async def story(watched: Watched) -> None:
        file.unlink()
        await watched.look()
        file.write_text(MANIFEST)
        await watched.look()

    assert watch(story, file) == ([FOO, None, FOO], [])


def test_what_makes_no_difference_is_not_yielded(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)

    async def story(watched: Watched) -> None:
        file.write_text(f"# a comment\n{MANIFEST}")
        await watched.look(9)

    assert watch(story, file) == ([FOO], [])


def mounted(folder: Path, version: str, data: Mapping[str, str]) -> None:
    """
    Put *data* into *folder* as Kubernetes updates a mounted ConfigMap.
    """
    (folder / version).mkdir()
    for key, text in data.items():
        (folder / version / key).write_text(text)
        if not (folder / key).is_symlink():
            (folder / key).symlink_to(Path("..data") / key)
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and not entry.exists():
            entry.unlink()


def test_the_link_swap_of_a_mounted_volume_is_picked_up(tmp_path: Path) -> None:
    mounted(tmp_path, "..1", {"a": "one", "b": "two"})

    async def story(watched: Watched) -> None:
        mounted(tmp_path, "..2", {"a": "ONE", "c": "three"})
        await watched.look()

    assert watch(story, tmp_path) == ([{"a": "one", "b": "two"}, {"a": "ONE", "c": "three"}], [])


def test_a_folder_is_the_config_map_of_its_text_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_text("one\n")
    (tmp_path / "..of-kubernetes").write_text("not a key")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "dangling").symlink_to("nowhere")
    seen, said = watch(nothing, tmp_path, name="whatever")
    assert seen == [{"a": "one\n"}]
    assert said == [f"{tmp_path / 'binary'} is passed over: it is not UTF-8 text"]


def test_an_empty_folder_is_empty_data_and_a_deleted_one_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()

    async def story(watched: Watched) -> None:
        folder.rmdir()
        await watched.look()

    assert watch(story, folder) == ([{}, None], [])


def test_watching_leaves_one_timer_and_holds_no_time(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        for _ in range(100):
            await watched.look(1)
            assert watched.clock.active == 0
            assert len(watched.clock._timers) == 1

    watch(story, tmp_path)


def test_files_are_watched_under_the_machine_s_time_too(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFEST)

    async def run() -> None:
        changes = FileSource([file], "mine", SystemClock(UTC)).changes()
        assert await anext(changes) == FOO
        file.write_text(manifest("interval: 1m"))
        async with asyncio.timeout(10):
            assert await anext(changes) == {"calendar.fooConfig": "interval: 1m"}
        await _close(changes)

    asyncio.run(run())


async def _close(changes: AsyncIterator[Any]) -> None:
    await changes.aclose()  # type: ignore[attr-defined] # the protocol promises less than a generator has


def test_set_returns_when_the_gateway_has_taken_the_change_in() -> None:
    async def run() -> list[Any]:
        clock = VirtualClock(datetime(2018, 10, 7, tzinfo=UTC), patience_s=2)
        source, applied = MemorySource({}, clock), list[Any]()

        async def gateway() -> None:
            async for data in source.changes():
                await clock.sleep(1)
                applied.append(data)

        task = asyncio.create_task(gateway())
        clock.awake(task)
        await clock.advance(1)
        change = asyncio.create_task(source.set({"a": "1"}))
        clock.awake(change)
        await clock.advance(0.5)
        assert not change.done()
        await clock.advance(0.5)
        await change
        task.cancel()
        return applied

    assert asyncio.run(run()) == [{}, {"a": "1"}]


def test_setting_what_nobody_watches_returns_at_once() -> None:
    async def run() -> Any:
        source = MemorySource(None)
        await source.set({"a": "1"})
        changes = source.changes()
        first = await anext(changes)
        await _close(changes)
        await source.set(None)
        return first

    assert asyncio.run(run()) == {"a": "1"}


def test_a_source_that_waits_holds_no_time() -> None:
    async def run() -> float:
        clock = VirtualClock(datetime(2018, 10, 7, tzinfo=UTC), patience_s=2)

        async def gateway() -> None:
            async for _ in MemorySource({}, clock).changes():
                pass

        task = asyncio.create_task(gateway())
        clock.awake(task)
        await clock.advance(3600)
        task.cancel()
        return clock.elapsed()

    assert asyncio.run(run()) == 3600
