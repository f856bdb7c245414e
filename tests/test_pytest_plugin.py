"""
The pytest plugin from outside: what is collected, what is shown, and which exit status a run ends with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

TOLD = """
import pytest
import simulator.runner as runner
from simulator.verdict import FAILURE_CLASSES, Reason, Verdict

CLASSES = {"inconclusive": "unproved", "skipped": "service-unavailable", "error": "internal", "failed": "duplicate"}

async def told(scenario, options):
    verdict = Verdict(next(tag for tag in scenario.head.tags if tag in [each.value for each in Verdict]))
    reason = Reason(CLASSES.get(verdict.value), f"told to be {verdict.value}", scenario.line + 5)
    details = ("Traceback (most recent call last):",) if verdict is Verdict.ERROR else ()
    providers = {"nats": "embedded nats-server 2"}
    return runner.ScenarioResult(scenario, verdict, reason, details, providers=providers, seed=options.seed)

patch = pytest.MonkeyPatch()

def pytest_configure():
    patch.setattr(runner, "play", told)

def pytest_unconfigure():
    patch.undo()
"""
"""A conftest.py that makes each scenario end as one of its tags says, so that nothing is played."""

HEAD = """\
apiVersion: gatesim/v1
scenario: {name}
requirements: [R-CFG-4]
tags: [{tags}]
gateway:
  name: calendar-gateway
  type: calendar
  configMap: {{every-ten: "interval: 10s"}}
  watchers: {{sensors: [{{name: audit}}]}}
"""
STEPS = """\
steps:
  - advance: 30s
  - expect: {watcher: audit, count: 3}
"""


def write(pytester: pytest.Pytester, stem: str, name: str, tags: str = "passed", more: str = "") -> None:
    text = HEAD.format(name=name, tags=tags) + more + STEPS
    (pytester.path / f"{stem}.scenario.yaml").write_text(text)


def write_told(pytester: pytest.Pytester, verdicts: Sequence[str]) -> None:
    pytester.makeconftest(TOLD)
    for number, verdict in enumerate(verdicts):
        write(pytester, f"s{number}", f"{verdict} number {number}", verdict)


@pytest.fixture(autouse=True)
def _quick(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:cov")


def test_a_scenario_is_collected_by_its_name(pytester: pytest.Pytester) -> None:
    write(pytester, "orders", "three events in thirty seconds")
    result = pytester.runpytest("--collect-only", "-q")
    assert "orders.scenario.yaml::three events in thirty seconds" in result.outlines
    assert result.ret == 0


def test_a_file_that_ends_in_yml_is_collected_too(pytester: pytest.Pytester) -> None:
    (pytester.path / "a.scenario.yml").write_text(HEAD.format(name="short", tags="") + STEPS)
    assert "a.scenario.yml::short" in pytester.runpytest("--collect-only", "-q").outlines


def test_other_yaml_is_left_alone(pytester: pytest.Pytester) -> None:
    (pytester.path / "compose.yaml").write_text("services: {}\n")
    assert pytester.runpytest("--collect-only").ret == 5


def test_each_cell_of_a_matrix_is_an_item_that_can_be_named(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOLD)
    write(pytester, "m", "both", more="matrix: {x: [1, 2]}\ndescription: text ${{ matrix.x }}\n")
    pytester.runpytest("-v", "m.scenario.yaml::both[x=2]").assert_outcomes(passed=1)
    pytester.runpytest("-v", "m.scenario.yaml::both").assert_outcomes(passed=2)


def test_keywords_and_tags_and_requirements_select(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOLD)
    write(pytester, "a", "first story", "passed, slow")
    write(pytester, "b", "second story")
    pytester.runpytest("-k", "second").assert_outcomes(passed=1, deselected=1)
    pytester.runpytest("-m", "slow", "--strict-markers").assert_outcomes(passed=1, deselected=1)
    pytester.runpytest("-k", "R-CFG-4 and slow").assert_outcomes(passed=1, deselected=1)


def test_a_tag_that_pytest_would_act_on_only_selects(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOLD)
    write(pytester, "a", "not skipped at all", "passed, skip, xfail, timeout, _own, with-dash")
    pytester.runpytest("--strict-markers", "-k", "skip and with-dash").assert_outcomes(passed=1)


def test_the_last_failed_are_run_again(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["passed", "failed", "passed"])
    assert pytester.runpytest().ret == 1
    result = pytester.runpytest("--lf", "-v")
    result.assert_outcomes(failed=1)
    played = [line for line in pytester.runpytest("--ff", "-v").outlines if line.endswith("%]")]
    assert played[0].startswith("s1.scenario.yaml")
    pytester.runpytest("--stepwise").assert_outcomes(passed=1, failed=1)


def test_items_know_their_line(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["skipped", "failed"])
    result = pytester.runpytest("-rs", "--junit-xml=out.xml", "-o", "junit_family=xunit1")
    result.stdout.fnmatch_lines(["SKIPPED*s0.scenario.yaml:2: told to be skipped"])
    case = ElementTree.parse(pytester.path / "out.xml").findall(".//testcase")[1]
    assert (case.get("file"), case.get("line")) == ("s1.scenario.yaml", "1")


def test_reports_keep_verdict_reason_seed_providers_and_requirements(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["failed"])
    pytester.runpytest("--junit-xml=out.xml", "--gatesim-seed=7")
    properties = ElementTree.parse(pytester.path / "out.xml").findall(".//testcase/properties/property")
    assert {each.get("name"): each.get("value") for each in properties} == {
        "gatesim_verdict": "failed",
        "gatesim_reason": "duplicate",
        "gatesim_line": "7",
        "gatesim_seed": "7",
        "gatesim_providers": "nats=embedded nats-server 2",
        "gatesim_requirements": "R-CFG-4",
    }


def test_a_failure_is_told_without_a_traceback(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["failed"])
    result = pytester.runpytest()
    text = result.stdout.str()
    assert "told to be failed" in text
    assert "duplicate" in text
    assert "Traceback" not in text
    assert ".py" not in text.partition("FAILURES")[2]
    result.stdout.fnmatch_lines(["FAILED s0.scenario.yaml::failed number 0 - duplicate: told to be failed"])


def test_a_traceback_of_ours_is_shown_only_when_asked_for(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["error"])
    assert "Traceback" not in pytester.runpytest().stdout.str()
    assert "Traceback" in pytester.runpytest("--gatesim-traceback").stdout.str()


def test_an_inconclusive_scenario_is_called_so(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["inconclusive"])
    result = pytester.runpytest("-v")
    result.stdout.fnmatch_lines(["*INCONCLUSIVE*", "gatesim: exit status 11: inconclusive*"])


STATUSES = [
    (["passed"], 0),
    (["passed", "skipped"], 0),
    (["skipped"], 10),
    (["failed", "inconclusive"], 1),
    (["inconclusive", "passed", "skipped"], 11),
    (["flaky", "inconclusive"], 12),
    (["error", "failed"], 3),
]


@pytest.mark.parametrize(
    ("verdicts", "status"), STATUSES, ids=lambda value: "+".join(value) if isinstance(value, list) else ""
)
def test_the_exit_status_is_that_of_the_verdicts(pytester: pytest.Pytester, verdicts: list[str], status: int) -> None:
    write_told(pytester, verdicts)
    assert pytester.runpytest().ret == status


@pytest.mark.parametrize("verdicts", [["inconclusive", "passed"], ["error", "passed"], ["skipped", "skipped"]])
def test_the_exit_status_is_the_same_on_workers(pytester: pytest.Pytester, verdicts: list[str]) -> None:
    write_told(pytester, verdicts)
    assert pytester.runpytest("-n", "2").ret == pytester.runpytest().ret


def test_a_skip_can_be_made_to_count(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["passed", "skipped"])
    assert pytester.runpytest("--gatesim-fail-on-skip").ret == 10
    pytester.makeini("[pytest]\ngatesim_fail_on_skip = true\n")
    assert pytester.runpytest().ret == 10


def test_a_scenario_that_passes_when_tried_again_is_flaky(pytester: pytest.Pytester) -> None:
    once = "    verdict = Verdict.FAILED if not calls else verdict\n    calls.append(1)\n    reason ="
    pytester.makeconftest(TOLD.replace("    reason =", once, 1).replace("CLASSES =", "calls = []\nCLASSES =", 1))
    write(pytester, "a", "sometimes")
    result = pytester.runpytest("-v", "--gatesim-retries=1")
    result.stdout.fnmatch_lines(["*FLAKY*", "gatesim: exit status 12: flaky*", "*1 flaky*"])
    assert result.ret == 12


def test_workers_play_by_the_same_options(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["passed"])
    pytester.runpytest("-n", "1", "--gatesim-seed=7", "--junit-xml=out.xml").assert_outcomes(passed=1)
    assert 'name="gatesim_seed" value="7"' in (pytester.path / "out.xml").read_text()


def test_other_tests_count_as_well(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["skipped"])
    pytester.makepyfile(test_more="def test_it(): pass")
    assert pytester.runpytest().ret == 0
    pytester.makepyfile(test_worse="def test_it(): assert False")
    write_told(pytester, ["inconclusive"])
    assert pytester.runpytest().ret == 1


def test_without_scenarios_the_status_stays_pytests_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\ndef test_it(): pytest.skip('x')")
    assert pytester.runpytest("--gatesim-fail-on-skip").ret == 0


def test_an_interrupted_run_is_interrupted(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["inconclusive"])
    pytester.makepyfile(test_zz="def test_it(): raise KeyboardInterrupt")
    assert pytester.runpytest_subprocess().ret == 2
    write(pytester, "bad", "x", more="guarante: x\n")
    assert pytester.runpytest_subprocess("--continue-on-collection-errors").ret == 2


def test_a_bad_file_is_a_collection_error_with_our_text_and_status_4(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["passed"])
    write(pytester, "bad", "x", more="guarante: at-least-once\n")
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(["bad.scenario.yaml:10:1: unknown key `guarante`", "*did you mean `guarantee`?"])
    assert "Traceback" not in result.stdout.str()
    assert result.ret == 4
    assert pytester.runpytest("--collect-only").ret == 4
    assert pytester.runpytest("-n", "2").ret == 4
    assert pytester.runpytest("--continue-on-collection-errors").ret == 4


def test_all_problems_of_a_bad_file_are_shown_at_once(pytester: pytest.Pytester) -> None:
    write(pytester, "bad", "x", more="guarante: x\nissue: 7\ntag: [a]\n")
    text = pytester.runpytest().stdout.str()
    assert len(re.findall(r"^bad\.scenario\.yaml:\d+:\d+: ", text, re.MULTILINE)) == 3


def test_a_python_file_that_cannot_be_collected_keeps_pytests_status(pytester: pytest.Pytester) -> None:
    write_told(pytester, ["passed"])
    write(pytester, "bad", "x", more="guarante: x\n")
    pytester.makepyfile(test_broken="import no_such_module")
    assert pytester.runpytest().ret == 2


def test_a_scenario_for_another_system_is_left_out(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOLD)
    write(pytester, "a", "here")
    write(pytester, "b", "elsewhere", more="requires: {provider: container}\n")
    pytester.runpytest().assert_outcomes(passed=1, deselected=1)


def test_a_project_without_scenarios_imports_nothing_of_ours(pytester: pytest.Pytester) -> None:
    heavy = "('simulator', 'gateways', 'yaml', 'pydantic', 'nats')"
    pytester.makepyfile(f"import sys\ndef test_it(): assert not [name for name in {heavy} if name in sys.modules]")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_collection_imports_no_client_and_no_gateway(pytester: pytest.Pytester) -> None:
    write(pytester, "a", "one")
    names = "('nats', 'croniter', 'prometheus_client', 'uvloop', 'gateways', 'simulator.runner')"
    pytester.makeconftest(f"""
        import sys
        def pytest_sessionfinish(session):
            assert session.testscollected == 1
            assert 'simulator.scenario_file.loader' in sys.modules
            assert not [name for name in {names} if name in sys.modules]
    """)
    assert pytester.runpytest_subprocess("--collect-only").ret == 0


def test_a_project_with_a_folder_simulator_of_its_own_is_left_in_peace(pytester: pytest.Pytester) -> None:
    (pytester.path / "simulator").mkdir()
    (pytester.path / "simulator" / "__init__.py").write_text("MINE = True\n")
    pytester.makepyfile("import simulator\ndef test_it(): assert simulator.MINE")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_where_that_folder_hides_ours_a_scenario_file_says_so(pytester: pytest.Pytester) -> None:
    (pytester.path / "simulator").mkdir()
    (pytester.path / "simulator" / "__init__.py").write_text("")
    write(pytester, "a", "one")
    result = pytester.runpytest_subprocess()
    result.stdout.fnmatch_lines(["`simulator` is imported from *simulator and is not the `simulator` of gatesim; *"])
    assert "Traceback" not in result.stdout.str()
    assert result.ret == 4


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--gatesim-seed=x", "*--gatesim-seed: `x` is no whole number*"),
        ("--gatesim-real-limit=60", "*--gatesim-real-limit: `60` is no duration*`60s`*"),
        ("--gatesim-timeout-scale=0", "*--gatesim-timeout-scale: `0` is no number above 0*"),
        ("--gatesim-provider=nats=container", "*--gatesim-provider: provider `container` is not supported yet*"),
        ("--gatesim-target=grpc:localhost:1", "*--gatesim-target: target `grpc:localhost:1` is not supported yet*"),
        ("--gatesim-requirement-file=none.yaml", "*none.yaml*cannot be read*"),
        ("-ogatesim_seed=x", "*ini file: `seed`: `x` is no whole number*"),
    ],
)
def test_an_option_that_means_nothing_is_a_usage_error(pytester: pytest.Pytester, option: str, said: str) -> None:
    result = pytester.runpytest(option)
    result.stderr.fnmatch_lines([said])
    assert result.ret == 4


def test_a_flag_wins_over_the_environment_over_the_ini_file_over_the_project(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_told(pytester, ["passed"])

    def seed(*flags: str) -> str | None:
        pytester.runpytest("--junit-xml=out.xml", *flags)
        found = ElementTree.parse(pytester.path / "out.xml").find(".//property[@name='gatesim_seed']")
        return found.get("value") if found is not None else None

    (pytester.path / "gatesim.toml").write_text("seed = 1\n")
    assert seed() == "1"
    assert seed("-ogatesim_seed=2") == "2"
    monkeypatch.setenv("GATESIM_SEED", "3")
    assert seed("-ogatesim_seed=2") == "3"
    assert seed("-ogatesim_seed=2", "--gatesim-seed=4") == "4"


def test_requirements_of_the_project_may_be_cited(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOLD)
    (pytester.path / "ours.yaml").write_text("- {id: OUR-1, level: MUST, profile: ours, sentence: It works.}\n")
    (pytester.path / "a.scenario.yaml").write_text(
        HEAD.format(name="x", tags="passed").replace("R-CFG-4", "OUR-1") + STEPS
    )
    assert pytester.runpytest().ret == 4
    pytester.runpytest("--gatesim-requirement-file=ours.yaml").assert_outcomes(passed=1)
