"""
What a YAML parser's complaints mean to someone who writes a scenario: the problem, its place, and what would be right.
"""

from __future__ import annotations

import re
from typing import Any

from simulator.errors import ScenarioProblem
from simulator.scenario_file.source_text import SourceText

DEPTH_MAX = 64
"""Values inside values. Some parsers have a limit of their own, far beyond it, and meet theirs first."""

TOO_DEEP = f"nested deeper than {DEPTH_MAX} levels"

_AT_CONTEXT = "context"
"""The complaint is about where something began, not about where the parser gave up."""

_AT_LINE = "line"
"""The same, where it began on another line."""

_WORDS: tuple[tuple[str, str, str, str], ...] = (
    (
        r"mapping values are not allowed",
        "",
        "a `:` stands where no key can be",
        "put text that holds `: ` in quotes; keys of one mapping start in one column",
    ),
    (
        r"expected ',' or '[\]}]'",
        _AT_LINE,
        "a bracket is not closed, or a comma is missing",
        "each `{` has its `}`, each `[` its `]`, and commas stand between entries",
    ),
    (r"unexpected end of stream", _AT_CONTEXT, "this quote is never closed", "close it, or double a quote inside it"),
    (
        r"unknown escape",
        "",
        "an unknown escape",
        "inside double quotes write `\\\\` for a backslash, or use single quotes",
    ),
    (
        r"expected ':'",
        _AT_CONTEXT,
        "this line is no `key: value`",
        "a key is followed by `: `, a list entry starts `- `",
    ),
    (
        r"expected '-' indicator|while parsing a block collection",
        "",
        "this does not fit the list above",
        "entries of one list start with `- ` in one column",
    ),
    (
        r"expected key|expected <block end>",
        "",
        "this does not fit what stands before it",
        "keys of one mapping start in one column; nothing follows a closing quote",
    ),
    (r"node content", "", "a value is missing, or a mark is too many", ""),
    (r"sequence entries are not allowed", "", "a list cannot start here", "begin it on a line of its own"),
    (r"incompatible YAML|directive", "", "a YAML directive that has no meaning here", "leave the line out"),
    (r"document start", "", "a second document", "a file holds one document; leave `---` and `...` out"),
    (r"maximum nesting", "", TOO_DEEP, "a scenario is flatter than that"),
    (r"undefined tag", "", "a tag", "a scenario has no tags; leave it out"),
    (r"comment or line break|chomping or indentation", "", "text behind `|` or `>`", "start the text on the next line"),
)


def syntax_problem(source: SourceText, error: Any) -> ScenarioProblem:
    """
    The parser's *error* (a yaml.YAMLError) in our words.
    """
    mark = getattr(error, "problem_mark", None)
    raw = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if mark is None:
        return source.problem(1, 1, 1, f"this is not YAML: {raw.splitlines()[0]}")
    found = _tab(source, mark) or _odd_start(source, error, raw) or _known(source, error, raw)
    if "${{" in source.line(found.line) and "{" in source.line(found.line).replace("${{", ""):
        return found._replace(hint='inside `{...}` put a template in quotes: `"${{ i }}"`')
    return found


def _tab(source: SourceText, mark: Any) -> ScenarioProblem | None:
    """
    A tab in the indentation of the line where the parser gave up: nearly always the cause.
    """
    line = source.line(mark.line + 1)
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" not in indentation:
        return None
    column = indentation.index("\t") + 1
    return source.problem(mark.line + 1, column, column + 1, "a tab indents this line", hint="indent with spaces")


def _odd_start(source: SourceText, error: Any, raw: str) -> ScenarioProblem | None:
    context = str(getattr(error, "context", None) or "")
    mark = error.problem_mark
    if "cannot start any token" not in raw:
        if "alphabetic or numeric" not in raw:
            return None
        mark = error.context_mark or mark
    elif "token" not in context:
        return None
    line = source.line(mark.line + 1)
    character = line[mark.column : mark.column + 1]
    return source.problem(
        mark.line + 1,
        mark.column + 1,
        mark.column + 2,
        f"text cannot start with `{character}`",
        hint=f'put it in quotes: `"{line[mark.column :].strip()[:40]}"`',
    )


def _known(source: SourceText, error: Any, raw: str) -> ScenarioProblem:
    context = str(getattr(error, "context", None) or "")
    words = next((words for words in _WORDS if re.search(words[0], f"{raw} {context}")), None)
    _, place, problem, hint = words or ("", "", f"this is not YAML: {raw}", "")
    mark = error.problem_mark
    began = error.context_mark or mark
    if place == _AT_CONTEXT or (place == _AT_LINE and began.line != mark.line):
        mark = began
    line, column = mark.line + 1, mark.column + 1
    if line > len(source.lines) or (line == len(source.lines) and not source.line(line)):
        line = max(1, len(source.lines) - 1)
        column = len(source.line(line)) + 1
    return source.problem(line, column, column + 1, problem, hint=hint)
