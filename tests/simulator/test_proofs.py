"""
Proofs that nothing more comes: which one is used, and that each sees what it must.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from gateways.processors.nats import NatsProcessor
from gateways.running_configuration import RunningConfiguration
from gateways.source_event import SourceEvent
from simulator import proofs
from simulator.environment import Environment, PlayOptions
from simulator.runner import ScenarioResult, play_blocking
from simulator.scenario_file.loader import load_text
from simulator.verdict import Verdict

SILENT = """
apiVersion: gatesim/v1
scenario: nothing comes of another subject
gateway:
  name: bus
  type: nats
  configMap:
    foo: |-
      url: nats://nats.example:4222
      attributes: {subject: foo}
  watchers: {sensors: [{name: audit}]%s}
steps:
  - publish: {subject: %s, text: hello}
  - expect: {watcher: audit, none: {}}
"""


def play(subject: str = "bar", more_watchers: str = "") -> ScenarioResult:
    (scenario,) = load_text(SILENT % (more_watchers, subject))
    return play_blocking(scenario, PlayOptions(timeout_scale=0.3))


def proof_of(result: ScenarioResult) -> str:
    assert result.verdict is Verdict.PASSED, result.reason
    return result.steps[-1].text


@contextmanager
def cannot_tell() -> Iterator[None]:
    """
    Processors that cannot tell whether they have caught up.
    """

    async def unknown(self: NatsProcessor) -> bool:
        return False

    with patch.object(NatsProcessor, "caught_up", unknown):
        yield


@contextmanager
def hands_on_later(seconds: float) -> Iterator[None]:
    """
    Every event is handed on so many real seconds after it was received, in order.
    """
    emit = RunningConfiguration.emit

    def later(self: RunningConfiguration, event: SourceEvent) -> bool:
        asyncio.get_running_loop().call_later(seconds, lambda: emit(self, event))
        return True

    with patch.object(RunningConfiguration, "emit", later):
        yield


def test_a_processor_that_can_tell_is_believed() -> None:
    assert proof_of(play()) == "caught up with every service"


def test_where_a_processor_cannot_tell_a_fence_goes_the_same_way() -> None:
    with cannot_tell():
        assert proof_of(play()) == "a fence arrived behind everything else"


def test_a_fence_is_hidden_from_counts() -> None:
    with cannot_tell():
        assert play().events_total == 0


def test_a_fence_sees_what_is_handed_on_late() -> None:
    with cannot_tell(), hands_on_later(0.05):
        result = play("foo")
    assert (result.verdict, result.reason.cls) == (Verdict.FAILED, "unexpected")


def test_without_its_wait_the_fence_would_miss_it() -> None:
    async def at_once(environment: Environment) -> bool:
        return True

    with cannot_tell(), hands_on_later(0.05), patch.object(proofs, "_fenced", at_once):
        (scenario,) = load_text((SILENT % ("", "foo")).replace("scenario:", "unexpected: allow\nscenario:"))
        assert play_blocking(scenario, PlayOptions(timeout_scale=0.3)).verdict is Verdict.PASSED


def test_where_a_gateway_watches_no_fence_is_sent_and_a_real_window_is_printed() -> None:
    with cannot_tell():
        proof = proof_of(play(more_watchers=", gateways: [{name: other, port: 12000, endpoint: /x}]"))
    assert proof == "a real window of 0.09 s (a configuration cannot tell whether it has caught up)"


def test_virtual_time_beyond_the_longest_retry_is_a_proof() -> None:
    text = (SILENT % (", gateways: [{name: other, port: 12000, endpoint: /x}]", "bar")).replace(
        "  - expect:", "  - advance: 5m\n  - expect:"
    )
    (scenario,) = load_text(text)
    with cannot_tell():
        proof = proof_of(play_blocking(scenario, PlayOptions(timeout_scale=0.3)))
    assert proof.startswith("300 s passed since the last stimulus, more than the longest retry")


def test_a_reader_that_is_paused_proves_nothing() -> None:
    text = (SILENT % ("", "foo")).replace("steps:\n", "steps:\n  - watcher: {name: audit, do: hold}\n")
    text = text.replace("text: hello}", "text: hello, count: 300}")
    (scenario,) = load_text(text)
    result = play_blocking(scenario, PlayOptions(timeout_scale=0.3))
    assert (result.verdict, result.reason.cls) == (Verdict.INCONCLUSIVE, "unproved")


@pytest.mark.parametrize("living", [(), ("url: nats://nats.example:4222\nattributes: {subject: foo}",)])
def test_a_removed_configuration_that_still_listens_is_seen(living: tuple[str, ...]) -> None:
    """
    One that shares its subject with a living one is told apart by the number of subscribers.
    """
    siblings = "".join(f"\n    other: |-\n      {text.replace(chr(10), chr(10) + '      ')}" for text in living)
    head, _, steps = (SILENT % ("", "bar")).partition("steps:")
    text = f"{head.replace('  watchers', siblings.lstrip(chr(10)) + chr(10) + '  watchers') if living else head}steps:"
    text += "\n  - configMap: {remove: [foo]}" + steps

    async def stays(self: RunningConfiguration) -> None:
        self._frame.status.remove(self.node)

    async def lingers(self: RunningConfiguration) -> int:
        with self.clock.idle():
            await asyncio.Event().wait()
        return 0

    (scenario,) = load_text(text)
    with patch.multiple(RunningConfiguration, stop_receiving=stays, finish=lingers):
        result = play_blocking(scenario, PlayOptions(timeout_scale=0.3))
    assert "the service still knows the subscriber of bus/foo" in result.steps[-1].text
