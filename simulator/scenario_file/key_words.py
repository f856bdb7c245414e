"""
What a key of a scenario file may hold, and which keys go together, in the words of someone who writes YAML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from simulator.scenario_file.key_rules import AnyOf, Excludes, KeyRule, Needs, OneOf, listed
from simulator.scenario_file.shape import Shape
from simulator.scenario_file.templates import text_of

Schema = Mapping[str, Any]

_NAMED_TYPES = {
    "250ms": "a duration, such as `250ms` or `1m30s`",
    "2018-10-07T12:00:00Z": "an instant, such as `2018-10-07T12:00:00Z`",
    "64KiB/s": "a rate, such as `64KiB/s`",
}
"""By the first example of a scalar's schema, which is how the shapes' own scalars are known."""
_TYPES = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "`true` or `false`"}
_DEFAULTS_SHOWN_MAX = 40


def type_words(model: type[Shape], key: str) -> str:
    """
    What stands under *key* of *model*: "a list of text".
    """
    return _words(schema_of(model)["properties"][key])


@cache
def schema_of(model: type[Shape]) -> Schema:
    """
    The model's own JSON schema.
    """
    return model.model_json_schema(by_alias=True, schema_generator=_WithoutDefaults)


class _WithoutDefaults(GenerateJsonSchema):
    """
    Defaults are told by `default_words`; some of them have no JSON form.
    """

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """See GenerateJsonSchema."""
        return self.generate_inner(schema["schema"])


def _words(schema: Schema) -> str:
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{text_of(each)}`" for each in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        kinds = [_words(each) for each in schema.get("anyOf", schema.get("oneOf", ())) if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    named = next((_NAMED_TYPES[each] for each in schema.get("examples", ()) if _is_named(each)), None)
    if schema.get("type") == "string" and named is not None:
        return named
    if schema.get("type") == "array":
        return f"a list of {_plural(_words(schema.get('items', {})))}"
    if schema.get("type") == "object" or "$ref" in schema:
        inner = schema.get("additionalProperties")
        return f"a mapping of names to {_plural(_words(inner))}" if isinstance(inner, dict) and inner else "a mapping"
    return _TYPES.get(schema.get("type", ""), "any value")


def _is_named(example: Any) -> bool:
    return isinstance(example, str) and example in _NAMED_TYPES


def _plural(words: str) -> str:
    plurals = {"a mapping": "mappings", "any value": "any values", "a whole number": "whole numbers"}
    return plurals.get(words, words)


def default_words(field: FieldInfo) -> str:
    """
    What holds where the key is left out; empty where that is nothing, or needs more than a word.
    """
    default = None if field.is_required() else field.default
    if default in (None, "") or not isinstance(default, bool | int | str):
        return ""
    return text_of(default)[:_DEFAULTS_SHOWN_MAX]


def rule_words(rules: Iterable[KeyRule], *, key: str | None = None) -> tuple[str, ...]:
    """
    *rules* as sentences; only those about *key* where one is given.
    """
    return tuple(text for rule in rules if key is None or key in _keys_in(rule) for text in _rule(rule))


def _keys_in(rule: KeyRule) -> tuple[str, ...]:
    match rule:
        case OneOf():
            return rule.keys
        case AnyOf():
            return (*rule.keys, rule.when)
        case Excludes():
            return (rule.key, *rule.others)
        case Needs():
            return (*rule.keys, rule.other)
    return ()


def _rule(rule: KeyRule) -> tuple[str, ...]:
    match rule:
        case OneOf():
            return (f"{'At most' if rule.optional else 'Exactly'} one of {listed(rule.keys)}.",)
        case AnyOf():
            where = f"Beside `{rule.when}` at" if rule.when else "At"
            return (f"{where} least one of {listed(rule.keys)}.",) if len(rule.keys) > 1 else (_sole(rule),)
        case Excludes():
            return (f"`{rule.key}` excludes {listed(rule.others)}.",)
        case Needs():
            verb = "needs" if len(rule.keys) == 1 else "need"
            return (f"{listed(rule.keys)} {verb} `{rule.other}` beside {'it' if verb == 'needs' else 'them'}.",)
    return ()


def _sole(rule: AnyOf) -> str:
    return f"`{rule.when}` needs `{rule.keys[0]}` beside it." if rule.when else f"`{rule.keys[0]}` is needed."
