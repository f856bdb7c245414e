"""
Loader: the text of a scenario file to Scenarios, one for each cell of its matrix; all its problems at once.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path as FilePath
from typing import Any

from simulator.errors import ScenarioError, SimulatorBug
from simulator.scenario_file.draft import Draft, PlacedGateway, broker_texts, config_texts
from simulator.scenario_file.fragments import merge_fragments
from simulator.scenario_file.lint import lint
from simulator.scenario_file.manifests import gateways_in
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.scenario import Gateway, Head, LoadedStep, Scenario
from simulator.scenario_file.secrets_in import masked, secret_texts
from simulator.scenario_file.service_table import addressed, services_of
from simulator.scenario_file.shape import kind_of
from simulator.scenario_file.source_text import SourceText, decode, read_bytes, readable
from simulator.scenario_file.step_loader import StepLoader
from simulator.scenario_file.templates import OPENING, Templates, text_of
from simulator.scenario_file.wording import Check
from simulator.scenario_file.yaml_source import Document, Path, Tree, parse
from simulator.services.shapes import ServiceShape

CELLS_MAX = 1_000
_CELLS_TRIED = 20
"""So many cells are looked at where there are problems; the others have mostly the same ones."""
_SHOWN_MAX = 40


def load_file(path: str | os.PathLike[str], *, declared: Collection[str] = ()) -> list[Scenario]:
    """
    The scenarios of the file at *path*: one, or one for each cell of its matrix.

    Args:
        declared: Ids of requirements beside the catalogue's own.

    Raises:
        ScenarioError: The file cannot be run as written; every problem is in it.
    """
    file = os.fspath(path)
    return _load(decode(file, read_bytes(path)), FilePath(file).parent, declared)


def load_text(
    text: str | bytes, *, file: str = "<text>", folder: FilePath | None = None, declared: Collection[str] = ()
) -> list[Scenario]:
    """
    The scenarios that *text* is.

    Args:
        file: What problems call it.
        folder: What names of other files are relative to; the current folder for None.
        declared: Ids of requirements beside the catalogue's own.

    Raises:
        ScenarioError: It cannot be run as written; every problem is in it.
    """
    source = decode(file, text) if isinstance(text, bytes) else readable(SourceText(file, text))
    return _load(source, folder or FilePath(), declared)


def _load(source: SourceText, folder: FilePath, declared: Collection[str]) -> list[Scenario]:
    try:
        document = parse(source)
    except ScenarioError as error:
        raise ScenarioError(masked(error.problems, None, source.text)) from None
    try:
        return _scenarios(document, source, folder, declared)
    except ScenarioError as error:
        raise ScenarioError(masked(error.problems, document.value, source.text)) from None


def _scenarios(document: Document, source: SourceText, folder: FilePath, declared: Collection[str]) -> list[Scenario]:
    problems = Problems(document.problems)
    if not isinstance(document.value, dict):
        hint = "a scenario begins with `apiVersion: gatesim/v1`"
        problem = f"a scenario must be a mapping, not {kind_of(document.value)}"
        raise ScenarioError([*problems, document.tree.value_problem((), problem, hint)])
    value, tree = merge_fragments(document.value, document.tree, folder, problems)
    found: list[Scenario | None] = []
    for cell in _cells(value, Check(tree, problems)):
        found.append(_Cell(cell, folder, declared, problems).scenario(value, tree, source.file))
        if problems and len(found) >= _CELLS_TRIED:
            break
    if problems:
        raise ScenarioError(problems)
    whole = [scenario for scenario in found if scenario is not None]
    if not whole or len(whole) < len(found):
        raise SimulatorBug(f"{source.file}: a scenario was refused without a reason")
    return whole


def _cells(value: Mapping[str, Any], check: Check) -> Iterator[dict[str, Any]]:
    """
    Every combination of the matrix; one empty cell where there is none, or where it is wrong.
    """
    matrix = value.get("matrix")
    if not isinstance(matrix, dict) or not matrix:
        yield {}
        return
    for name, values in matrix.items():
        if not isinstance(values, list) or not values:
            shown = "empty" if values == [] else kind_of(values)
            check.value(
                ("matrix", name), f"`{name}` must be a list of values, not {shown}", f"such as `{name}: [1, 2]`"
            )
            return
    size = 1
    for values in matrix.values():
        size *= len(values)
    if size > CELLS_MAX:
        check.key(("matrix",), f"this matrix has {size:,} cells", f"at most {CELLS_MAX:,} are played")
        return
    for combination in product(*matrix.values()):
        yield dict(zip(matrix, combination, strict=True))


class _Cell:
    """
    Makes the scenario of one cell.
    """

    def __init__(self, cell: dict[str, Any], folder: FilePath, declared: Collection[str], problems: Problems) -> None:
        self._cell = cell
        self._names = {f"matrix.{name}": each for name, each in cell.items()}
        self._folder = folder
        self._declared = declared
        self._problems = problems

    def scenario(self, value: dict[str, Any], tree: Tree, file: str) -> Scenario | None:
        """
        The scenario, or None where a problem was noted.
        """
        before = len(self._problems)
        templated = OPENING in tree.source.text or "use" in value
        if templated:
            value, tree = self._rendered(value, tree)
        check = Check(tree, self._problems)
        head = check.shape(Head, value, ())
        gateways = self._gateways(head, check) if head is not None else ()
        if head is None or not gateways:
            if isinstance(value.get("steps"), list):
                self._steps(None, value, tree, templated=templated)
            return None
        services = services_of(head, [placed.gateway for placed in gateways], check)
        shapes = {name: entry.shape for name, entry in services.items()}
        steps, complete = self._steps(shapes, value, tree, templated=templated)
        draft = Draft(head, tree, value, gateways, shapes, steps, complete)
        draft.texts = list(config_texts(draft))
        setups = addressed(services, draft.texts, check, broker_texts(draft))
        lint(draft, check, self._declared)
        secrets = secret_texts(draft, check)
        if len(self._problems) > before:
            return None
        return Scenario(
            file,
            (tree.keys or {}).get("scenario", tree).line,
            head.scenario + _suffix(self._cell, value),
            head,
            tuple(placed.gateway for placed in gateways),
            setups,
            steps,
            self._cell,
            secrets,
        )

    def _rendered(self, value: dict[str, Any], tree: Tree) -> tuple[dict[str, Any], Tree]:
        """
        The head with the matrix's values in place of their names; steps are rendered one by one.
        """
        new, parts = dict(value), {key: tree.part(key) or tree for key in value}
        for key, inner in value.items():
            if key not in ("matrix", "use", "steps"):
                templates = Templates(self._names)
                new[key], parts[key] = templates.replace(inner, parts[key], (key,))
                self._problems.extend(templates.problems)
        return new, tree._replace(parts=parts)

    def _steps(
        self, shapes: Mapping[str, ServiceShape] | None, value: dict[str, Any], tree: Tree, *, templated: bool
    ) -> tuple[tuple[LoadedStep, ...], bool]:
        """
        The steps, and whether all of them could be read.
        """
        before = len(self._problems)
        loader = StepLoader(shapes, self._problems, self._names if templated else None)
        steps = loader.steps(value["steps"], tree.part("steps") or tree, ("steps",))
        return steps, len(self._problems) == before

    def _gateways(self, head: Head, check: Check) -> tuple[PlacedGateway, ...]:
        """
        Every gateway; none where a manifest has a problem, for then names are missing.
        """
        found: list[PlacedGateway] = []
        if head.gateway is not None:
            found.append(PlacedGateway(head.gateway, check.tree.at(("gateway",)), ("gateway",)))
        for number, gateway in enumerate(head.gateways or ()):
            path: Path = ("gateways", number)
            found.append(PlacedGateway(gateway, check.tree.at(path), path))
        if not head.manifests:
            return tuple(found)
        before = len(self._problems)
        found += self._from_manifests(head.manifests, check)
        if len(self._problems) == before and not found:
            check.key(("manifests",), "no Gateway is in these manifests", "add the Gateway's file")
        return tuple(found) if len(self._problems) == before else ()

    def _from_manifests(self, names: Sequence[str], check: Check) -> Iterator[PlacedGateway]:
        files = [self._folder / name for name in names]
        missing = [number for number, file in enumerate(files) if not os.path.isfile(file)]
        for number in missing:
            hint = "manifests are named relative to this file"
            check.value(("manifests", number), f"there is no file `{names[number][:60]}`", hint)
        if missing:
            return
        entries, problems = gateways_in(files)
        self._problems.extend(problems)
        for entry in entries:
            here = Check(entry.tree, self._problems, around=("spec",))
            gateway = here.shape(Gateway, entry.value, ())
            if gateway is not None:
                yield PlacedGateway(gateway, entry.tree, ("spec",))


def _suffix(cell: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    """
    `[x=1,y=a]`; what is too long for a name stands there by its place in the list.
    """
    shown = []
    for name, each in cell.items():
        text = text_of(each)
        if isinstance(each, dict | list) or len(text) > _SHOWN_MAX or not text.isprintable():
            text = f"#{value['matrix'][name].index(each) + 1}"
        shown.append(f"{name}={text}")
    return f"[{','.join(shown)}]" if shown else ""
