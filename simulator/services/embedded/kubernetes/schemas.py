"""
Schemas: an object of a custom kind against its OpenAPI schema: defaults go in, unknown fields out, rules are checked.

Source: Kubernetes documentation, "Extend the Kubernetes API with CustomResourceDefinitions". Rules in CEL are not run.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

Problem = tuple[str, str]
"""A field and what is wrong with it."""

_ROOT = frozenset({"apiVersion", "kind", "metadata"})
_KEEPS = "x-kubernetes-preserve-unknown-fields"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def settled(value: Any, schema: Mapping[str, Any], path: str = "") -> tuple[Any, list[str]]:
    """
    *value* with defaults in and without the fields that *schema* does not know.

    Returns:
        The value, and the paths of what was taken out.
    """
    pruned: list[str] = []
    return _settled(value, schema, path, pruned), pruned


def _settled(value: Any, schema: Mapping[str, Any], path: str, pruned: list[str]) -> Any:
    if isinstance(value, list):
        inner = schema.get("items") or {}
        return [_settled(each, inner, f"{path}[{n}]", pruned) for n, each in enumerate(value)]
    if not isinstance(value, dict) or schema.get("x-kubernetes-embedded-resource"):
        return value
    known, others = schema.get("properties") or {}, schema.get("additionalProperties")
    result: dict[str, Any] = {}
    for name, inner in value.items():
        place = f"{path}.{name}" if path else name
        if not path and name in _ROOT:
            result[name] = inner
        elif name in known:
            result[name] = _settled(inner, known[name], place, pruned)
        elif isinstance(others, Mapping):
            result[name] = _settled(inner, others, place, pruned)
        elif others or schema.get(_KEEPS):
            result[name] = inner
        else:
            pruned.append(place)
    for name, inner in known.items():
        if name not in result and "default" in inner:
            result[name] = _settled(copy.deepcopy(inner["default"]), inner, f"{path}.{name}", pruned)
    return result


def problems_in(value: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[Problem]:
    """
    Every rule of *schema* that *value* breaks.
    """
    if value is None and schema.get("nullable"):
        return
    if not _is_of_type(value, schema):
        wanted = "integer or string" if schema.get("x-kubernetes-int-or-string") else schema.get("type")
        shown = _NAMES.get(type(value), "null")
        yield path, f'Invalid value: "{shown}": {path} in body must be of type {wanted}: "{shown}"'
        return
    if (allowed := schema.get("enum")) is not None and value not in allowed:
        listed = ", ".join(f'"{each}"' for each in allowed)
        yield path, f'Unsupported value: "{value}": supported values: {listed}'
    if isinstance(value, dict):
        yield from _in_mapping(value, schema, path)
    elif isinstance(value, list):
        yield from _in_list(value, schema, path)
    elif isinstance(value, str):
        yield from _in_text(value, schema, path)
    elif not isinstance(value, bool) and isinstance(value, int | float):
        yield from _in_number(value, schema, path)
    yield from _in_combinations(value, schema, path)


def _is_of_type(value: Any, schema: Mapping[str, Any]) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, int | str) and not isinstance(value, bool)
    wanted = schema.get("type")
    if wanted is None:
        return True
    if isinstance(value, bool):
        return bool(wanted == "boolean")
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(wanted, (object,)))


def _in_mapping(value: dict[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    known, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name in schema.get("required") or ():
        if name not in value:
            yield (f"{path}.{name}" if path else name), "Required value"
    for name, inner in value.items():
        place = f"{path}.{name}" if path else name
        if not path and name in _ROOT:
            continue
        if name in known:
            yield from problems_in(inner, known[name], place)
        elif isinstance(others, Mapping):
            yield from problems_in(inner, others, place)
    least, most = schema.get("minProperties", 0), schema.get("maxProperties")
    if len(value) < least or (most is not None and len(value) > most):
        yield path, f"Invalid value: {path} in body should have from {least} to {most or 'any number of'} properties"


def _in_list(value: list[Any], schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if len(value) < least:
        yield path, f"Invalid value: {len(value)}: {path} in body should have at least {least} items"
    if most is not None and len(value) > most:
        yield path, f"Too many: {len(value)}: must have at most {most} items"
    keys = schema.get("x-kubernetes-list-map-keys")
    identities = [[entry.get(key) for key in keys] if keys and isinstance(entry, dict) else entry for entry in value]
    if schema.get("x-kubernetes-list-type") in ("set", "map") or schema.get("uniqueItems"):
        for n, identity in enumerate(identities):
            if identity in identities[:n]:
                yield f"{path}[{n}]", f"Duplicate value: {identity!r}"
    for n, each in enumerate(value):
        yield from problems_in(each, schema.get("items") or {}, f"{path}[{n}]")


def _in_text(value: str, schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    least, most, pattern = schema.get("minLength", 0), schema.get("maxLength"), schema.get("pattern")
    if len(value) < least:
        yield path, f'Invalid value: "{value}": {path} in body should be at least {least} chars long'
    if most is not None and len(value) > most:
        yield path, f"Too long: may not be more than {most} bytes"
    if pattern is not None and not re.search(pattern, value):
        yield path, f"Invalid value: \"{value}\": {path} in body should match '{pattern}'"


def _in_number(value: float, schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    least, most, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        yield path, f"Invalid value: {value}: {path} in body should be greater than or equal to {least}"
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        yield path, f"Invalid value: {value}: {path} in body should be less than or equal to {most}"
    if step and value % step:
        yield path, f"Invalid value: {value}: {path} in body should be a multiple of {step}"


def _in_combinations(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    for inner in schema.get("allOf") or ():
        yield from problems_in(value, inner, path)
    fitting = [not any(problems_in(value, inner, path)) for inner in schema.get("anyOf") or ()]
    if fitting and not any(fitting):
        yield path, f"Invalid value: {path} in body must validate at least one schema (anyOf)"
    fitting = [not any(problems_in(value, inner, path)) for inner in schema.get("oneOf") or ()]
    if fitting and sum(fitting) != 1:
        yield path, f"Invalid value: {path} in body must validate one and only one schema (oneOf)"
    if (unwanted := schema.get("not")) is not None and not any(problems_in(value, unwanted, path)):
        yield path, f"Invalid value: {path} in body must not validate the schema (not)"
