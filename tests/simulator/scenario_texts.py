"""
Small scenario files for tests, and their problems as tests like to compare them.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

from simulator.errors import ScenarioError, ScenarioProblem
from simulator.scenario_file.loader import load_text
from simulator.scenario_file.scenario import LoadedStep, Scenario

HEAD = """\
apiVersion: gatesim/v1
scenario: x
gateway:
  name: g
  type: nats
  configMap:
    foo: |-
      url: nats://nats.argo-events:4222
      attributes: {subject: foo}
  watchers: {sensors: [{name: audit}]}
"""
STEPS_FROM = HEAD.count("\n") + 2
"""The line of the first step in `with_steps`."""


def with_steps(steps: str, head: str = HEAD) -> str:
    """
    A scenario file with these steps.
    """
    return f"{head}steps:\n{indent(dedent(steps).strip(), '  ')}\n"


def loaded(text: str, **how: Path) -> Scenario:
    """
    The only scenario of *text*.
    """
    (scenario,) = load_text(text, file="f.yaml", **how)
    return scenario


def steps_of(steps: str) -> tuple[LoadedStep, ...]:
    """
    The loaded steps.
    """
    return loaded(with_steps(steps)).steps


def problems_of(text: str | bytes, **how: Path) -> tuple[ScenarioProblem, ...]:
    """
    The problems of *text*; none where it loads.
    """
    try:
        load_text(text, file="f.yaml", **how)
    except ScenarioError as error:
        return error.problems
    return ()


def problem_of(text: str | bytes, **how: Path) -> ScenarioProblem:
    """
    The only problem of *text*.
    """
    (problem,) = problems_of(text, **how)
    return problem


def step_problem(step: str, head: str = HEAD) -> tuple[int, int, str, str]:
    """
    Line (1 is the first step's), column, problem and hint of the only problem of these steps.
    """
    problem = problem_of(with_steps(step, head))
    first = head.count("\n") + 2
    return problem.line - first + 1, problem.column, problem.problem, problem.hint
