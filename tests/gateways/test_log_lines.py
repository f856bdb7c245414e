"""
Log lines: one entry a line in either form, phases as they change, and no secret.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateways.log_lines import LogFormat, log_changes_of, log_to
from gateways.redaction import Redactor
from gateways.status import Phase, Status

NOW = datetime(2018, 10, 7, 12, tzinfo=UTC)
LOG = logging.getLogger("gateways.anything")


@pytest.fixture(autouse=True)
def _logger_as_before() -> Iterator[None]:
    logger = logging.getLogger("gateways")
    before = (list(logger.handlers), logger.propagate, logger.level)
    yield
    logger.handlers[:], logger.propagate, logger.level = before


def written(form: LogFormat = "text", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    log_to(stream, level=level, form=form, redacted=Redactor())
    return stream


def test_a_text_line_begins_with_instant_and_level() -> None:
    stream = written()
    LOG.warning("shop/a: %s", "slow")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning shop/a: slow\n", stream.getvalue())


def test_only_the_first_line_of_an_entry_begins_with_an_instant() -> None:
    stream = written()
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        LOG.exception("it failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("error it failed")
    assert len(rest) > 2
    assert all(line.startswith("    ") for line in rest)


def test_a_json_line_is_one_object_with_its_traceback() -> None:
    stream = written("json")
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        LOG.exception("it failed")
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert (found["level"], found["logger"], found["message"]) == ("error", "gateways.anything", "it failed")
    assert found["traceback"].endswith("ValueError: one\ntwo")


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_in_urls_are_masked(form: LogFormat) -> None:
    stream = written(form)
    try:
        raise OSError("nats://me:hunter2@host refused")
    except OSError:
        LOG.exception("cannot reach %s", "nats://me:hunter2@host:4222")
    assert "hunter2" not in stream.getvalue()
    assert "nats://me:***@host:4222" in stream.getvalue()


def test_what_is_below_the_level_is_left_out() -> None:
    stream = written(level="warning")
    LOG.info("nothing")
    assert not stream.getvalue()


def test_each_change_of_phase_is_one_line() -> None:
    stream = written()
    status = Status(started_at=NOW)
    log_changes_of(status, "shop")
    node = status.add("tick", "1", at=NOW)
    status.mark(node, Phase.RUNNING, "next at noon", at=NOW)
    status.mark(node, Phase.RUNNING, "next at noon", at=NOW)
    status.remove(node)
    said = [line.partition(" info ")[2] for line in stream.getvalue().splitlines()]
    assert said == ["shop/tick: Initialized", "shop/tick: Running: next at noon", "shop/tick: Removed"]
