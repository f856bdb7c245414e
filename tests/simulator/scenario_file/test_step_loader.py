"""
Step loader: kinds of steps, what a repeat does with its round, and who a publish is meant for.
"""
# ruff: noqa: E501 - a table reads better with a row a line

import pytest

from simulator.errors import ScenarioError
from tests.simulator.scenario_texts import HEAD, loaded, problems_of, step_problem, steps_of, with_steps

TWO = HEAD + 'services:\n  a: {type: nats, as: ["nats.argo-events:4222"]}\n  b: {type: nats, as: ["b:4222"]}\n'


@pytest.mark.parametrize(
    ("step", "column", "problem", "hint"),
    [
        ("- expct: {}", 5, "unknown step `expct`", "did you mean `expect`?"),
        ("- advanse: 5s", 5, "unknown step `advanse`", "did you mean `advance`?"),
        ("- hello", 5, "a step must be a mapping with one key, not text", "such as `- advance: 30s`"),
        ("- [advance, 1s]", 5, "a step must be a mapping with one key, not a list", "such as `- advance: 30s`"),
        ("- {}", 5, "a step must have one key", "such as `- advance: 30s`"),
        ("- publish:\n  subject: foo", 5, "a step has one key; `subject` stands beside `publish`",
         "indent it further, so that it belongs to `publish`"),
        ("- advance: 1s\n  heal: {service: nats}", 5, "a step has one key, this one has 2", "begin each step with `- `"),
        ("- repeat: 3", 13, "`repeat` must be a mapping, not a number", "such as `repeat: {times: 3, steps: [...]}`"),
        ("- repeat: {times: 3}", 5, "`repeat` lacks `steps`", "such as `repeat: {times: 3, steps: [...]}`"),
        ("- repeat: {steps: []}", 5, "`repeat` lacks `times`", "such as `repeat: {times: 3, steps: [...]}`"),
        ("- repeat: {times: 0, steps: []}", 21, "`times` must be a whole number from 1 to 10,000,000, not `0`", ""),
        ("- repeat: {times: x, steps: []}", 21, "`times` must be a whole number from 1 to 10,000,000, not text", ""),
        ("- repeat: {time: 3, times: 2, steps: []}", 14, "unknown key `time` in `repeat`", "did you mean `times`?"),
        ("- repeat: {times: 2, steps: {a: 1}}", 31, "`steps` must be a list, not a mapping", "such as `- advance: 30s`"),
        ("- repeat: {times: 2, steps: [{advance: 5}]}", 42, "`advance` must be a duration, not a number",
         "a duration carries its unit: `5s`"),
        ("- parallel: {}", 15, "`parallel` must be a list, not a mapping", "such as `[[...], [...]]`"),
        ("- parallel: []", 15, "`parallel` must not be empty", "such as `[[...], [...]]`"),
        ("- parallel: [{advance: 1s}]", 16, "`parallel[0]` must be a list, not a mapping", "such as `- advance: 30s`"),
        ("- parallel: [[{advance: 1}]]", 27, "`advance` must be a duration, not a number",
         "a duration carries its unit: `1s`"),
    ],
)  # fmt: skip
def test_a_step_of_the_wrong_form_is_told_so_where_it_is(step, column, problem, hint):
    line, found_column, found, found_hint = step_problem(step)
    assert (found, found_hint, found_column) == (problem, hint, column)
    assert line == (2 if "\n" in step else 1)


def test_the_round_stands_in_steps_with_its_type_and_in_text():
    (repeat,) = steps_of(
        '- repeat:\n    times: 3\n    steps:\n      - publish: {subject: "a.${{ i }}", data: {n: "${{ i }}"}}'
    )
    step = repeat.body.round(2)[0]
    assert (step.body.coordinates, step.body.payload, step.line) == ({"subject": "a.2"}, b'{"n":2}', 15)


def test_a_round_makes_anew_only_the_steps_that_name_it():
    (repeat,) = steps_of('- repeat: {times: 2, steps: [{advance: 1s}, {publish: {subject: "s${{ i }}", text: x}}]}')
    first, second = repeat.body.round(0), repeat.body.round(1)
    assert first[0] is second[0]
    assert first[1] is not second[1]


def test_an_inner_repeat_has_a_round_of_its_own():
    (outer,) = steps_of(
        '- repeat: {times: 2, steps: [{repeat: {times: 3, steps: [{publish: {subject: "s${{ i }}", text: x}}]}}]}'
    )
    inner = outer.body.round(1)[0].body
    assert [inner.round(i)[0].body.coordinates["subject"] for i in range(3)] == ["s0", "s1", "s2"]


def test_an_inner_repeat_may_be_as_long_as_the_outer_round():
    problems = problems_of(
        with_steps('- repeat: {times: 2, steps: [{repeat: {times: "${{ i }}", steps: [{advance: 1s}]}}]}')
    )
    assert "not `0`" in problems[0].problem


def test_parallel_branches_know_the_round():
    (repeat,) = steps_of(
        '- repeat: {times: 2, steps: [{parallel: [[{publish: {subject: "s${{ i }}", text: x}}], [{advance: 1s}]]}]}'
    )
    (step,) = repeat.body.round(1)
    assert step.body.branches[0][0].body.coordinates == {"subject": "s1"}
    assert step.body.branches[1] == repeat.body.round(0)[0].body.branches[1]


def test_what_only_the_last_round_breaks_is_known_at_once():
    step = '- repeat: {times: 70000, steps: [{request: {path: /, port: "${{ i }}1"}}]}'
    assert [p.problem for p in problems_of(with_steps(step))] == ["`port` must be a port number, not text"]


def test_what_a_round_in_between_breaks_is_a_scenario_error_in_play():
    (repeat,) = steps_of('- repeat: {times: 20, steps: [{watcher: {name: audit, slow: "${{ i }}s"}}]}')
    step = repeat.body.steps[0]
    assert step.render(7).body.slow == 7.0
    with pytest.raises(ScenarioError):
        step.render(10**14)


def test_the_round_outside_of_a_repeat_is_reported_once_and_nothing_follows_from_it():
    line, column, problem, _ = step_problem('- publish: {subject: "s ${{ i }}", text: x}')
    assert (line, column, problem) == (1, 27, "nothing is called `i`")


def test_a_publish_without_to_goes_to_the_only_service():
    (step,) = steps_of("- publish: {subject: foo, text: x}")
    assert step.body.to == "nats"


@pytest.mark.parametrize(
    ("step", "problem", "hint"),
    [
        (
            "- publish: {subject: foo, text: x}",
            "`publish` lacks `to`: several services fit",
            "there are `to: a`, `to: b`",
        ),
        (
            "- publish: {subjct: foo, text: x}",
            "`publish` lacks `to`: no service takes these keys",
            "there are `to: a`, `to: b`",
        ),
        ("- publish: {to: c, subject: foo, text: x}", "no service is called `c`", "there are `a`, `b`"),
    ],
)
def test_where_several_services_fit_a_publish_must_say_which(step, problem, hint):
    assert step_problem(step, TWO)[2:] == (problem, hint)


def test_a_publish_says_which_service_it_means():
    (step,) = loaded(with_steps("- publish: {to: b, subject: foo, text: x}", TWO)).steps
    assert step.body.to == "b"


def test_nothing_can_be_published_where_no_service_takes_it():
    head = HEAD.replace("type: nats", "type: webhook")
    assert step_problem("- publish: {subject: foo, text: x}", head)[2] == "there is no service to publish to"
    step = "- publish: {to: webhook, subject: foo, text: x}"
    assert step_problem(step, f"{head}services: {{webhook: {{}}}}\n")[2] == "nothing can be published to `webhook`"


def test_steps_are_checked_though_the_head_is_wrong():
    found = [
        problem.line
        for problem in problems_of(with_steps("- advance: 5\n- publish: {subject: x, text: y}", f"{HEAD}tags: x\n"))
    ]
    assert found == [11, 13]


STORES = TWO.replace("services:\n", "services:\n  c: {type: s3}\n")


def test_a_step_goes_to_the_only_service_that_takes_its_kind():
    put, remove = loaded(
        with_steps(
            "- put: {bucket: b, key: k, text: x, headers: {Content-Type: text/plain}}\n- remove: {bucket: b, key: k}",
            STORES,
        )
    ).steps
    assert (put.body.to, put.body.verb, put.body.coordinates) == ("c", "put", {"bucket": "b", "key": "k"})
    assert (put.body.payload, dict(put.body.fields), put.body.times) == (b"x", {"Content-Type": "text/plain"}, 1)
    assert (remove.body.to, remove.body.verb, remove.body.payload) == ("c", "remove", b"")


@pytest.mark.parametrize(
    ("head", "step", "problem", "hint"),
    [
        (TWO, "- put: {bucket: b, key: k, text: x}", "no service takes `put`", "name one that does under `services`"),
        (STORES, "- put: {to: a, bucket: b, key: k, text: x}", "`a` takes no `put`", "it takes `publish`"),
        (STORES, "- publish: {to: c, subject: s, text: x}", "nothing can be published to `c`", "send a `request` to a gateway"),
        (STORES, "- put: {bucket: b, key: k}", "`put` lacks a payload", "write one of `data`, `text` and `base64`"),
        (STORES, "- put: {bucket: b, text: x}", "`put` lacks `key`", "such as `key: 7.json`"),
        (STORES, "- remove: {bucket: b, key: k, text: x}", "unknown key `text` in `remove`", "there are `bucket`, `key`, `as`, `mayFail`, `to`"),
        (STORES, "- remove: {bukcet: b, key: k}", "unknown key `bukcet` in `remove`", "did you mean `bucket`?"),
    ],
)  # fmt: skip
def test_a_step_that_no_service_can_take_is_told_so(head, step, problem, hint):
    found = [(each.problem, each.hint) for each in problems_of(with_steps(step, head))]
    assert (problem, hint) in found, found
