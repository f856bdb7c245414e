"""
What a shape's validation errors mean to the author of a file: the problem, its place, and what would be right.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from simulator.errors import ScenarioProblem
from simulator.scenario_file.problem_list import Problems
from simulator.scenario_file.shape import Shape, kind_of
from simulator.scenario_file.templates import OPENING, text_of
from simulator.scenario_file.yaml_source import Path, Tree, close_to, shown_path

S = TypeVar("S", bound=Shape)

_MUST_BE = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}


class Check:
    """
    Checks values against shapes and gathers what is wrong, in our words.

    Args:
        tree: Where the values stand.
        problems: Takes what is found.
        around: Path of *tree* in its document, for people to read.
    """

    def __init__(self, tree: Tree, problems: Problems, *, around: Path = ()) -> None:
        self.tree = tree
        self.problems = problems
        self._around = around

    def shape(self, model: type[S], raw: Any, path: Path, *, more_keys: Sequence[str] = ()) -> S | None:
        """
        *raw* as a *model*; None where something is wrong with it.

        Args:
            path: Of *raw* in the document; the messages call it by its last name.
            more_keys: Keys that could have been meant, beside the model's own.
        """
        before = len(self.problems)
        made: S | None = None
        try:
            made = model.model_validate(raw)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=True, include_input=True)
            places = [tuple(each["loc"]) for each in errors]
            for each, place in zip(errors, places, strict=True):
                if not _follows(place, places, each["type"]):
                    self._report(model, raw, path, each, more_keys)
        if isinstance(raw, dict):
            self._rules(model, raw, path)
        return made if len(self.problems) == before else None

    def key(self, path: Path, problem: str, hint: str = "") -> None:
        """
        Note a problem with the key at *path*.
        """
        self._note(self.tree.key_problem(path, problem, hint), path)

    def value(self, path: Path, problem: str, hint: str = "") -> None:
        """
        Note a problem with the value at *path*.
        """
        self._note(self.tree.value_problem(path, problem, hint), path)

    def _note(self, found: ScenarioProblem, path: Path) -> None:
        self.problems.append(found._replace(key_path=shown_path((*self._around, *path))) if self._around else found)

    def _rules(self, model: type[Shape], raw: Mapping[str, Any], path: Path) -> None:
        """
        What a model's fields do not see: which keys go together, and keys with nothing behind them.
        """
        for point in model.rule_points(raw):
            where = (*path, point.key) if point.key else path
            self.key(where, self.said(path, point.problem), point.hint)
        for name, inner in raw.items():
            at = (*path, name)
            if inner is None and name in nullable_keys(model):
                self.key(at, self.said(at, "must not be empty"), "give it a value, or leave the key out")
            found = shape_of(model, name)
            if found is not None:
                for number, each in enumerate(inner) if isinstance(inner, list) else ((None, inner),):
                    if isinstance(each, dict):
                        self._rules(found, each, at if number is None else (*at, number))

    def _report(self, model: type[Shape], raw: Any, path: Path, error: Any, more_keys: Sequence[str]) -> None:
        place: Path = tuple(error["loc"])
        if place and place[-1] == "[key]":
            place = place[:-1]
        at = (*path, *place)
        kind, value = error["type"], error["input"]
        if kind == "extra_forbidden":
            around = _model_at(model, place[:-1])
            known = [*keys_of(around), *(more_keys if around is model else ())] if around else []
            self.unknown_key(at, known)
        elif kind == "missing":
            self.key(at[:-1], self.said(at[:-1], f"lacks `{place[-1]}`"), _example(model, place))
        elif not (isinstance(value, str) and OPENING in value and self.problems):
            problem, hint = _words(kind, error, value, _example(model, place))
            report = self.key if value is None else self.value
            report(at, self.said(at, problem), hint or self._quoting(kind, value, at))

    def said(self, path: Path, problem: str) -> str:
        """
        *problem* said of what stands at *path*.
        """
        called = _called((*self._around, *path))
        return f"{called}: {problem}" if problem[0] in "`0123456789" else f"{called} {problem}"

    def unknown_key(self, path: Path, known: Sequence[str]) -> None:
        """
        Note that the key at *path* is none of *known*.
        """
        key = str(path[-1])
        around = f" in {_called(path[:-1])}" if path[:-1] else ""
        close = close_to(key, known)
        name, colon, rest = key.partition(":")
        if colon and name in known:
            hint = f"a space follows a key's colon: `{name}: {rest}`"
        else:
            hint = f"did you mean `{close}`?" if close else f"there are {', '.join(f'`{each}`' for each in known)}"
        self.key(path, f"unknown key `{key[:60]}`{around}", hint)

    def _quoting(self, kind: str, value: Any, path: Path) -> str:
        """
        How a number or truth value is written so that it is text.
        """
        if kind == "string_type" and type(value) in (int, float, bool):
            spot = self.tree.at(path)
            line = spot.source.line(spot.line)
            same_line = spot.start.line == spot.end.line and spot.parts is None
            written = line[spot.start.column : spot.end.column] if same_line else text_of(value)
            return f'quote it: `"{written}"`'
        if kind == "string_type" and isinstance(value, dict | list):
            return f"write it as a block of text: `{path[-1]}: |-`, the lines below it indented"
        if kind == "bool_type" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
            return f"write `{'true' if value.lower() in ('yes', 'on') else 'false'}`"
        if kind in ("tuple_type", "list_type") and isinstance(value, str | int | float):
            return f"write `[{text_of(value)[:40]}]`"
        return ""


def _called(path: Path) -> str:
    """
    How messages call what stands at *path*: `count`, or `tags[1]`.
    """
    if not path:
        return "the file"
    last = path[-1]
    if isinstance(last, int):
        names = [str(name) for name in path if isinstance(name, str)]
        return f"`{names[-1]}[{last}]`" if names else f"`[{last}]`"
    return f"`{last}`"


def _follows(place: Path, places: Sequence[Path], kind: str) -> bool:
    """
    Whether an error only says that a list is short of the entries that other errors are about.
    """
    return kind in ("too_short", "too_long") and any(
        len(other) > len(place) and other[: len(place)] == place for other in places
    )


def _words(kind: str, error: Any, value: Any, example: str) -> tuple[str, str]:
    context = error.get("ctx", {})
    if kind == "gatesim":
        return context["problem"], context["hint"]
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind]}, not {kind_of(value)}", example if kind == "dict_type" else ""
    if kind == "literal_error":
        return _choice(context["expected"], value)
    bounds = {
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "string_too_short": "must not be empty",
        "too_short": f"must have at least {context.get('min_length')} entries"
        if context.get("min_length", 1) > 1
        else "must not be empty",
    }
    if kind in bounds:
        return bounds[kind], ""
    if kind == "string_pattern_mismatch":
        return f"cannot be `{str(value)[:40]}`", example
    return f"is wrong: {error['msg']}", example


def _choice(expected: str, value: Any) -> tuple[str, str]:
    known = [text.strip().strip("'") for text in expected.replace(" or ", ", ").split(",")]
    if known == ["True"]:
        return f"must be `true`, not {kind_of(value)}", "leave the key out where it does not apply"
    close = close_to(value, known) if isinstance(value, str) else ""
    shown = f"`{value[:40]}`" if isinstance(value, str) else kind_of(value)
    listed = f"`{known[0]}`" if len(known) == 1 else "one of " + ", ".join(f"`{name}`" for name in known)
    return f"must be {listed}, not {shown}", f"did you mean `{close}`?" if close else ""


def keys_of(model: type[Shape]) -> list[str]:
    """
    The keys of *model* as files spell them.
    """
    return [field.alias or name for name, field in model.model_fields.items()]


@cache
def nullable_keys(model: type[Shape]) -> frozenset[str]:
    """
    Keys of *model* that a value of nothing (null) would pass for left out, though it says nothing.
    """
    optional = (key for key, field in _fields(model).items() if not field.is_required() and field.default is None)
    return frozenset(optional) - model.may_be_empty


@cache
def _fields(model: type[Shape]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _example(model: type[Shape], place: Path) -> str:
    """
    An example of what belongs at *place*, as a hint; empty where there is none.
    """
    around = _model_at(model, place[:-1])
    field = _fields(around).get(str(place[-1])) if around and place else None
    if field is None or not field.examples:
        return ""
    return f"such as `{place[-1]}: {text_of(field.examples[0])}`"


def _model_at(model: type[Shape], place: Path) -> type[Shape] | None:
    found: type[Shape] | None = model
    for name in place:
        if found is None:
            return None
        if isinstance(name, str):
            found = shape_of(found, name) or (None if name in _fields(found) else found)
    return found


@cache
def shape_of(model: type[Shape], key: str) -> type[Shape] | None:
    """
    The shape of what stands under *key*, or of its entries; None where it is a scalar or free.
    """
    field = _fields(model).get(key)
    return next(_shapes_in(field.annotation), None) if field is not None else None


def _shapes_in(annotation: Any) -> Iterator[type[Shape]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, Shape):
            yield annotation
        return
    for part in typing.get_args(annotation):
        yield from _shapes_in(part)
