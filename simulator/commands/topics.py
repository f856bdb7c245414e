"""
Topics: what `gatesim explain` can tell, each made from the models and catalogues that also check a scenario file.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from simulator.commands.examples import EXPECT_EXAMPLES, HEAD_EXAMPLES, STEP_EXAMPLES, example_of
from simulator.judging.matchers import PLACEHOLDERS, TYPES
from simulator.requirements import Requirement, catalogue, known_ids
from simulator.scenario_file.key_words import default_words, rule_words, type_words
from simulator.scenario_file.scenario import Advance, Expect, Head, Parallel, Repeat, ServiceSetup
from simulator.scenario_file.shape import Shape
from simulator.scenario_file.step import SERVICE_STEPS
from simulator.scenario_file.step_loader import KINDS, SHAPE_OF
from simulator.scenario_file.wording import keys_of, shape_of
from simulator.scenario_file.yaml_source import close_to
from simulator.services.shapes import SHAPES
from simulator.verdict import EXIT_CODES, FAILURE_CLASSES, OTHER_CLASSES, VERDICTS, Verdict


class Entry(NamedTuple):
    """
    One line of a topic's table.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Topic:
    """
    One thing explained.
    """

    name: str
    """As it is asked for: `expect.count`."""
    text: str
    type: str = ""
    """What a value may be, in words; empty for what is no key."""
    required: bool = False
    default: str = ""
    entries: tuple[Entry, ...] = ()
    entries_title: str = ""
    rules: tuple[str, ...] = ()
    """Which keys go together."""
    example: str = ""
    see: tuple[str, ...] = ()


_INDEX = re.compile(r"\[\d*\]")
_PLACEHOLDER_TEXTS = {
    "$regex": "the whole text matches this regular expression",
    "$type": f"the value is of this type: {', '.join(TYPES)}",
    "$absent": "there is no such attribute, key or answer",
}
_ROUND_KEYS = (
    Entry("times", "How many rounds."),
    Entry("steps", "The steps of one round; `${{ i }}` in them is its number, counted from 0."),
)


def find_topic(name: str) -> Topic | None:
    """
    The topic called *name*; None where there is none. Indices are passed over: `steps[2].publish` is `steps.publish`.
    """
    wanted = _INDEX.sub("", name.strip()).strip(".")
    made = _table(wanted) or _key(wanted.split(".")) or _of_catalogue(wanted)
    if made is not None and made.type and wanted in FAILURE_CLASSES:
        return replace(made, see=(*made.see, f"reasons.{wanted}"))
    return made


def closest_topic(name: str) -> str:
    """
    The topic that *name* is most likely a slip of; empty for none.
    """
    wanted = _INDEX.sub("", name.strip()).strip(".").removeprefix("steps.")
    if not wanted:
        return ""
    longer = (known for known in topic_names() if known.startswith(wanted))
    return min(longer, key=len, default="") or close_to(wanted, list(topic_names()))


def topic_names() -> Iterator[str]:
    """
    Every topic that can be asked for by a name of its own, keys inside keys included.
    """
    yield from _TABLES
    yield from (f"services.{name}" for name in SHAPES)
    yield from PLACEHOLDERS
    for key in keys_of(Head):
        yield from _names_below(key, shape_of(Head, key))
    for kind in KINDS:
        yield from _names_below(kind, SHAPE_OF.get(kind))
    yield from (f"repeat.{entry.name}" for entry in _ROUND_KEYS)
    for shape in SHAPES.values():
        for verb in SERVICE_STEPS:
            own = shape.takes(verb)
            yield from (f"{verb}.{key}" for key in (keys_of(own) if own is not None else ()))
        yield from (f"services.{shape.type}.{key}" for key in keys_of(shape.setup))
    yield from (verdict.value for verdict in Verdict)
    yield from (*FAILURE_CLASSES, *OTHER_CLASSES)
    yield from sorted(known_ids())


def _names_below(name: str, model: type[Shape] | None) -> Iterator[str]:
    yield name
    for key in keys_of(model) if model is not None else ():
        yield from _names_below(f"{name}.{key}", shape_of(model, key) if model is not None else None)


def _table(name: str) -> Topic | None:
    """
    A topic that is a list of others.
    """
    make = _TABLES.get(name) if name else _overview
    return make() if make is not None else None


def _overview() -> Topic:
    return Topic(
        "scenario",
        f"{_doc(Head)} One mapping, one scenario; with a `matrix` one for each of its cells.",
        entries=_entries(Head),
        entries_title="Keys",
        rules=rule_words(Head.key_rules),
        example=HEAD_EXAMPLES["scenario"],
        see=tuple(_TABLES),
    )


def _steps() -> Topic:
    entries = tuple(Entry(kind, _doc(_step_class(kind))) for kind in KINDS)
    text = "What happens, in order. Every step is a mapping with one key."
    return Topic("steps", text, "a list of steps", True, "", entries, "Kinds of steps", example=STEP_EXAMPLES["steps"])


def _services() -> Topic:
    entries = tuple(Entry(name, _service_text(name)) for name in SHAPES)
    made = _of_field(Head, "services", "services")
    return replace(made, entries=(*entries, *_entries(ServiceSetup)), entries_title="Types, and keys of each service")


def _service_text(name: str) -> str:
    shape = SHAPES[name]
    return f"{_doc(shape.setup)} More: `services.{name}`." if shape.runs else "Nothing is started for it."


def _exit_codes() -> Topic:
    entries = tuple(Entry(str(code), text) for code, text in EXIT_CODES.items())
    text = "What the exit code says, the same through `gatesim run` and through pytest. The first that applies wins: "
    text += "2, 3, 4, 1, 12, 11, 10."
    return Topic("exit-codes", text, entries=entries, entries_title="Codes", example="gatesim run scenarios/; echo $?")


def _verdicts() -> Topic:
    entries = tuple(Entry(verdict.value, text) for verdict, text in VERDICTS.items())
    return Topic("verdicts", "What playing a scenario showed.", entries=entries, entries_title="Verdicts")


def _reasons() -> Topic:
    failures = tuple(Entry(name, text) for name, text in FAILURE_CLASSES.items())
    others = tuple(Entry(name, text) for name, text in OTHER_CLASSES.items())
    text = "Why a scenario did not pass: the class of its reason, a closed list. First those of failures, then others."
    return Topic("reasons", text, entries=(*failures, *others), entries_title="Classes")


def _requirements() -> Topic:
    entries = tuple(Entry(each.id, f"{each.level}. {each.sentence}") for each in catalogue().values())
    return Topic("requirements", "What a gateway can be held to.", entries=entries, entries_title="Requirements")


def _placeholders() -> Topic:
    entries = tuple(Entry(name, f"{text}.") for name, text in _PLACEHOLDER_TEXTS.items())
    text = "What stands in an expectation for a value that is not known beforehand, as a mapping with one key."
    example = '- expect: {watcher: audit, each: {id: {$type: uuid}, data: {$regex: "order-[0-9]+"}}}'
    return Topic("placeholders", text, entries=entries, entries_title="Placeholders", example=example)


_TABLES = {
    "steps": _steps,
    "services": _services,
    "placeholders": _placeholders,
    "verdicts": _verdicts,
    "reasons": _reasons,
    "exit-codes": _exit_codes,
    "requirements": _requirements,
}


def _key(parts: list[str]) -> Topic | None:
    """
    A key of a scenario file, named from the head or from a kind of step.
    """
    first, *rest = parts[1:] if parts[0] == "steps" and len(parts) > 1 else parts
    if first in KINDS:
        return _step(first, rest)
    if first == "services" and rest:
        return _service(rest)
    if parts[0] != "steps" and first in keys_of(Head):
        return _below(Head, [first, *rest], "")
    return None


def _step(kind: str, rest: list[str]) -> Topic | None:
    model = SHAPE_OF.get(kind)
    if not rest:
        return _whole_step(kind, model)
    if kind == "repeat" and len(rest) == 1:
        found = next((entry for entry in _ROUND_KEYS if entry.name == rest[0]), None)
        kind_of_value = "a whole number" if rest[0] == "times" else "a list of steps"
        return found and Topic(f"repeat.{rest[0]}", found.text, kind_of_value, True, example=STEP_EXAMPLES["repeat"])
    if model is None:
        return None
    if kind in SERVICE_STEPS and rest[0] not in keys_of(model):
        own = next((model for _, model in _takers(kind) if rest[0] in keys_of(model)), None)
        return _below(own, rest, kind) if own is not None else None
    return _below(model, rest, kind)


def _takers(verb: str) -> Iterator[tuple[str, type[Shape]]]:
    """
    The types of service that take a step of that kind, each with its own keys of it.
    """
    for name, shape in SHAPES.items():
        if (model := shape.takes(verb)) is not None:
            yield name, model


def _step_class(kind: str) -> type:
    return SHAPE_OF.get(kind) or {"advance": Advance, "repeat": Repeat, "parallel": Parallel}[kind]


def _whole_step(kind: str, model: type[Shape] | None) -> Topic:
    made = Topic(f"steps.{kind}", _doc(_step_class(kind)), example=STEP_EXAMPLES[kind])
    if model is None:
        types = {"advance": "a duration", "repeat": "a mapping", "parallel": "a list of lists of steps"}
        entries = _ROUND_KEYS if kind == "repeat" else ()
        return replace(made, type=types[kind], entries=entries, entries_title="Keys" if entries else "")
    own = tuple(
        entry._replace(text=f"{entry.text} ({name})")
        for name, own_keys in _takers(kind)
        for entry in _entries(own_keys)
    )
    rules = rule_words(model.key_rules)
    return replace(made, type="a mapping", entries=(*own, *_entries(model)), entries_title="Keys", rules=rules)


def _service(rest: list[str]) -> Topic | None:
    name, *keys = rest
    shape = SHAPES.get(name)
    if shape is None:
        return _below(ServiceSetup, rest, "services") if name in keys_of(ServiceSetup) else None
    if keys:
        model = shape.setup if keys[0] in keys_of(shape.setup) else ServiceSetup
        return _below(model, keys, f"services.{name}")
    text = _doc(shape.setup) if shape.runs else _service_text(name)
    if shape.addresses:
        text += f" Without `as` it stands for every address that texts of type {name} name, such as"
        text += f" {', '.join(shape.addresses)}."
    if shape.faults:
        text += f" Its faults: {', '.join(sorted(shape.faults))}."
    example = f"services:\n  {name}: {{}}"
    entries = (*_entries(shape.setup), *_entries(ServiceSetup))
    return Topic(f"services.{name}", text, "a mapping", False, "", entries, "Keys", example=example)


def _below(model: type[Shape], path: list[str], around: str) -> Topic | None:
    """
    The topic at *path* in *model*, which is itself reached by the name *around*.
    """
    for name in path[:-1]:
        inner = shape_of(model, name) if name in keys_of(model) else None
        if inner is None:
            return None
        model = inner
    if path[-1] not in keys_of(model):
        return None
    return _of_field(model, path[-1], ".".join(filter(None, (around, *path))))


def _of_field(model: type[Shape], key: str, name: str) -> Topic:
    inner = shape_of(model, key)
    return Topic(
        name,
        str(_field(model, key).description),
        type_words(model, key),
        _field(model, key).is_required(),
        default_words(_field(model, key)),
        _entries(inner) if inner is not None else (),
        "Keys" if inner is not None else "",
        rule_words(model.key_rules, key=key) + (rule_words(inner.key_rules) if inner is not None else ()),
        _EXAMPLES.get(model, {}).get(key) or example_of(model, key),
    )


_EXAMPLES: Mapping[type[Shape], Mapping[str, str]] = {Head: HEAD_EXAMPLES, Expect: EXPECT_EXAMPLES}


def _field(model: type[Shape], key: str) -> Any:
    return next(field for name, field in model.model_fields.items() if key == (field.alias or name))


def _entries(model: type[Shape]) -> tuple[Entry, ...]:
    return tuple(Entry(key, str(_field(model, key).description)) for key in keys_of(model))


def _doc(owner: type) -> str:
    return " ".join(inspect.cleandoc(owner.__doc__ or "").partition("\n\n")[0].split())


def _of_catalogue(name: str) -> Topic | None:
    """
    A verdict, a reason, an exit code, a placeholder or a requirement.
    """
    table, dot, bare = name.rpartition(".")
    bare = bare if dot and table in _TABLES else name
    if dot and table not in _TABLES:
        return None
    by_id = {each.upper(): each for each in known_ids()}
    if bare.upper() in by_id:
        return _requirement(catalogue()[by_id[bare.upper()]])
    texts: Mapping[str, str] = {
        **{verdict.value: text for verdict, text in VERDICTS.items()},
        **{str(code): text for code, text in EXIT_CODES.items()},
        **_PLACEHOLDER_TEXTS,
    }
    if bare in texts:
        return Topic(bare, _sentence(texts[bare]), example=_CATALOGUE_EXAMPLES.get(bare, ""))
    reasons = [table[bare] for table in (FAILURE_CLASSES, OTHER_CLASSES) if bare in table]
    if reasons:
        return Topic(bare, " ".join(map(_sentence, reasons)), see=("reasons",))
    return None


_CATALOGUE_EXAMPLES = {
    "$regex": 'each: {subject: {$regex: "orders[.].+"}}',
    "$type": "each: {id: {$type: uuid}}",
    "$absent": "each: {subject: {$absent: true}}",
}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _requirement(requirement: Requirement) -> Topic:
    text = f"{requirement.sentence}\n\n{requirement.level}, profile {requirement.profile}."
    if requirement.replaced_by:
        text += f" Replaced by {', '.join(requirement.replaced_by)}."
    elif not requirement.holds:
        text += " It does not bind the reference gateway."
    if requirement.source:
        text += f" Source: {requirement.source}."
    return Topic(requirement.id, text, example=f"requirements: [{requirement.id}]", see=requirement.replaced_by)
