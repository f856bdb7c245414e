"""
Lint of expectations: what can never match is told before anything is played.
"""

import pytest

from tests.simulator.scenario_texts import problem_of, problems_of, step_problem, with_steps

PLACEHOLDERS = "placeholders are `$regex`, `$type`, `$absent`"


@pytest.mark.parametrize(
    ("match", "column", "problem", "hint"),
    [
        ("soruce: x", 37, "unknown attribute `soruce`", "did you mean `source`?"),
        (
            "eventTypeVersion: '1'",
            37,
            "`eventTypeVersion` is no attribute of an event",
            "did you mean `eventtypeversion`?",
        ),
        (
            "Foo-Bar: x",
            37,
            "`Foo-Bar` is no attribute of an event",
            "CloudEvents names are lower-case letters and digits",
        ),
        ("type: [a]", 43, "`type` must be text or a placeholder, not a list", "quote it"),
        ("type: true", 43, "`type` must be text or a placeholder, not `true`", "quote it"),
        (
            "subject: null",
            46,
            "`subject` must be text or a placeholder, not empty",
            "write `{$absent: true}` for an attribute that is not there",
        ),
        ("subject: {a: b}", 46, "`subject` is text, so it cannot be a mapping", PLACEHOLDERS),
        ("subject: {$regx: b}", 46, "`subject` is text, so it cannot be a mapping", "did you mean `$regex`?"),
        ("time: now", 43, "`now` is no instant", "write date, time and zone: `2018-10-07T12:00:00Z`"),
        (
            "time: '2018-10-07T12:00:00'",
            43,
            "`2018-10-07T12:00:00` is no instant",
            "write date, time and zone: `2018-10-07T12:00:00Z`",
        ),
        ("id: {$type: uid}", 49, "`$type` knows no `uid`", "did you mean `uuid`?"),
        (
            "id: {$regex: '('}",
            50,
            "`$regex` is no regular expression: missing ), unterminated subpattern at position 0",
            "Python's `re` syntax; single quotes keep `\\`",
        ),
        ("id: {$regex: 5}", 50, "`$regex` must be text, not a number", ""),
        ("id: {$absent: false}", 51, "`$absent` must be `true`, not `false`", ""),
        ("data: {a: [{$regx: b}]}", 49, "unknown placeholder `$regx`", "did you mean `$regex`?"),
        ("base64: 5", 45, "`base64` must be text, not a number", ""),
        ("data: x, base64: eA==", 46, "`data` excludes `base64`", "both say what the payload is"),
        ("mode: binry", 43, "`mode` must be one of `structured`, `binary`, `legacy`", ""),
        (
            "message: gw/foo",
            46,
            "`message` must be a mapping, not text",
            "such as `{subject: bus/foo}` of NATS, or `{topic: events, key: bus/foo}` of Kafka",
        ),
        ("message: {topc: a}", 47, "unknown key `topc` in `message`", "did you mean `topic`?"),
        ("message: {topic: [a]}", 54, "`topic` must be text or a placeholder, not a list", "quote it"),
    ],
)
@pytest.mark.parametrize("key", ["each", "none"])
def test_what_no_event_can_be_is_told_where_it_is(key, match, column, problem, hint):
    step = f"- expect: {{watcher: audit, {key}: {{{match}}}}}"
    assert step_problem(step) == (1, column, problem, hint)


@pytest.mark.parametrize(
    "match",
    [
        "myextension: x",
        "partition: 0",
        "subject: {$absent: true}",
        "time: '2018-10-07T12:00:00Z'",
        "time: {$type: time}",
        "data: {$ref: x, a: 1}",
        "data: {$ref: x}",
        "data: [1, {$type: int}, null]",
        "data: null",
        "id: {$regex: '^a+$'}",
    ],
)
def test_what_an_event_can_be_is_taken(match):
    assert problems_of(with_steps(f"- expect: {{watcher: audit, any: {{{match}}}}}")) == ()


@pytest.mark.parametrize(
    ("expect", "column", "problem"),
    [
        ("watcher: audit, inOrder: [{id: x}, {soruce: x}]", 50, "unknown attribute `soruce`"),
        ("watcher: audit, where: {soruce: x}, count: 1", 38, "unknown attribute `soruce`"),
        ("watcher: audit, distinct: [id, iD]", 45, "`iD` is no attribute of an event"),
        ("watcher: audit, count: {min: 3, max: 2}", 37, "`count` asks for at least 3 and at most 2"),
        ("response: {status: '200'}", 33, "`status` must be an HTTP status or a placeholder, not text"),
        ("response: {status: 99}", 33, "`status` must be an HTTP status or a placeholder, not `99`"),
        ("response: {status: {$type: itn}}", 41, "`$type` knows no `itn`"),
        ("response: {headers: {Allow: {a: b}}}", 42, "`Allow` is text, so it cannot be a mapping"),
        ("response: {data: {$regx: x}}", 32, "unknown placeholder `$regx`"),
        ("status: {foo: Running}", 28, "`foo` must be a mapping, not text"),
        ("status: {foo: {phas: Running}}", 29, "unknown key `phas` in `foo`"),
        (
            "status: {foo: {phase: running}}",
            36,
            "`phase` must be one of `Initialized`, `Running`, `Completed`, `Error`",
        ),
        ("status: {foo: {message: 5}}", 38, "`message` must be text or a placeholder, not a number"),
        (
            "status: {foo: {message: {$regex: '['}}}",
            47,
            "`$regex` is no regular expression: unterminated character set at position 0",
        ),
    ],
)
def test_every_part_of_an_expectation_is_looked_at(expect, column, problem):
    found = problem_of(with_steps(f"- expect: {{{expect}}}"))
    assert (found.column, found.problem) == (column, problem)
