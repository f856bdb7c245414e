"""
Expecting: how an `expect` step waits, judges, proves, and says what it missed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from simulator.environment import Environment
from simulator.http_client import Response
from simulator.judging.causes import why_missing
from simulator.judging.judgement import Judgement, describe, judge_events, judge_same
from simulator.judging.matchers import Mismatch, is_placeholder, match_value, show
from simulator.ledger import AcceptedEvent
from simulator.outcomes import StepFailed, StepInconclusive
from simulator.proofs import prove_quiet
from simulator.real_clock import RealClock
from simulator.scenario_file.scenario import Expect, ResponseMatch
from simulator.services.service import Stimulus
from simulator.step_notes import Pending

RESPONSE_LIMIT_S = 60.0
"""An answer is waited for so long in scenario time, unless `within` says otherwise."""


async def take_expect(expect: Expect, line: int, environment: Environment) -> None:
    """
    Take one `expect`.

    Raises:
        StepFailed: It does not hold; the class says why.
        StepInconclusive: It holds so far, and nothing proves that it stays so.
    """
    if expect.response is not None:
        await _expect_response(expect.response, expect.within, environment)
    elif expect.status is not None:
        await _expect_judged(expect, line, environment, lambda: _judge_status(expect, environment))
    elif expect.offered is not None:
        await _expect_judged(expect, line, environment, lambda: _judge_offered(expect, environment))
        environment.progress.offered_at[str(expect.watcher)] = environment.ledger.offered.get(str(expect.watcher), 0)
    else:
        await _expect_judged(expect, line, environment, lambda: _judge_watchers(expect, environment))


async def _expect_judged(expect: Expect, line: int, environment: Environment, judge: Callable[[], Judgement]) -> None:
    waiting = _Waiting(environment, judge)
    if expect.none is not None and expect.within is not None:
        await environment.quiesce()
        await environment.advance(expect.within)
    if not await environment.move_until(waiting.holds, expect.within if expect.none is None else None):
        await waiting.fail(expect)
    if waiting.proof_text:
        environment.proved(line, waiting.proof_text)
    if expect.watcher is not None and expect.offered is None:
        environment.ledger.cover(expect.watcher, _numbers(waiting.judgement.covered))
        if expect.none is None:
            environment.progress.looked_at[expect.watcher] = len(environment.ledger)
    for watcher in expect.watchers or ():
        environment.ledger.cover(watcher, None)


def _numbers(covered: frozenset[int] | None) -> set[int] | None:
    return None if covered is None else set(covered)


class _Waiting:
    """
    One expectation, asked again and again until it holds.
    """

    def __init__(self, environment: Environment, judge: Callable[[], Judgement]) -> None:
        self._environment = environment
        self._judge = judge
        self.judgement = Judgement(False)
        self.proof_text = ""
        self._unproved = ""

    async def holds(self) -> bool:
        """
        Whether it holds now, its proof included.
        """
        await self._environment.quiesce()
        self.judgement = self._judge()
        if not self.judgement.holds or not self.judgement.exact:
            return self.judgement.holds
        proof = await prove_quiet(self._environment)
        self.judgement = self._judge()
        self._unproved = "" if proof.holds else proof.text
        self.proof_text = proof.text
        return self.judgement.holds and proof.holds

    async def fail(self, expect: Expect) -> None:
        """
        Say why it does not hold.

        Raises:
            StepFailed, StepInconclusive: Always.
        """
        judgement = self.judgement
        if judgement.holds:
            raise StepInconclusive("unproved", self._unproved)
        text = judgement.text
        if expect.within is not None and expect.none is None:
            text += f", within {expect.within:g} s"
        details = _details(judgement)
        if judgement.reason != "missing" or expect.watcher is None:
            cls = "not-received" if judgement.reason == "missing" else judgement.reason
            raise StepFailed(cls, text, details, judgement.mismatches)
        since = self._environment.progress.looked_at.get(expect.watcher, 0)
        watched_by = self._environment.gateways_of(expect.watcher)
        cause = why_missing(self._environment.ledger, expect.watcher, since=since, gateways=watched_by)
        if cause.cls == "service-died" and self._environment.scenario.head.guarantee is None:
            raise StepInconclusive("service-died", f"{text}; {cause.text}", details, judgement.mismatches)
        if await self._comes_later(expect):
            raise StepFailed("late", f"{text}; it came later", details, judgement.mismatches)
        if judgement.nearest is not None and cause.cls == "not-received":
            raise StepFailed("accepted-different", text, details, judgement.mismatches)
        raise StepFailed(str(cause.cls), f"{text}; {cause.text}", details, judgement.mismatches)

    async def _comes_later(self, expect: Expect) -> bool:
        """
        Whether it would have held, had more scenario time passed. The story is over, so time may move.
        """
        if expect.within is None or isinstance(self._environment.clock, RealClock):
            return False
        longest_s = max((g.longest_retry_s for g in self._environment.gateways.values()), default=0.0)
        return await self._environment.move_until(self.holds, longest_s)


def _details(judgement: Judgement) -> list[str]:
    if judgement.nearest is None:
        return []
    lines = [f"nearest: {describe(judgement.nearest)}"]
    lines += [f"  {mismatch}" for mismatch in judgement.mismatches]
    return lines


def _judge_watchers(expect: Expect, environment: Environment) -> Judgement:
    if expect.watchers is not None:
        return judge_same(expect, {name: list(_events(expect, name, environment)()) for name in expect.watchers})
    judgement = judge_events(expect, _events(expect, str(expect.watcher), environment))
    if judgement.reason == "accepted-different" and _is_altered(judgement, environment):
        return Judgement(False, "altered", judgement.text, judgement.mismatches, judgement.nearest, judgement.selected)
    if (
        judgement.reason == "unexpected"
        and judgement.nearest is not None
        and _came_before(judgement.nearest, environment)
    ):
        return Judgement(False, "duplicate", judgement.text, judgement.mismatches, judgement.nearest)
    return judgement


def _events(expect: Expect, watcher: str, environment: Environment) -> Callable[[], Any]:
    return lambda: environment.ledger.accepted(watcher, uncovered_only=expect.since is None)


def _came_before(event: AcceptedEvent, environment: Environment) -> bool:
    """
    Whether the same event (source and id) was accepted there already.
    """
    return any(
        earlier.event.key == event.event.key and earlier.number < event.number
        for earlier in environment.ledger.accepted(event.watcher, uncovered_only=False)
    )


def _is_altered(judgement: Judgement, environment: Environment) -> bool:
    """
    Whether the event that differs only in its payload carries bytes that nobody published.
    """
    if judgement.nearest is None or not all(m.path.partition(".")[0] == "data" for m in judgement.mismatches):
        return False
    data, services = judgement.nearest.event.data, environment.services.values()
    marks = {data, *(service.mark_in(data) for service in services)}
    published = {
        environment.services[facts[1]].mark_of(Stimulus(facts[2], facts[3], verb=facts[5]))
        for facts in _facts_of(environment, "published")
    } | {facts[3] for facts in _facts_of(environment, "requested")}
    return bool(published) and marks.isdisjoint(published)


def _facts_of(environment: Environment, kind: str) -> Iterator[tuple[Any, ...]]:
    return (observation.facts for observation in environment.ledger.observations(kinds=frozenset({kind})))


def _judge_offered(expect: Expect, environment: Environment) -> Judgement:
    watcher, wanted = str(expect.watcher), expect.offered or 0
    seen = environment.ledger.offered.get(watcher, 0) - environment.progress.offered_at.get(watcher, 0)
    if seen == wanted:
        return Judgement(True)
    text = f"expected {wanted} requests to {watcher}, saw {seen}"
    return Judgement(False, "missing" if seen < wanted else "unexpected", text)


def _judge_status(expect: Expect, environment: Environment) -> Judgement:
    name = expect.gateway or next(iter(environment.gateways))
    status = environment.gateways[name].status()
    mismatches: list[Mismatch] = []
    for configuration, wanted in (expect.status or {}).items():
        entry = status.get(configuration)
        if wanted is None:
            if entry is not None:
                mismatches.append(Mismatch(configuration, "no entry", f"phase {entry.phase}: {entry.message}"))
        elif entry is None:
            mismatches.append(Mismatch(configuration, show(wanted), "no entry"))
        else:
            mismatches += match_value(wanted, entry._asdict(), configuration)
    if not mismatches:
        return Judgement(True)
    return Judgement(False, "wrong-status", "; ".join(map(str, mismatches)), tuple(mismatches))


async def _expect_response(match: ResponseMatch, within_s: float | None, environment: Environment) -> None:
    pending = _pending(match, environment)
    limit_s = RESPONSE_LIMIT_S if within_s is None else within_s
    if not await environment.move_until_done(pending.task, limit_s):
        raise StepFailed("wrong-response", f"no answer within {limit_s:g} s of scenario time")
    response = pending.task.result()
    mismatches = _match_response(match, response, pending)
    if mismatches:
        cause = f"; {response.cause}" if response.cause else ""
        raise StepFailed("wrong-response", "; ".join(map(str, mismatches)) + cause, differing=mismatches)


def _pending(match: ResponseMatch, environment: Environment) -> Pending:
    if match.of is not None:
        return environment.progress.pending[match.of]
    if environment.progress.latest is None:
        raise StepFailed("wrong-response", "no request was made before")
    return environment.progress.latest


def _match_response(match: ResponseMatch, response: Response, pending: Pending) -> list[Mismatch]:
    found: list[Mismatch] = []
    given = match.model_fields_set
    if "status" in given:
        found += _match_status(match.status, response.status)
    headers = dict(response.headers)
    for name, wanted in match.headers.items():
        found += match_value(wanted, headers.get(name.lower(), "(absent)"), f"header {name}")
    if match.text is not None:
        found += match_value(match.text, response.body.decode("utf-8", "backslashreplace"), "body")
    if match.base64 is not None and match.base64 != response.body:
        found.append(Mismatch("body", f"{len(match.base64)} given bytes", f"{len(response.body)} other bytes"))
    if "data" in given:
        found += _match_body(match.data, response.body)
    if match.latency is not None and pending.answered_at is not None:
        latency_s = pending.answered_at - pending.sent_at
        if not match.latency.min <= latency_s <= match.latency.max:
            wanted = f"{match.latency.min:g} s to {match.latency.max:g} s"
            found.append(Mismatch("latency", wanted, f"{latency_s:g} s"))
    return found


def _match_status(wanted: Any, status: int | None) -> list[Mismatch]:
    if wanted == {"$absent": True}:
        return [] if status is None else [Mismatch("status", "no answer", str(status))]
    if status is None:
        return [Mismatch("status", show(wanted), "no answer")]
    return match_value(wanted, status, "status")


def _match_body(wanted: Any, body: bytes) -> list[Mismatch]:
    text = body.decode("utf-8", "backslashreplace")
    if isinstance(wanted, str) or is_placeholder(wanted):
        return match_value(wanted, text, "body")
    try:
        return match_value(wanted, json.loads(body), "body")
    except ValueError:
        return [Mismatch("body", show(wanted), f"no JSON: {show(text)}")]
