"""
The pytest entry point: collects `*.scenario.yaml`, offers fixtures, and gives a run the exit status of its verdicts.

Loaded at the start of every pytest in an environment that holds gatesim, so it imports nothing before the first
scenario file is met or a fixture is asked for; everything that knows scenarios is in `simulator`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulator.testing.live_environment import LiveClock, LiveEnvironment, LiveGateway
    from simulator.testing.live_sensor import LoneSensor
    from simulator.testing.workbench import Workbench

SUFFIXES = (".scenario.yaml", ".scenario.yml")
VERDICT = "gatesim_verdict"
"""The property of a test report that holds its verdict; it also crosses from xdist's workers to the controller."""

OPTIONS = {
    "seed": "seed of ids and jitter, a whole number",
    "timeout_scale": "multiply the limits that are in real time by this number",
    "real_limit": "skip a scenario whose `advance` would take longer in real time, a duration; default 60s",
    "retries": "play a scenario that does not pass so many times more; one that then passes is flaky",
    "provider": "where services come from: PROVIDER or SERVICE=PROVIDER, several after commas; default embedded",
    "target": "the gateway that scenarios are played against; default reference",
    "requirement_file": "a file that declares further requirements, several after commas",
}
SWITCHES = {"fail_on_skip": "a scenario that is skipped makes the exit status 10"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """
    Declare the flags `--gatesim-*` and the ini options `gatesim_*`.
    """
    group = parser.getgroup("gatesim", "scenario files (gatesim)")
    for name, text in OPTIONS.items():
        group.addoption(_flag(name), dest=f"gatesim_{name}", default=None, metavar="X", help=text)
        parser.addini(f"gatesim_{name}", text, default="")
    for name, text in SWITCHES.items():
        group.addoption(_flag(name), dest=f"gatesim_{name}", action="store_true", help=text)
        parser.addini(f"gatesim_{name}", text, type="bool", default=False)
    text = "show the Python traceback of a fault of gatesim itself"
    group.addoption("--gatesim-traceback", dest="gatesim_traceback", action="store_true", help=text)


def _flag(name: str) -> str:
    return f"--gatesim-{name.replace('_', '-')}"


def pytest_configure(config: pytest.Config) -> None:
    """
    Refuse options that mean nothing, before anything is collected.
    """
    given = any(config.getoption(f"gatesim_{name}") or config.getini(f"gatesim_{name}") for name in OPTIONS)
    if given and _hidden_by_others() is None:
        from simulator.testing.pytest_options import options_of  # noqa: PLC0415 - only where an option is given

        options_of(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RunVerdict(config), "gatesim-run-verdict")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """
    A scenario file is a collector of its scenarios.
    """
    if not file_path.name.endswith(SUFFIXES):
        return None
    if (sentence := _hidden_by_others()) is not None:
        return HiddenScenarioFile.make(parent, file_path, sentence)
    from simulator.testing.pytest_plugin import ScenarioFile  # noqa: PLC0415 - only where a scenario file is met

    return ScenarioFile.from_parent(parent, path=file_path)


def _hidden_by_others() -> str | None:
    """
    What to tell where packages of somebody else stand in the place of ours; None where ours are found.
    """
    from gatesim.packages import foreign_package  # noqa: PLC0415 - only where a scenario or a fixture is met

    return foreign_package("simulator") or foreign_package("gateways")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Leave out the scenarios whose `requires` cannot be met here.
    """
    left_out = [item for item in items if getattr(item, "gatesim_lacks", "")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str | tuple[str, Mapping[str, bool]]] | None:
    """
    Verdicts that pytest has no word for: they count as what pytest knows, and are called by their own name.
    """
    verdict = _verdict_of(report) if report.when == "call" else ""
    if report.failed and verdict in ("inconclusive", "error"):
        return "failed", "?" if verdict == "inconclusive" else "!", verdict.upper()
    if report.passed and verdict == "flaky":
        return "flaky", "~", ("FLAKY", {"yellow": True})
    return None


def _verdict_of(report: pytest.CollectReport | pytest.TestReport) -> str:
    return next((str(value) for name, value in getattr(report, "user_properties", ()) if name == VERDICT), "")


class HiddenScenarioFile(pytest.File):
    """
    A scenario file that cannot be played, because another package hides ours.
    """

    sentence = ""

    @classmethod
    def make(cls, parent: pytest.Collector, path: Path, sentence: str) -> HiddenScenarioFile:
        """
        The collector of *path* that says *sentence*.
        """
        made: HiddenScenarioFile = cls.from_parent(parent, path=path)
        made.sentence = sentence
        return made

    def collect(self) -> Iterator[pytest.Item]:
        """See pytest.Collector."""
        raise self.CollectError(self.sentence)


class RunVerdict:
    """
    What a run has shown so far, on whichever worker; sets the exit status as `gatesim run` would.

    Only what scenarios say changes pytest's own status; a run without scenarios keeps it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._verdicts: dict[str, str] = {}
        """Of scenarios, by node id."""
        self._others: set[str] = set()
        """Outcomes of everything else."""
        self._bad_files: set[str] = set()
        self._other_errors = False
        self._interrupted = False
        self._status = 0

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be collected; an exception that is no CollectError is a fault of ours."""
        if report.failed and report.nodeid.endswith(SUFFIXES):
            self._bad_files.add(report.nodeid)
            if hasattr(report.longrepr, "reprcrash"):
                self._verdicts[report.nodeid] = "error"
        elif report.failed:
            self._other_errors = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what one test or scenario showed."""
        verdict = _verdict_of(report)
        if verdict:
            self._verdicts[report.nodeid] = verdict
        is_the_verdict = bool(verdict) and report.when == "call"
        if not is_the_verdict and (report.when == "call" or not report.passed):
            self._others.add(report.outcome)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that somebody ended the run, which errors in files do as well."""
        by_errors = isinstance(excinfo.value, pytest.Session.Interrupted) and "during collection" in str(excinfo.value)
        self._interrupted = not by_errors

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Set the exit status."""
        if not (self._verdicts or self._bad_files) or self._interrupted or self._other_errors:
            return
        by_bad_files = int(exitstatus) == pytest.ExitCode.INTERRUPTED and bool(self._bad_files)
        if int(exitstatus) not in (0, 1, 5) and not by_bad_files:
            return
        if _hidden_by_others():
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        from simulator.testing.pytest_options import options_of  # noqa: PLC0415 - only where scenarios were met
        from simulator.verdict import Verdict, exit_code  # noqa: PLC0415 - as above

        seen = {Verdict(verdict) for verdict in self._verdicts.values()}
        failed_elsewhere = int(exitstatus) == pytest.ExitCode.TESTS_FAILED and not self._explained(seen)
        if "failed" in self._others or failed_elsewhere:
            seen.add(Verdict.FAILED)
        if "passed" in self._others:
            seen.add(Verdict.PASSED)
        fail_on_skip = options_of(self._config).fail_on_skip
        status = exit_code(seen, bad_files=bool(self._bad_files), fail_on_skip=fail_on_skip)
        if status != int(exitstatus):
            session.exitstatus = self._status = status

    def _explained(self, seen: set[Any]) -> bool:
        """
        Whether scenarios and tests of which we know account for a failed run.
        """
        return bool(self._bad_files) or any(verdict.value in ("failed", "inconclusive", "error") for verdict in seen)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what an exit status means that pytest does not have."""
        if self._status:
            from simulator.verdict import EXIT_CODES  # noqa: PLC0415 - as above

            terminalreporter.write_line(f"gatesim: exit status {self._status}: {EXIT_CODES[self._status]}")


@pytest.fixture
def gatesim_workbench(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """
    What the other fixtures share: the environments of one test, and the event loop that they live in.
    """
    if (sentence := _hidden_by_others()) is not None:
        pytest.fail(sentence, pytrace=False)
    from simulator.testing.pytest_options import options_of  # noqa: PLC0415 - only where a fixture is asked for
    from simulator.testing.workbench import Workbench  # noqa: PLC0415 - as above

    workbench = Workbench(options_of(request.config).play_options, folder=request.path.parent, name=request.node.name)
    try:
        yield workbench
    finally:
        workbench.close()


@pytest.fixture
def gatesim_env(gatesim_workbench: Workbench) -> Callable[[Mapping[str, Any] | str], LiveEnvironment]:
    """
    Bring up an environment and drive it step by step; it is taken down after the test.

    Called with what a scenario file says above its steps, as YAML or as a mapping::

        def test_orders_arrive(gatesim_env):
            env = gatesim_env('''
                gateway:
                  name: nats-gateway
                  type: nats
                  configMap:
                    orders: "{url: nats://nats.argo-events:4222, attributes: {subject: orders}}"
                  watchers: {sensors: [{name: audit}]}
            ''')
            env.publish(subject="orders", data={"order": 7})
            env.expect("audit", count=1, each={"type": "nats"})
            assert env.events("audit")[0].json() == {"order": 7}

    Steps have the names and keys of scenario files: `publish`, `request`, `advance`, `config_map`, `expect`, `fault`,
    `heal`, `restart`, and `step` for any other. A step that does not hold is an AssertionError with the reason;
    `conclude` judges the end as a scenario file's end is judged. A service that cannot be had here skips the test.
    """
    return gatesim_workbench.environment


@pytest.fixture
def gatesim_gateway(gatesim_workbench: Workbench) -> Callable[..., LiveGateway]:
    """
    Bring up one reference gateway in an environment of its own::

        def test_a_hook_is_answered(gatesim_gateway):
            gateway = gatesim_gateway("webhook", {"orders": "{port: '12000', endpoint: /orders, method: POST}"})
            assert gateway.request(path="/orders", data={"order": 7}).status == 200
            assert requests.post(gateway.url("/orders"), json={"order": 8}).ok
            assert len(gateway.env.events()) == 2

    Takes the type, the ConfigMap's data, `sensors=` (names of its watchers, `audit` where left out), `name=`, the
    gateway's own `options=`, and further keys of a scenario's head, such as `clock="real"`.
    """
    return gatesim_workbench.gateway


@pytest.fixture
def gatesim_sensor(gatesim_workbench: Workbench) -> Callable[..., LoneSensor]:
    """
    Bring up a sensor by itself, in real time, for whatever the test runs to dispatch CloudEvents to::

        def test_my_gateway_retries(gatesim_sensor):
            sensor = gatesim_sensor("audit")
            sensor.refuse(503, times=2)
            my_gateway.dispatch_to(sensor.url)
            [event] = sensor.wait(count=1, within="10s")
            assert event.attributes["type"] == "mine"
            assert sensor.offered == 3

    It accepts, records, refuses, holds, hangs and slows down; what is no valid CloudEvent is answered 400.
    """
    return gatesim_workbench.lone_sensor


@pytest.fixture
def gatesim_clock(gatesim_workbench: Workbench) -> LiveClock:
    """
    The time of the environment that the test made last: `now()` and `advance("30s")`.
    """
    return gatesim_workbench.clock
