"""
The house style as a test: who may import whom, sizes, docstrings, banned calls, the tree in the documentation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateways", "simulator", "gatesim")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
LINES_MAX = 500
FUNCTION_LINES_MAX = 60

CLIENTS = {
    "aiohttp": (
        "gateways/cluster.py",
        "simulator/services/embedded/kubernetes/",
        "simulator/services/local/kubernetes",
    ),
    "kafka": ("gateways/processors/kafka", "simulator/services/kafka", "simulator/services/embedded/kafka"),
    "kubernetes": ("gateways/cluster.py",),
    "minio": ("gateways/processors/artifact", "simulator/services/local/s3", "simulator/keeping/minio.py"),
    "nats": ("gateways/processors/nats", "simulator/services/nats"),
    "paho": ("gateways/processors/mqtt", "simulator/services/mqtt"),
    "pamqp": ("simulator/services/amqp", "simulator/services/embedded/amqp"),
    "pika": ("gateways/processors/amqp", "simulator/services/local/rabbitmq"),
    "urllib3": ("gateways/processors/artifact", "simulator/services/local/s3", "simulator/keeping/minio.py"),
}
"""Client libraries, and where alone they may be imported."""

CLOCK_READERS = {
    "asyncio.sleep", "asyncio.timeout", "asyncio.timeout_at", "asyncio.wait_for", "time.sleep", "time.time",
    "time.monotonic", "datetime.now", "datetime.utcnow", "date.today",
}  # fmt: skip
LOOP_TIMERS = {"call_later", "call_at"}


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def calls_of(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.lineno, ast.unparse(node.func)


every_file = pytest.mark.parametrize("file", FILES, ids=name_of)


@every_file
def test_the_gateway_never_imports_the_simulator_nor_the_judge_the_gateway(file: Path) -> None:
    allowed = {"gateways": ("gateways",), "simulator": ("simulator",), "gatesim": PACKAGES}[
        file.relative_to(ROOT).parts[0]
    ]
    if name_of(file) == "simulator/gateway_under_test.py":
        allowed = (*allowed, "gateways")
    foreign = [
        name
        for name in imports_of(file)
        if name.partition(".")[0] in PACKAGES and name.partition(".")[0] not in allowed
    ]
    assert foreign == []


@every_file
def test_processors_and_services_do_not_import_their_siblings(file: Path) -> None:
    for folder, shared in (
        ("gateways/processors", ("backlog", "credential_files", "servers")),
        (
            "simulator/services",
            ("service", "shapes", "registry", "process", "certificate", "nats_server", "nats_monitor", "child"),
        ),
    ):
        if file.parent != ROOT / folder or file.stem in shared:
            continue
        family = file.stem.partition("_")[0]
        around = folder.replace("/", ".") + "."
        siblings = [
            name.removeprefix(around).removeprefix("embedded.").partition(".")[0]
            for name in imports_of(file)
            if name.startswith(around)
        ]
        assert [name for name in siblings if name not in shared and name.partition("_")[0] != family] == []


@every_file
def test_a_client_library_is_imported_by_its_own_processor_and_service_alone(file: Path) -> None:
    for library, homes in CLIENTS.items():
        if library in {name.partition(".")[0] for name in imports_of(file)}:
            assert name_of(file).startswith(homes)


@every_file
def test_a_file_is_read_at_one_sitting(file: Path) -> None:
    assert file.read_text(encoding="utf-8").count("\n") <= LINES_MAX
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno
            assert size <= FUNCTION_LINES_MAX, f"{node.name} has {size} lines"


@every_file
def test_every_file_opens_with_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if text.strip():
        assert re.match(r"\S.*[.:]", (ast.get_docstring(parsed(file)) or "").partition("\n\n")[0]), "no first sentence"


@every_file
def test_what_is_public_says_what_it_promises(file: Path) -> None:
    silent = [
        node.name
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith(("_", "on_"))
        and not ast.get_docstring(node)
        and _is_public(file, node)
    ]
    assert silent == []


def _is_public(file: Path, wanted: ast.AST) -> bool:
    """
    Whether a definition stands in a module, or in a public class of it; what protocols demand by name is theirs.
    """
    for node in parsed(file).body:
        if node is wanted:
            return True
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and wanted in node.body:
            bases = {ast.unparse(base) for base in node.bases}
            return "asyncio.Protocol" not in bases
    return False


@every_file
def test_time_and_limits_go_through_the_clock(file: Path) -> None:
    if not name_of(file).startswith("gateways/") or name_of(file) == "gateways/clock.py":
        return
    found = [
        (line, call) for line, call in calls_of(file) if call in CLOCK_READERS or call.rpartition(".")[2] in LOOP_TIMERS
    ]
    assert found == []


@every_file
def test_nobody_sleeps_for_things_to_settle(file: Path) -> None:
    allowed = ("gateways/clock.py", "simulator/virtual_clock.py", "simulator/real_clock.py")
    sleeps = [line for line, call in calls_of(file) if call in ("time.sleep", "asyncio.sleep")]
    if name_of(file) not in allowed:
        waits = file.read_text(encoding="utf-8").splitlines()
        assert [line for line in sleeps if "# real time:" not in waits[line - 1]] == []


@every_file
def test_no_exception_is_swallowed_whole(file: Path) -> None:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            assert not (broad and all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body))


@every_file
def test_nothing_is_printed_past_the_terminal(file: Path) -> None:
    if file.relative_to(ROOT).parts[0] == "gateways" and file.name not in ("cli.py", "standalone.py"):
        assert [
            node for node in ast.walk(parsed(file)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
        ] == []


def committed_texts() -> list[Path]:
    wanted = ("*.py", "*.md", "*.yaml", "*.toml", "*.ini")
    skipped = {
        ".venv",
        ".tox",
        "build",
        "dist",
        ".git",
        ".hypothesis",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".gatesim",
    }
    return [
        file for pattern in wanted for file in ROOT.rglob(pattern) if not skipped & set(file.relative_to(ROOT).parts)
    ]


def test_nothing_is_left_to_be_done_and_no_machine_is_named() -> None:
    to_do = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    machine = re.compile(r"(^|[\s\"'(=])/(wo" + r"rk|fa" + r"rm|ro" + r"ot|ho" + r"me)/", re.MULTILINE)
    for file in committed_texts():
        text = file.read_text(encoding="utf-8", errors="replace")
        assert not to_do.search(text), file
        assert not machine.search(text), file
