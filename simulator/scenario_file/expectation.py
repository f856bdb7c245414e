"""
Expectation: what one `expect` of a scenario file says must have been seen, and of whom.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, Strict, WithJsonSchema

from simulator.scenario_file.key_rules import AnyOf, Excludes, Needs, OneOf
from simulator.scenario_file.shape import Bytes, Duration, Shape, Texts, kind_of, wrong

_EVENT_MATCH_TEXT = "CloudEvents attributes by name, `data` and `base64`; each must match, what is not named is free"
PHASES = ("Initialized", "Running", "Completed", "Error")


ATTRIBUTES = (
    "id",
    "source",
    "specversion",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "eventtypeversion",
    "operation",
)
"""What the reference gateway's events carry; others are extensions."""
EVENT_KEYS = (*ATTRIBUTES, "data", "base64", "mode", "message")
"""What an expectation can say of an event, extensions aside."""


def _event_match(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(
            f"must be a mapping of event attributes, not {kind_of(value)}",
            "name attributes and `data`: `{type: calendar, data: {x: 1}}`",
        )
    return value


EventMatch = Annotated[
    dict[str, Any],
    PlainValidator(_event_match),
    WithJsonSchema({"type": "object", "properties": {name: {} for name in EVENT_KEYS}}),
]
"""Attribute names, `data` and `base64` to what they must be; placeholders stand as they were written."""


class CountRange(Shape):
    """
    How many, both ends included.
    """

    min: int = Field(default=0, ge=0, description="At least so many.")
    max: int | None = Field(default=None, ge=0, description="At most so many; needs a proof that no more will come.")

    key_rules = (AnyOf(("min", "max"), "an end"),)


def _count(value: Any) -> Any:
    if isinstance(value, CountRange):
        return value
    if isinstance(value, dict):
        return CountRange.model_validate(value)
    if type(value) is not int:
        raise wrong(f"must be a whole number or `{{min, max}}`, not {kind_of(value)}")
    if value < 0:
        raise wrong("must not be negative")
    return CountRange(min=value, max=value)


Count = Annotated[CountRange, PlainValidator(_count, json_schema_input_type=Annotated[int, Field(ge=0)] | CountRange)]


class Latency(Shape):
    """
    Bounds of the scenario time between a stimulus and the acceptance of its event.
    """

    min: Duration = Field(default=0.0, description="No event was faster.")
    max: Duration = Field(default=float("inf"), description="No event was slower.", examples=["200ms"])

    key_rules = (AnyOf(("min", "max"), "an end"),)


class ResponseMatch(Shape):
    """
    What a `request` must have been answered.
    """

    may_be_empty = frozenset({"data"})

    of: str | None = Field(
        default=None,
        description="The `as` of the request or publish; the latest request without `as` where it is left out.",
    )
    status: Any = Field(default=None, description="The HTTP status, or a placeholder.", examples=[200, 503])
    headers: dict[str, Any] = Field(default={}, description="Header names, in any case, to what each must be.")
    data: Any = Field(default=None, description="The body as JSON; text matches the body's text.")
    text: str | None = Field(default=None, description="The whole body as text.")
    base64: Bytes | None = Field(default=None, description="The body's exact bytes.")
    latency: Latency | None = Field(default=None, description="Scenario time from request to answer.")

    key_rules = (
        OneOf(("data", "text", "base64"), optional=True),
        AnyOf(("status", "headers", "data", "text", "base64", "latency"), "what the answer must be"),
    )


class Expect(Shape):
    """
    What must have been seen of one subject since the expectation before.
    """

    watcher: str | None = Field(default=None, description="The watcher whose accepted events are looked at.")
    watchers: Texts | None = Field(
        default=None, min_length=2, description="Watchers that are compared with each other."
    )
    same: Texts | None = Field(
        default=None,
        min_length=1,
        description="What must be equal, event by event, at all `watchers`.",
        examples=[["id", "data"]],
    )
    status: dict[str, Any] | None = Field(
        default=None,
        description="Configurations to what their status entry must hold; nothing (null) means that there is no entry.",
        examples=[{"nats.fooConfig": {"phase": "Running"}}],
    )
    response: ResponseMatch | None = Field(
        default=None, description="What a request must have been answered; waits for it."
    )
    offered: int | None = Field(
        default=None,
        ge=0,
        description="How many requests the watcher has seen since its `offered` before, retries and refusals included.",
    )
    gateway: str | None = Field(
        default=None, description="Whose status, or whose watcher; needed where there are several."
    )

    where: EventMatch | None = Field(default=None, description=f"Selects events: {_EVENT_MATCH_TEXT}.")
    count: Count | None = Field(
        default=None, description="How many events are selected: a number, or `{min, max}`.", examples=[3, {"min": 1}]
    )
    each: EventMatch | None = Field(default=None, description=f"Every selected event: {_EVENT_MATCH_TEXT}.")
    any: EventMatch | None = Field(default=None, description=f"At least one selected event: {_EVENT_MATCH_TEXT}.")
    in_order: Annotated[tuple[EventMatch, ...], Strict(False)] | None = Field(
        default=None, min_length=1, description="The selected events, one to one and in this order."
    )
    gaps: Literal["allow"] | None = Field(default=None, description="`inOrder` may skip events in between.")
    distinct: Texts | None = Field(
        default=None,
        min_length=1,
        description="No two selected events are equal in these attributes.",
        examples=[["id"]],
    )
    latency: Latency | None = Field(
        default=None, description="Scenario time from stimulus to acceptance.", examples=[{"max": "200ms"}]
    )
    none: EventMatch | None = Field(
        default=None, description=f"No event like this came, and none will (a proof is made): {_EVENT_MATCH_TEXT}."
    )
    within: Duration | None = Field(
        default=None,
        description="So much scenario time may pass until it holds; none where left out.",
        examples=["30s"],
    )
    since: Literal["start"] | None = Field(default=None, description="Look at all events, also those covered before.")

    key_rules = (
        OneOf(("watcher", "watchers", "status", "response"), what="a subject"),
        AnyOf(
            ("count", "each", "any", "inOrder", "distinct", "latency", "none", "offered"),
            "what must have been seen",
            when="watcher",
        ),
        AnyOf(("same",), "what is compared", when="watchers"),
        Needs(("same",), "watchers"),
        Needs(("offered", "count", "each", "any", "inOrder", "distinct", "latency", "none"), "watcher"),
        Needs(("gaps",), "inOrder"),
        Excludes(
            "none",
            ("count", "each", "any", "inOrder", "distinct", "latency", "where"),
            "`none` says it all; what did come belongs into an `expect` of its own",
        ),
        Excludes(
            "offered",
            ("count", "each", "any", "inOrder", "distinct", "latency", "none", "where", "since"),
            "`offered` counts requests, not events; write a second `expect`",
        ),
        Excludes("status", ("where", "since")),
        Excludes("response", ("where", "since")),
    )
