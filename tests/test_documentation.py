"""
The documentation says what is: its tables are those of the code, and its examples do what they say.

`GATESIM_UPDATE_DOCS=1 pytest tests/test_documentation.py` writes the tables anew.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest

from gateways.limits import Limits, Retry
from gateways.processor import Guarantee
from gateways.registry import BUILT_IN
from simulator.environment import PlayOptions
from simulator.installing.recipes import RECIPES
from simulator.requirements import catalogue
from simulator.runner import play_blocking
from simulator.scenario_file.loader import load_file, load_text
from simulator.scenario_file.schema import scenario_schema
from simulator.verdict import FAILURE_CLASSES, OTHER_CLASSES, Verdict
from tests.fault_matrix import TROUBLES, fault_matrix, guarantee_of, why_never

ROOT = Path(__file__).parents[1]
UPDATE = os.environ.get("GATESIM_UPDATE_DOCS") == "1"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines)


def limits() -> str:
    rows = []
    for owner, title in ((Retry, "retry"), (Limits, "limits")):
        for field in fields(owner):
            rows.append((f"`{title}`: {field.name}", f"{field.default:g}", field.metadata["meaning"]))
    return table(("limit", "default", "meaning"), rows)


def by_default(guarantee: Guarantee) -> str:
    return f"{guarantee.by_default} {guarantee.extent}".strip()


def promises() -> str:
    rows = []
    for name in TYPES:
        guarantee = guarantee_of(name)
        rows.append((f"[{name}](types/{name}.md)", guarantee.told, by_default(guarantee), guarantee.stronger or "–"))
    return table(("type", "the source is told", "by default", "stronger, by optional keys"), rows)


def promise_of(name: str) -> str:
    guarantee = guarantee_of(name)
    rows = [("the source is told", guarantee.told), ("by default", by_default(guarantee))]
    rows += [("with optional keys", guarantee.stronger)] if guarantee.stronger else []
    return table(("", ""), rows)


def faults() -> str:
    parts = []
    for name in TYPES:
        rows = []
        for trouble in TROUBLES:
            shown = [
                f"[{each.sentence}](../{each.file})" + (f" ({each.lost} lost, by name)" if each.lost else "")
                for each in fault_matrix()[name, trouble.name]
            ]
            rows.append((trouble.name, "<br>".join(shown) or f"– {why_never(name, trouble)}"))
        parts.append(f"## {name}\n\n{table(('when', 'what becomes of events'), rows)}\n")
    return "\n".join(["", *parts])


def reasons() -> str:
    rows = [(f"`{name}`", f"failed: {meaning}") for name, meaning in FAILURE_CLASSES.items()]
    return table(("class", "meaning"), rows + [(f"`{name}`", meaning) for name, meaning in OTHER_CLASSES.items()])


def tree() -> str:
    lines = []
    for package in ("gateways", "simulator", "gatesim"):
        for file in sorted((ROOT / package).rglob("*.py")):
            sentence = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]
            if sentence:
                lines.append(f"{file.relative_to(ROOT).as_posix():45} {' '.join(sentence.split())}")
    return "\n".join(["```text", *lines, "```"])


def requirements() -> str:
    shown = defaultdict(list)
    for file in sorted((ROOT / "scenarios").rglob("*.scenario.yaml")):
        for id in load_file(file)[0].head.requirements:
            shown[id].append(file.relative_to(ROOT).as_posix())
    rows = []
    for id, requirement in catalogue().items():
        files = ", ".join(f"[{number}](../{file})" for number, file in enumerate(shown[id], 1))
        holds = "yes" if requirement.holds else ", ".join(requirement.replaced_by) or "no"
        rows.append((id, requirement.level, holds, requirement.sentence.replace("\n", " "), files))
    return table(("id", "level", "holds", "sentence", "scenarios"), rows)


def recipes() -> str:
    rows = []
    for name, recipe in RECIPES.items():
        space = f"{recipe.megabytes} MB"
        rows.append((f"`{name}`", recipe.serves, recipe.version, recipe.way.source, recipe.takes, space))
    return table(("service", "for", "version", "from", "takes", "space"), rows)


TYPES = sorted(BUILT_IN)
BLOCKS: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/delivery.md", "promises"): promises,
    ("docs/delivery.md", "limits"): limits,
    ("docs/faults.md", "matrix"): faults,
    **{(f"docs/types/{name}.md", "guarantee"): partial(promise_of, name) for name in TYPES},
    ("docs/verdicts.md", "reasons"): reasons,
    ("docs/architecture.md", "tree"): tree,
    ("docs/requirements.md", "requirements"): requirements,
    ("docs/real-services.md", "recipes"): recipes,
}


@pytest.mark.parametrize(("page", "name"), BLOCKS)
def test_a_table_is_that_of_the_code(page: str, name: str) -> None:
    file = ROOT / page
    text = file.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    wanted = f"{before}{begin}{BLOCKS[page, name]()}\n{end}{after}"
    if UPDATE:
        file.write_text(wanted, encoding="utf-8")
    assert text == wanted or UPDATE, f"{page} is stale; GATESIM_UPDATE_DOCS=1 pytest tests/test_documentation.py"


def test_the_schema_beside_the_scenarios_is_that_of_the_loader() -> None:
    import json

    file = ROOT / "scenarios" / "gatesim-v1.schema.json"
    wanted = json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"
    if UPDATE:
        file.write_text(wanted, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == wanted


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(2))
def test_the_scenarios_of_the_readme_pass(number: int) -> None:
    (scenario,) = load_text(blocks("yaml")[number])
    result = play_blocking(scenario, PlayOptions())
    assert result.verdict is Verdict.PASSED, result.reason


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "gatesim", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    return done.stdout


def without_figures(text: str) -> str:
    """
    *text* without what differs from run to run: times, ids, seeds.
    """
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
    text = re.sub(r"\s*\d+(\.\d+)? (ms|s)\b", " TIME", text)
    return re.sub(r"--seed \d+", "--seed N", re.sub(r"[ \n]+", " ", text)).strip()


def test_the_first_output_of_the_readme_is_real(tmp_path: Path) -> None:
    (tmp_path / "orders.scenario.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    shown = blocks("text")[0].partition("\n")[2]
    assert without_figures(run(tmp_path, "run", "orders.scenario.yaml")) == without_figures(shown)


def test_the_failure_of_the_readme_is_real(tmp_path: Path) -> None:
    text = blocks("yaml")[0].replace("advance: 2s", "advance: 1s")
    (tmp_path / "orders.scenario.yaml").write_text(text, encoding="utf-8")
    assert without_figures(blocks("text")[1]) in without_figures(run(tmp_path, "run", "orders.scenario.yaml"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_version_is_one() -> None:
    from simulator.version import VERSION

    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
