"""
Secrets: which texts a scenario keeps out of every output, its own errors included.
"""

from simulator.errors import ScenarioError
from simulator.scenario_file.loader import load_text
from tests.simulator.scenario_texts import HEAD, loaded, problem_of, problems_of, with_steps

SECRET = HEAD.replace("subject: foo}", "subject: foo}\n      auth: {username: ann, password: hunter22}")


def secrets(names: str, extra: str = "") -> frozenset[str]:
    return loaded(with_steps("- advance: 1s", f"{SECRET}secrets: [{names}]\n{extra}")).secret_texts


def test_a_secret_is_what_stands_under_its_key_in_configuration_texts():
    assert secrets("password") == {"hunter22"}


def test_a_secret_is_what_stands_under_its_key_in_the_file():
    assert secrets("users", 'services: {nats: {users: {ann: open-sesame, bob: "12345"}}}\n') == {"open-sesame", "12345"}


def test_a_secret_too_short_to_hide_is_left_alone():
    assert secrets("username", "description: x\n") == {"ann"}
    assert secrets("name") == {"audit"}, "`g`, the gateway's, would mask every word"


def test_a_password_in_a_url_is_masked_in_the_shown_line_and_the_caret_stays():
    head = HEAD.replace("nats://nats.argo-events", "nats://ann:hunter22@nowhere") + 'services: {nats: {as: ["b:1"]}}\n'
    problem = problem_of(with_steps("- advance: 1s", head))
    assert "hunter22" not in str(problem)
    assert problem.source_line[problem.column - 1 : problem.end_column - 1] == "nowhere"


def test_a_named_secret_is_masked_in_its_own_line_and_in_the_problem():
    text = with_steps("- advance: 1s", f"{HEAD}secrets: [token]\nrequires: {{token: hunter22, provider: hunter22}}\n")
    shown = "\n".join(map(str, problems_of(text)))
    assert shown
    assert "hunter22" not in shown


def test_a_syntax_error_shows_no_password_of_a_url():
    try:
        load_text("a: nats://ann:hunter22@host\n\tb: 1\nc: nats://ann:hunter22@host: x")
    except ScenarioError as error:
        shown = str(error)
    assert "hunter22" not in shown


STORE = HEAD + "  secrets: {minio: {accesskey: ann, secretkey: hunter22}}\n"


def test_the_values_of_a_gateway_s_own_secrets_are_kept_out_too():
    assert loaded(with_steps("- advance: 1s", STORE)).secret_texts == {"ann", "hunter22"}


def test_they_are_masked_in_the_problems_of_the_file_as_well():
    text = with_steps("- advance: 1s", STORE.replace("minio: {", "minio: {hunter22: 5, "))
    shown = "\n".join(map(str, problems_of(text)))
    assert shown
    assert "hunter22" not in shown
