"""
Step loader: the `steps` of a scenario file to LoadedSteps, each checked against its shape.

Steps in a `repeat` may name its round; they are checked for the first and the last one at once, and made anew for
each round in play. Steps without a template are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from simulator.errors import ScenarioError
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.scenario import (
    Advance,
    EditConfigMap,
    Expect,
    Fault,
    Heal,
    LoadedStep,
    Parallel,
    Repeat,
    Request,
    Restart,
    ServiceStep,
    Signal,
    WatcherStep,
)
from simulator.scenario_file.shape import Shape, kind_of
from simulator.scenario_file.step import SERVICE_STEPS
from simulator.scenario_file.templates import OPENING, ROUND, Names, Templates, names_in
from simulator.scenario_file.wording import Check, keys_of
from simulator.scenario_file.yaml_source import Path, Tree, close_to
from simulator.services.shapes import ServiceShape

SHAPE_OF: Mapping[str, type[Shape]] = {
    **SERVICE_STEPS,
    "request": Request,
    "configMap": EditConfigMap,
    "fault": Fault,
    "heal": Heal,
    "restart": Restart,
    "watcher": WatcherStep,
    "expect": Expect,
    "signal": Signal,
}
KINDS = (*SHAPE_OF, "advance", "repeat", "parallel")
"""Every kind of step."""

ROUNDS_MAX = 10_000_000


class StepLoader:
    """
    Makes the steps of one scenario.

    Args:
        services: Every service's shape, by the service's name; None where that is not known, because the head is wrong.
        problems: Takes what is wrong.
        names: What templates may name beside the round; None where the file holds no template.
    """

    def __init__(self, services: Mapping[str, ServiceShape] | None, problems: Problems, names: Names | None) -> None:
        self._services = services
        self._problems = problems
        self._names = names

    def steps(self, raw: Any, tree: Tree, path: Path, i: int | None = None) -> tuple[LoadedStep, ...]:
        """
        The steps in the list *raw*; those with a problem are left out.

        Args:
            tree: Where the list stands.
            path: Of the list.
            i: The round of the `repeat` around it; None outside of one.
        """
        if not isinstance(raw, list):
            check = Check(tree, self._problems, around=path)
            check.value((), check.said((), f"must be a list, not {kind_of(raw)}"), _STEP_HINT)
            return ()
        made = (self._step(each, tree.part(n) or tree, (*path, n), i) for n, each in enumerate(raw))
        return tuple(step for step in made if step is not None)

    def _step(self, raw: Any, tree: Tree, path: Path, i: int | None) -> LoadedStep | None:
        if isinstance(raw, str) and self._names is not None and OPENING in raw:
            before = len(self._problems)
            raw, tree = self._whole(raw, tree, path)
            if len(self._problems) > before:
                return None
        check = Check(tree, self._problems, around=path)
        if not isinstance(raw, dict):
            check.value((), f"a step must be a mapping with one key, not {kind_of(raw)}", _STEP_HINT)
        elif len(raw) != 1:
            _report_keys(raw, check)
        else:
            kind = next(iter(raw))
            if kind == "repeat":
                return self._repeat(raw, tree, path, i)
            if kind == "parallel":
                return self._parallel(raw, tree, path, i)
            if kind in SHAPE_OF or kind == "advance":
                return self._plain(raw, tree, path, i)
            check.key((kind,), f"unknown step `{kind[:60]}`", _meant(kind))
        return None

    def _whole(self, text: str, tree: Tree, path: Path) -> tuple[Any, Tree]:
        """
        A step that is a value of the matrix, `- "${{ matrix.x }}"`.
        """
        templates = Templates(self._names or {})
        step, spot = templates.replace(text, tree, path)
        self._problems.extend(templates.problems)
        return step, spot

    def _plain(self, raw: dict[str, Any], tree: Tree, path: Path, i: int | None) -> LoadedStep | None:
        """
        A step that holds no other steps.
        """
        ((kind, value),) = raw.items()
        rendered, spot, varies = self._rendered(value, tree, (*path, kind), i)
        body = self._body(kind, rendered, Check(spot, self._problems, around=path))
        if body is None:
            return None
        rerender: Callable[[int], LoadedStep] | None = None
        if varies:

            def rerender(n: int) -> LoadedStep:
                return self._again(lambda loader: loader._plain(raw, tree, path, n))

        return LoadedStep(kind, body, tree.line, tree.column, rendered, rerender, path)

    def _rendered(self, value: Any, tree: Tree, path: Path, i: int | None) -> tuple[Any, Tree, bool]:
        """
        *value* with the round in place of its name.

        Args:
            tree: Of the mapping around *value*, whose key is the last of *path*.

        Returns:
            The value, the tree around it, and whether it names the round.
        """
        if self._names is None or not any(names_in(value)):
            return value, tree, False
        templates = Templates(self._names if i is None else {**self._names, ROUND: i})
        name = path[-1]
        rendered, spot = templates.replace(value, tree.part(name) or tree, path)
        self._problems.extend(templates.problems)
        parts: dict[str, Tree] = dict(tree.parts) if isinstance(tree.parts, dict) else {}
        parts[str(name)] = spot
        return rendered, tree._replace(parts=parts), i is not None and ROUND in names_in(value)

    def _again(self, make: Callable[[StepLoader], LoadedStep | None]) -> LoadedStep:
        problems = Problems()
        step = make(StepLoader(self._services, problems, self._names))
        if step is None or problems:
            raise ScenarioError(problems)
        return step

    def _body(self, kind: str, raw: Any, check: Check) -> Any:
        if kind in SERVICE_STEPS:
            return self._of_service(kind, raw, check)
        if kind == "advance":
            return _advance(raw, check)
        return check.shape(SHAPE_OF[kind], raw, (kind,))

    def _of_service(self, verb: str, raw: Any, check: Check) -> ServiceStep | None:
        """
        A step that a service takes, with the keys of its own.
        """
        model = SERVICE_STEPS[verb]
        if not isinstance(raw, dict) or self._services is None:
            return check.shape(model, raw, (verb,))
        known = keys_of(model)
        own = {key: value for key, value in raw.items() if key not in known}
        before = len(check.problems)
        target = _target(verb, raw, own, self._services, check)
        body: ServiceStep | None = check.shape(model, raw if target is None else {**raw, "to": target}, (verb,))
        if target is not None and (shape := self._services[target].takes(verb)) is not None:
            check.shape(shape, own, (verb,), more_keys=sorted(known))
        return body if len(check.problems) == before else None

    def _repeat(self, raw: dict[str, Any], tree: Tree, path: Path, i: int | None) -> LoadedStep | None:
        value, inner = raw["repeat"], tree.part("repeat") or tree
        check = Check(tree, self._problems, around=path)
        if not isinstance(value, dict):
            check.value(("repeat",), f"`repeat` must be a mapping, not {kind_of(value)}", _REPEAT_HINT)
            return None
        before = len(self._problems)
        around = (*path, "repeat")
        times, _, varies = self._rendered(value.get("times"), inner, (*around, "times"), i)
        _check_repeat({**value, "times": times} if "times" in value else value, check)
        steps = (
            self.steps(value["steps"], inner.part("steps") or inner, (*around, "steps"), 0) if "steps" in value else ()
        )
        if len(self._problems) > before:
            return None
        self._check_last(steps, times)
        rerender: Callable[[int], LoadedStep] | None = None
        if varies:

            def rerender(n: int) -> LoadedStep:
                return self._again(lambda loader: loader._repeat(raw, tree, path, n))

        return LoadedStep("repeat", Repeat(times, steps), tree.line, tree.column, value, rerender, path)

    def _check_last(self, steps: tuple[LoadedStep, ...], times: int) -> None:
        """
        Make the last round's steps, so that what only a high number breaks is known before the play.
        """
        for step in steps if times > 1 else ():
            try:
                step.render(times - 1)
            except ScenarioError as error:
                self._problems.extend(error.problems)

    def _parallel(self, raw: dict[str, Any], tree: Tree, path: Path, i: int | None) -> LoadedStep | None:
        value, inner = raw["parallel"], tree.part("parallel") or tree
        if not isinstance(value, list) or not value:
            problem = (
                "`parallel` must not be empty" if value == [] else f"`parallel` must be a list, not {kind_of(value)}"
            )
            Check(tree, self._problems, around=path).value(("parallel",), problem, "such as `[[...], [...]]`")
            return None
        branches = tuple(
            self.steps(branch, inner.part(n) or inner, (*path, "parallel", n), i) for n, branch in enumerate(value)
        )
        return _parallel_step(branches, value, tree, path)


def _parallel_step(branches: tuple[tuple[LoadedStep, ...], ...], raw: Any, tree: Tree, path: Path) -> LoadedStep:
    rerender: Callable[[int], LoadedStep] | None = None
    if any(step.rerender is not None for branch in branches for step in branch):

        def rerender(n: int) -> LoadedStep:
            return _parallel_step(tuple(tuple(s.render(n) for s in branch) for branch in branches), raw, tree, path)

    return LoadedStep("parallel", Parallel(branches), tree.line, tree.column, raw, rerender, path)


_STEP_HINT = "such as `- advance: 30s`"
_REPEAT_HINT = "such as `repeat: {times: 3, steps: [...]}`"


def _report_keys(raw: dict[str, Any], check: Check) -> None:
    """
    A step without a key, or with several: mostly what belongs to the step is indented too little.
    """
    kinds = [key for key in raw if key in KINDS]
    if not raw:
        check.value((), "a step must have one key", _STEP_HINT)
    elif len(kinds) == 1 and next(iter(raw)) == kinds[0]:
        problem = f"a step has one key; `{list(raw)[1][:60]}` stands beside `{kinds[0]}`"
        check.key((list(raw)[1],), problem, f"indent it further, so that it belongs to `{kinds[0]}`")
    else:
        check.key((list(raw)[1],), f"a step has one key, this one has {len(raw)}", "begin each step with `- `")


def _meant(kind: str) -> str:
    return _offered(kind, list(KINDS))


def _offered(name: str, known: list[str]) -> str:
    close = close_to(name, known)
    return f"did you mean `{close}`?" if close else f"there are {', '.join(f'`{each}`' for each in known)}"


def _target(
    verb: str, raw: dict[str, Any], own: Mapping[str, Any], services: Mapping[str, ServiceShape], check: Check
) -> str | None:
    """
    The name of the service that a step is meant for; None where that is a problem.
    """
    takers = {name: shape for name, given in services.items() if (shape := given.takes(verb)) is not None}
    if "to" in raw:
        return _named(verb, raw["to"], services, check)
    if not takers:
        check.key((verb,), *_NOBODY.get(verb, (f"no service takes `{verb}`", "name one that does under `services`")))
        return None
    fitting = list(takers) if len(takers) == 1 else [name for name, shape in takers.items() if _fits(shape, own)]
    if len(fitting) == 1:
        return fitting[0]
    why = "several services fit" if fitting else "no service takes these keys"
    names = ", ".join(f"`to: {name}`" for name in fitting or takers)
    check.key((verb,), f"`{verb}` lacks `to`: {why}", f"there are {names}")
    return None


_NOBODY = {"publish": ("there is no service to publish to", "name one under `services`, or send a `request`")}
"""What is said, and what would help, where there is no service that takes a step, by its verb."""


def _named(verb: str, name: Any, services: Mapping[str, ServiceShape], check: Check) -> str | None:
    if not isinstance(name, str):
        return None
    if name not in services:
        check.value((verb, "to"), f"no service is called `{name[:60]}`", _offered(name, list(services)))
        return None
    if services[name].takes(verb) is None:
        if verb == "publish":
            problem, hint = f"nothing can be published to `{name}`", "send a `request` to a gateway"
        else:
            problem, hint = f"`{name}` takes no `{verb}`", f"it takes {_taken_by(services[name])}"
        check.value((verb, "to"), problem, hint)
        return None
    return name


def _taken_by(shape: ServiceShape) -> str:
    return ", ".join(f"`{verb}`" for verb in SERVICE_STEPS if shape.takes(verb) is not None) or "no steps"


def _fits(shape: type[Shape], own: Mapping[str, Any]) -> bool:
    """
    Whether a service whose own keys are *shape* takes a step with exactly these.
    """
    required = {field.alias or name for name, field in shape.model_fields.items() if field.is_required()}
    return required <= set(own) <= set(keys_of(shape))


def _advance(raw: Any, check: Check) -> Advance | None:
    """
    `advance: 30s`: the value is the duration itself.
    """
    try:
        return Advance.model_validate({"seconds": raw})
    except ValidationError as error:
        context = error.errors()[0]["ctx"]
        report = check.key if raw is None else check.value
        report(("advance",), check.said(("advance",), context["problem"]), context["hint"])
        return None


def _check_repeat(value: dict[str, Any], check: Check) -> None:
    times = value.get("times")
    for key in ("times", "steps"):
        if key not in value:
            check.key(("repeat",), f"`repeat` lacks `{key}`", _REPEAT_HINT)
    for key in value:
        if key not in ("times", "steps"):
            check.unknown_key(("repeat", key), ("times", "steps"))
    if "times" in value and not (type(times) is int and 1 <= times <= ROUNDS_MAX):
        shown = f"`{times}`" if type(times) is int else kind_of(times)
        problem = f"`times` must be a whole number from 1 to {ROUNDS_MAX:,}, not {shown}"
        check.value(("repeat", "times"), problem)
