"""
The JSON Schema of scenario files, draft-07, made from the shapes that check them, so that editors complete and check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from inspect import getdoc
from typing import Any

from simulator.scenario_file.key_words import schema_of
from simulator.scenario_file.scenario import Advance, Head, ServiceSetup
from simulator.scenario_file.shape import Shape
from simulator.scenario_file.step import SERVICE_STEPS
from simulator.scenario_file.step_loader import ROUNDS_MAX, SHAPE_OF
from simulator.scenario_file.wording import nullable_keys, shape_of
from simulator.services.shapes import SHAPES, ServiceShape

Schema = dict[str, Any]

_TEMPLATE = {"$ref": "#/definitions/Template"}
_STEPS: Schema = {"type": "array", "items": {"anyOf": [{"$ref": "#/definitions/Step"}, _TEMPLATE]}}
_VERBATIM = frozenset({"apiVersion", "matrix", "use", "steps"})
"""Keys of the head in which no template stands."""


def scenario_schema() -> Schema:
    """
    The schema of a scenario file. Whatever the loader takes validates; the loader refuses more.
    """
    definitions: Schema = {"Template": {"type": "string", "pattern": r"\$\{\{.*\}\}"}}
    head = _shape_schema(Head, definitions)
    for kind in SHAPE_OF.values():
        definitions[kind.__name__] = _shape_schema(kind, definitions)
    definitions["Step"] = _step_schema(definitions)
    head["properties"]["steps"] = {**_STEPS, "minItems": 1, "description": head["properties"]["steps"]["description"]}
    head["properties"]["services"] = _services_schema(definitions, head["properties"]["services"])
    for key, inner in head["properties"].items():
        if key not in _VERBATIM:
            head["properties"][key] = _with_templates(inner)
    for name, definition in definitions.items():
        if name not in ("Template", "Step"):
            definitions[name] = _with_templates(definition, whole=False)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "gatesim/v1",
        **_open_to_fragments(head),
        "definitions": dict(sorted(definitions.items())),
    }


def _shape_schema(model: type[Shape], definitions: Schema) -> Schema:
    """
    The schema of *model*; what it refers to goes into *definitions*.
    """
    made: Schema = _cleaned(deepcopy(dict(schema_of(model))))
    for name, inner in made.pop("$defs", {}).items():
        definitions.setdefault(name, inner)
    for inner in _shapes_in(model):
        if inner.__name__ in definitions:
            _add_rules(definitions[inner.__name__], inner)
    _add_rules(made, model)
    return made


def _shapes_in(model: type[Shape]) -> Iterator[type[Shape]]:
    """
    The shapes below *model*.
    """
    for name, field in model.model_fields.items():
        inner = shape_of(model, field.alias or name)
        if inner is not None:
            yield inner
            yield from _shapes_in(inner)


def _add_rules(schema: Schema, model: type[Shape]) -> None:
    """
    State in *schema* which of *model*'s keys go together, and which must not be empty.
    """
    rules = [rule.schema() for rule in model.key_rules]
    if rules:
        schema["allOf"] = rules
    for key in nullable_keys(model):
        schema["properties"][key] = _without_null(schema["properties"][key])


def _without_null(schema: Schema) -> Schema:
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    rest = {key: inner for key, inner in schema.items() if key != "anyOf"}
    if not kinds:
        return schema
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}


def _cleaned(schema: Any) -> Any:
    """
    *schema* as draft-07 has it, without titles that only repeat a key.
    """
    if isinstance(schema, list):
        return [_cleaned(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made: Schema = {}
    for key, inner in schema.items():
        if key == "$ref":
            made[key] = inner.replace("#/$defs/", "#/definitions/")
        elif key in ("properties", "$defs"):
            made[key] = {name: _cleaned(each) for name, each in inner.items()}
        elif key in ("examples", "enum", "const", "default"):
            made[key] = inner
        elif key != "title":
            made[key] = _cleaned(inner)
    return made


def _step_schema(definitions: Schema) -> Schema:
    for verb, step in SERVICE_STEPS.items():
        whole = definitions[step.__name__]
        for key, inner in _service_keys(partial(ServiceShape.takes, verb=verb), definitions).items():
            whole["properties"].setdefault(key, inner)
        whole["additionalProperties"] = False
    advance = _shape_schema(Advance, definitions)["properties"]["seconds"]
    properties: Schema = {kind: {"$ref": f"#/definitions/{shape.__name__}"} for kind, shape in SHAPE_OF.items()}
    properties["advance"] = {**_with_templates(advance), "description": getdoc(Advance)}
    properties["repeat"] = {
        "type": "object",
        "description": "Play steps several times; `${{ i }}` counts the rounds from 0.",
        "properties": {
            "times": _with_templates({"type": "integer", "minimum": 1, "maximum": ROUNDS_MAX}),
            "steps": _STEPS,
        },
        "required": ["times", "steps"],
        "additionalProperties": False,
    }
    properties["parallel"] = {
        "type": "array",
        "minItems": 1,
        "items": _STEPS,
        "description": "Branches of steps that are played side by side.",
    }
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _service_keys(part: Callable[[ServiceShape], type[Shape] | None], definitions: Schema) -> Schema:
    """
    The keys that any service takes of its own, in a step or under `services`.
    """
    found: Schema = {}
    for shape in SHAPES.values():
        model = part(shape)
        if model is not None:
            for key, inner in _shape_schema(model, definitions)["properties"].items():
                found[key] = _either(found[key], inner) if key in found else inner
    return found


def _either(one: Schema, other: Schema) -> Schema:
    """
    The schema of a key that two services take, each in its own way, with what both say of it.
    """
    if one == other:
        return one
    texts = dict.fromkeys(each["description"] for each in (one, other))
    ways = [each for kind in (one, other) for each in kind.get("anyOf", [_without_words(kind)])]
    unlike = [way for number, way in enumerate(ways) if way not in ways[:number]]
    said: Schema = {"description": " Or: ".join(texts)}
    return {**unlike[0], **said} if len(unlike) == 1 else {"anyOf": unlike, **said}


def _without_words(schema: Schema) -> Schema:
    return {key: inner for key, inner in schema.items() if key not in ("description", "examples")}


def _services_schema(definitions: Schema, around: Schema) -> Schema:
    setup = definitions[ServiceSetup.__name__]
    for key, inner in _service_keys(lambda shape: shape.setup, definitions).items():
        setup["properties"].setdefault(key, inner)
    setup["additionalProperties"] = False
    return around


def _with_templates(schema: Schema, *, whole: bool = True) -> Schema:
    """
    *schema*, where a template may stand for any value, also for the *whole*.
    """
    made = dict(schema)
    if isinstance(made.get("properties"), dict):
        made["properties"] = {name: _with_templates(inner) for name, inner in made["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _with_templates(made[key])
    if not whole or _takes_any_text(made):
        return made
    about: Schema = {key: made.pop(key) for key in ("description", "examples", "default") if key in made}
    kinds = [_with_templates(kind, whole=False) for kind in made["anyOf"]] if set(made) == {"anyOf"} else [made]
    return {"anyOf": [*kinds, _TEMPLATE], **about}


def _takes_any_text(schema: Mapping[str, Any]) -> bool:
    about = {"description", "examples", "default", "minLength"}
    rest = {key: inner for key, inner in schema.items() if key not in about}
    return not rest or rest == {"type": "string"}


def _open_to_fragments(head: Schema) -> Schema:
    """
    *head*, where `use` can bring in what the file itself leaves out.
    """
    required = [key for key in head["required"] if key != "steps"]
    shared = {"if": {"not": {"required": ["use"]}}}
    needed = {"allOf": [{"required": ["steps"]}, *(rule for rule in head["allOf"] if "anyOf" in rule)]}
    rules = [*(rule for rule in head["allOf"] if "anyOf" not in rule), {**shared, "then": needed}]
    return {**head, "required": required, "allOf": rules}
