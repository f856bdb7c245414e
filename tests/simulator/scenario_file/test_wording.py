"""
Wording: what a shape's errors are told as, each with the line and the column of what must change.
"""
# ruff: noqa: E501 - a table reads better with a row a line

import pytest

from tests.simulator.scenario_texts import HEAD, problem_of, problems_of, step_problem, with_steps


def head_problem(key: str, written: str) -> tuple[int, int, str, str]:
    problem = problem_of(with_steps("- advance: 1s", f"{HEAD}{key}: {written}\n"))
    return problem.line, problem.column, problem.problem, problem.hint


@pytest.mark.parametrize(
    ("key", "written", "column", "problem", "hint"),
    [
        ("tags", "slow", 7, "`tags` must be a list, not text", "write `[slow]`"),
        ("tags", "[a, 3]", 11, "`tags[1]` must be text, not a number", 'quote it: `"3"`'),
        ("tags", "", 1, "`tags` must be a list, not empty", ""),
        ("description", "1.50", 14, "`description` must be text, not a number", 'quote it: `"1.50"`'),
        ("issue", "[a]", 8, "`issue` must be text, not a list", "write it as a block of text: `issue: |-`, the lines below it indented"),
        ("clock", "reel", 8, "`clock`: `reel` is no clock", 'write `real` or `{virtual: "2018-10-07T12:00:00Z"}`'),
        ("clock", "5", 8, "`clock` must be a clock, not a number", 'write `real` or `{virtual: "2018-10-07T12:00:00Z"}`'),
        ("clock", "{virtual: now}", 18, "`virtual`: `now` is no instant", "write date, time and zone: `2018-10-07T12:00:00Z`"),
        ("guarantee", "at-least", 12, "`mode` must be one of `at-least-once`, `at-most-once`, not `at-least`", "did you mean `at-least-once`?"),
        ("allow", "{not-received: -1}", 23, "`not-received` must be at least 0", ""),
        ("unexpected", "no", 13, "`unexpected` must be one of `fail`, `allow`, not `no`", ""),
        ("requires", "{}", 1, "`requires` lacks a requirement", "write one of `provider` and `platform`"),
        ("services", "{nats: {as: x}}", 23, "`as` must be a list, not text", "write `[x]`"),
        ("services", "{nats: {stopped: yes}}", 28, "`stopped` must be `true` or `false`, not text", "write `true`"),
        ("isolation", "mine", 12, "`isolation` must be one of `shared`, `own`, not `mine`", ""),
        ("scenaro", "x", 1, "unknown key `scenaro`", "did you mean `scenario`?"),
        ("issue", "", 1, "`issue` must not be empty", "give it a value, or leave the key out"),
    ],
)  # fmt: skip
def test_a_head_that_is_wrong_is_told_so_where_it_is(key, written, column, problem, hint):
    found = head_problem(key, written)
    assert found[2:] == (problem, hint)
    assert found[:2] == (HEAD.count("\n") + 1, column) or not written


@pytest.mark.parametrize(
    ("step", "column", "problem", "hint"),
    [
        ("- publish: {subjct: foo, text: x, subject: foo}", 15, "unknown key `subjct` in `publish`", "did you mean `subject`?"),
        ("- publish: {subject: foo, text: x, cuont: 1}", 38, "unknown key `cuont` in `publish`", "did you mean `count`?"),
        ("- publish: {subject: foo, text: x, count:1}", 38, "unknown key `count:1` in `publish`", "a space follows a key's colon: `count: 1`"),
        ("- publish: {subject: foo, text: x, count: two}", 45, "`count` must be a whole number, not text", ""),
        ("- publish: {subject: foo, text: x, count: true}", 45, "`count` must be a whole number, not `true`", ""),
        ("- publish: {subject: foo, text: x, count: 1.5}", 45, "`count` must be a whole number, not a number", ""),
        ("- publish: {subject: foo, text: x, count: 0}", 45, "`count` must be at least 1", ""),
        ("- publish: {subject: foo, text: x, count: 1000001}", 45, "`count` must be at most 1000000", ""),
        ("- publish: {subject: foo, text: x, headers: {a: 1}}", 51, "`a` must be text, not a number", 'quote it: `"1"`'),
        ("- publish: {subject: foo, text: 5}", 35, "`text` must be text, not a number", 'quote it: `"5"`'),
        ("- publish: {subject: foo, base64: '?'}", 37, "`base64` is not base64: Only base64 data is allowed", "use the standard alphabet with padding: `aGVsbG8=`"),
        ("- publish: {subject: foo, data: [.nan]}", 35, "`data` has no JSON form: JSON knows no `.nan` and no `.inf`", "write the number as text"),
        ("- publish: {subject: foo}", 5, "`publish` lacks a payload", "write one of `data`, `text` and `base64`"),
        ("- publish: {subject: foo, data: 1, text: x}", 38, "`publish` has both `data` and `text`", "write one of `data`, `text` and `base64`"),
        ("- publish: {text: x}", 5, "`publish` lacks `subject`", "such as `subject: foo`"),
        ("- publish: {subject: 'a b', text: x}", 24, "`subject` cannot be `a b`", "such as `subject: foo`"),
        ("- publish: {subject: foo, text: x, as: }", 38, "`as` must not be empty", "give it a value, or leave the key out"),
        ("- publish: hello", 14, "`publish` must be a mapping, not text", ""),
        ("- publish:", 5, "`publish` must be a mapping, not empty", ""),
        ("- request: {path: foo}", 21, "`path` cannot be `foo`", "such as `path: /foo`"),
        ("- request: {}", 5, "`request` lacks `path`", "such as `path: /foo`"),
        ("- request: {path: /a, port: http}", 31, "`port` must be a port number, not text", "write a number from 1 to 65535"),
        ("- request: {path: /a, port: 0}", 31, "`port`: 0 is no port", "write a number from 1 to 65535"),
        ("- configMap: {}", 5, "`configMap` lacks a change", "write one of `set`, `remove` and `replace`"),
        ("- configMap: {set: {}}", 22, "`set` must not be empty", ""),
        ("- configMap: {set: {a: {interval: 1s}}}", 26, "`a` must be text, not a mapping", "write it as a block of text: `a: |-`, the lines below it indented"),
        ("- configMap: {replace: {}, remove: [a]}", 30, "`configMap`: `replace` excludes `remove`", "`replace` names the whole new data"),
        ("- advance: 30", 14, "`advance` must be a duration, not a number", "a duration carries its unit: `30s`"),
        ("- advance: soon", 14, "`advance`: `soon` is no duration", "write `250ms`, `30s`, `1m30s`, `2h` or `1d`"),
        ("- advance: -1s", 14, "`advance`: `-1s` is no duration", "a duration is never negative"),
        ("- advance:", 5, "`advance` must be a duration, not empty", "a duration carries its unit, such as `30s`"),
        ("- fault: {service: nats}", 5, "`fault` lacks a fault", "write one of `disconnect`, `refuse`, `blackhole`, `latency`, `rate`, `reset`, `pause`, `kill`, `partition`, `dropAck`, `redeliver`, `leaderChange`, `expireWatch` and `reply`"),
        ("- fault: {service: nats, kill: false}", 34, "`kill` must be `true`, not `false`", "leave the key out where it does not apply"),
        ("- fault: {service: nats, rate: 5}", 34, "`rate` must be a rate, not a number", "write `512B/s`, `64KiB/s` or `1MiB/s`"),
        ("- restart: {}", 5, "`restart` lacks what is restarted", "write one of `gateway` and `service`"),
        ("- watcher: {name: audit, do: hol}", 32, "`do` must be one of `hold`, `release`, not `hol`", "did you mean `hold`?"),
        ("- watcher: {name: audit, do: hold, hang: true}", 38, "`watcher` has both `do` and `hang`", "write one of `do`, `refuse`, `acceptThenReset`, `slow`, `hang`, `down` and `accept`"),
        ("- watcher: {name: audit, refuse: {status: 99}}", 45, "`status` must be at least 100", ""),
        ("- watcher: {name: audit, hang: true, body: x}", 28, "`watcher`: `body` excludes `hang`", ""),
        ("- expect: {watcher: audit}", 14, "`expect` lacks what must have been seen", "write one of `count`, `each`, `any`, `inOrder`, `distinct`, `latency`, `none` and `offered`"),
        ("- expect: {watcher: audit, count: many}", 37, "`count` must be a whole number or `{min, max}`, not text", ""),
        ("- expect: {watcher: audit, count: -1}", 37, "`count` must not be negative", ""),
        ("- expect: {watcher: audit, count: {}}", 30, "`count` lacks an end", "write one of `min` and `max`"),
        ("- expect: {watcher: audit, count: {mn: 1, max: 2}}", 38, "unknown key `mn` in `count`", "did you mean `min`?"),
        ("- expect: {watcher: audit, none: {}, count: 1}", 40, "`expect`: `none` excludes `count`", "`none` says it all; what did come belongs into an `expect` of its own"),
        ("- expect: {watcher: audit, each: [1]}", 36, "`each` must be a mapping of event attributes, not a list", "name attributes and `data`: `{type: calendar, data: {x: 1}}`"),
        ("- expect: {watcher: audit, inOrder: [{}, 1]}", 44, "`inOrder[1]` must be a mapping of event attributes, not a number", "name attributes and `data`: `{type: calendar, data: {x: 1}}`"),
        ("- expect: {watcher: audit, count: 1, gaps: allow}", 40, "`expect`: `gaps` needs `inOrder` beside it", ""),
        ("- expect: {watcher: audit, each: }", 30, "`each` must not be empty", "give it a value, or leave the key out"),
        ("- expect: {watchers: [audit, audit]}", 14, "`expect` lacks what is compared", "write one of `same`"),
        ("- expect: {response: {}}", 14, "`response` lacks what the answer must be", "write one of `status`, `headers`, `data`, `text`, `base64` and `latency`"),
    ],
)  # fmt: skip
def test_a_step_that_is_wrong_is_told_so_where_it_is(step, column, problem, hint):
    line, found_column, found, found_hint = step_problem(step)
    assert (found, found_hint) == (problem, hint)
    assert (line, found_column) == (1, column)


def test_a_list_that_is_too_short_is_not_reported_beside_its_broken_entries():
    (problem,) = problems_of(with_steps("- expect: {watchers: [1, audit], same: [id]}"))
    assert problem.problem == "`watchers[0]` must be text, not a number"


def test_a_list_of_two_must_have_two():
    assert step_problem("- expect: {watchers: [audit], same: [id]}")[2] == "`watchers` must have at least 2 entries"


def test_problems_deep_in_lists_have_their_path():
    problem = problem_of(with_steps("- expect: {watcher: audit, latency: {max: 5}}"))
    assert problem.key_path == "steps[0].expect.latency.max"


def test_all_problems_of_a_file_come_at_once_and_in_order():
    text = with_steps(
        "- advance: 1\n- publish: {subjct: foo}\n- hello\n- expect: {watcher: audit, count: x}", f"tags: a\n{HEAD}"
    )
    assert [problem.line for problem in problems_of(text)] == [1, 13, 14, 15, 16]
