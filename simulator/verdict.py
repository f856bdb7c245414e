"""
Verdict: what a run shows, with the closed list of reasons; and the exit code that a set of verdicts gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Literal, NamedTuple, NoReturn


class Verdict(Enum):
    """
    What one scenario showed.
    """

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"
    ERROR = "error"
    FLAKY = "flaky"

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value; compare it with Verdict.PASSED")


VERDICTS: dict[Verdict, str] = {
    Verdict.PASSED: "everything that the scenario says was seen, and nothing beyond it",
    Verdict.FAILED: "the gateway did not do what the scenario says; the reason's class tells what went wrong",
    Verdict.INCONCLUSIVE: "nobody can tell: a service died first, or a proof could not be made",
    Verdict.SKIPPED: "something that it needs is absent here; the reason names it",
    Verdict.ERROR: "a fault of gatesim itself, or time that cannot move on",
    Verdict.FLAKY: "it failed, then passed when it was tried again (`--retries`)",
}
"""The closed list of verdicts, each with what it means."""

FailureClass = Literal[
    "not-published",
    "not-received",
    "received-not-dispatched",
    "dispatched-not-accepted",
    "accepted-different",
    "altered",
    "duplicate",
    "reordered",
    "fabricated",
    "acknowledged-early",
    "unexpected",
    "late",
    "wrong-status",
    "wrong-response",
    "gateway-died",
    "service-died",
    "invalid-cloudevent",
]

FAILURE_CLASSES: dict[str, str] = {
    "not-published": "the service did not take the stimulus",
    "not-received": "the gateway took in nothing that would give the event",
    "received-not-dispatched": "the gateway took the stimulus in and never asked the watcher",
    "dispatched-not-accepted": "the watcher was asked and did not accept",
    "accepted-different": "an event was accepted that differs from what was expected",
    "altered": "an event's payload is not what was published",
    "duplicate": "an event was accepted more often than it may be",
    "reordered": "the events came in another order",
    "fabricated": "an event was accepted that no stimulus explains",
    "acknowledged-early": "the gateway told a sender that it took what a watcher had not accepted yet",
    "unexpected": "an event was accepted that no expectation covers, or that must not come",
    "late": "the event came, later than it may",
    "wrong-status": "the gateway's status is not what was expected",
    "wrong-response": "a request was not answered as expected",
    "gateway-died": "the gateway ended by itself",
    "service-died": "a service ended by itself, and a guarantee is broken by it",
    "invalid-cloudevent": "what reached a watcher is no valid CloudEvent",
}
"""The closed list of reasons of a failure, each with what it means."""

OTHER_CLASSES: dict[str, str] = {
    "unproved": "inconclusive: it could not be proved that nothing more would come",
    "service-died": "inconclusive: a service ended by itself before anything could be shown",
    "service-unavailable": "skipped: a service cannot be had here",
    "platform": "skipped: it needs another operating system",
    "real-limit": "skipped: real time would pass for longer than the limit",
    "time-stuck": "error: time could not move on and nothing happened",
    "internal": "error: a fault of gatesim itself",
}
"""The reasons of verdicts other than passed and failed."""


class Reason(NamedTuple):
    """
    Why a verdict is what it is.
    """

    cls: str | None
    """From FAILURE_CLASSES or OTHER_CLASSES; None for passed."""
    text: str
    line: int | None = None
    """The line of the step that showed it."""


NO_REASON = Reason(None, "")

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_INTERNAL, EXIT_USAGE, EXIT_NOTHING = range(6)
EXIT_ENVIRONMENT, EXIT_INCONCLUSIVE, EXIT_FLAKY = 10, 11, 12

EXIT_CODES: dict[int, str] = {
    EXIT_OK: "everything that was asked for was played and passed; skips are counted in the last line",
    EXIT_FAILED: "at least one scenario failed",
    EXIT_INTERRUPTED: "interrupted",
    EXIT_INTERNAL: "a fault of gatesim itself",
    EXIT_USAGE: "a file or an option is wrong",
    EXIT_NOTHING: "no scenario was found",
    EXIT_ENVIRONMENT: "the environment could not be provided: all was skipped, or a skip and `--fail-on-skip`",
    EXIT_INCONCLUSIVE: "inconclusive: nobody can tell",
    EXIT_FLAKY: "flaky: at least one scenario passed only when it was tried again",
}
"""What the exit codes mean, the same through the command and through pytest."""


def exit_code(
    verdicts: Iterable[Verdict], *, interrupted: bool = False, bad_files: bool = False, fail_on_skip: bool = False
) -> int:
    """
    The exit code of a run, the same through the command and through pytest.

    Precedence: interrupted, internal error, bad file, failed, flaky, inconclusive, environment; nothing at all is 5.
    """
    seen = set(verdicts)
    if interrupted:
        return EXIT_INTERRUPTED
    if Verdict.ERROR in seen:
        return EXIT_INTERNAL
    if bad_files:
        return EXIT_USAGE
    for verdict, code in (
        (Verdict.FAILED, EXIT_FAILED),
        (Verdict.FLAKY, EXIT_FLAKY),
        (Verdict.INCONCLUSIVE, EXIT_INCONCLUSIVE),
    ):
        if verdict in seen:
            return code
    if not seen:
        return EXIT_NOTHING
    if Verdict.SKIPPED in seen and (fail_on_skip or seen == {Verdict.SKIPPED}):
        return EXIT_ENVIRONMENT
    return EXIT_OK
