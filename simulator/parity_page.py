"""
Parity page: a comparison of providers as Markdown for people and as JSON for programs; computes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from simulator.parity import NO_SERVICE, Outcome, Parity, State
from simulator.reports.report import Json
from simulator.version import VERSION

FORMAT = "gatesim-parity/v1"
_STATES: tuple[State, ...] = ("agree", "diverge", "alone", "not run")

_SHOWN_MAX = 2
"""Differences of one scenario on the page; all that were noted stand in the JSON."""


def as_json(parity: Parity) -> str:
    """
    All of it as one JSON object.
    """
    reference = parity.providers[0]
    whole: Json = {
        "format": FORMAT,
        "gatesim": VERSION,
        "reference": reference,
        "holds": parity.holds,
        "absent": dict(parity.absent),
        "providers": {provider: _totals(parity, provider) for provider in parity.providers},
        "declared_but_untrue": [each._asdict() for each in parity.untrue],
        "scenarios": [
            {
                "id": id,
                "results": {provider: _entry(outcome, provider == reference) for provider, outcome in row.items()},
            }
            for id, row in parity.outcomes.items()
        ],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _totals(parity: Parity, provider: str) -> Json:
    counts: Json = (
        {} if provider == parity.providers[0] else {state: parity.count(provider, state) for state in _STATES}
    )
    return {"services": list(parity.services[provider]), **counts}


def _entry(outcome: Outcome, is_reference: bool) -> Json:
    state = {} if is_reference and outcome.state != "not run" else {"state": outcome.state}
    return {
        **state,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "differences": list(outcome.differences),
        "declared": outcome.declared,
    }


def as_text(parity: Parity) -> str:
    """
    The outcome for a terminal: the totals, what diverges, and why what was not run was not.
    """
    reference, *others = parity.providers
    lines = [f"{provider}: not compared; {why}" for provider, why in parity.absent.items()]
    for provider in others:
        counts = ", ".join(f"{parity.count(provider, state)} {state}" for state in _STATES)
        lines += [f"{provider} beside {reference}: {counts}", *(f"  {each}" for each in parity.services[provider])]
        for reason, ids in _not_run(parity, provider).items():
            lines.append(f"  {len(ids)} not run: {reason}")
    for scenario, provider, outcome in _divergences(parity):
        lines += ["", f"DIVERGES on {provider}: {scenario}", *(f"  {text}" for text in outcome.differences)]
        if outcome.declared:
            lines.append(f"  declared: {outcome.declared}")
    for each in parity.untrue:
        lines += ["", f"DECLARED, AND AGREES on {each.provider}: {each.scenario}", f"  {each.reason}"]
    undeclared = len(parity.undeclared)
    if undeclared or parity.untrue:
        lines += ["", f"{undeclared} undeclared, {len(parity.untrue)} declared that are not true"]
    return "\n".join(lines) + "\n"


def as_markdown(parity: Parity) -> str:
    """
    A page: the totals, what diverges, what was not run and why, and each scenario that some service takes part in.
    """
    return "\n".join((*_head(parity), *_told(parity), *_reasons(parity), *_scenarios(parity))).rstrip() + "\n"


def _head(parity: Parity) -> Iterator[str]:
    reference, *rest = parity.providers
    others = _list(rest) or "nothing else"
    yield from ("# Parity", "", "<!-- Written by `gatesim parity --markdown`. -->", "")
    yield (
        f"Each scenario was played on `{reference}` and on {others}, and what came of it compared. "
        "[Real services](real-services.md#parity) says what is compared, and what is not."
    )
    yield ""
    for provider in parity.providers:
        yield f"- `{provider}`: {', '.join(parity.services[provider]) or 'no service took part'}"
    for provider, why in parity.absent.items():
        yield f"- `{provider}`: not compared; {why}"
    yield from ("", "| provider | agree | diverge | alone | not run |", "| --- | --- | --- | --- | --- |")
    for provider in rest:
        yield f"| `{provider}` | {' | '.join(str(parity.count(provider, state)) for state in _STATES)} |"
    yield ""


def _told(parity: Parity) -> Iterator[str]:
    yield from ("## Divergences", "")
    none = True
    for scenario, provider, outcome in _divergences(parity):
        none = False
        yield f"- `{provider}`: {_code(scenario)}: {_cell('; '.join(outcome.differences[:_SHOWN_MAX]))}"
        yield f"  {'Declared: ' + _cell(outcome.declared) if outcome.declared else '**Not declared.**'}"
    for each in parity.untrue:
        none = False
        yield f"- `{each.provider}`: {_code(each.scenario)}: **declared, and agrees**: {_cell(each.reason)}"
    yield from (*(("None.",) if none else ()), "")


def _reasons(parity: Parity) -> Iterator[str]:
    yield from ("## Not run", "", "| provider | scenarios | why |", "| --- | --- | --- |")
    for provider in parity.providers:
        for reason, ids in _not_run(parity, provider).items():
            yield f"| `{provider}` | {len(ids)} | {_cell(reason)} |"
    yield ""


def _scenarios(parity: Parity) -> Iterator[str]:
    """
    A table for each folder. Scenarios without a service are the same on every provider, and are left out.
    """
    reference, *others = parity.providers
    folders: dict[str, list[str]] = {}
    for id, row in parity.outcomes.items():
        if not all(row[provider].reason == NO_SERVICE for provider in others) or not others:
            folders.setdefault(str(PurePosixPath(id.partition("::")[0]).parent), []).append(id)
    for folder, ids in folders.items():
        yield from (f"## {folder}", "", f"| scenario | {' | '.join((reference, *others))} |")
        yield f"| --- |{' --- |' * len(parity.providers)}"
        for id in ids:
            row = parity.outcomes[id]
            cells = [row[reference].verdict or "not run", *(row[provider].state for provider in others)]
            yield f"| {_cell(id.partition('::')[2])} | {' | '.join(cells)} |"
        yield ""


def _divergences(parity: Parity) -> Iterator[tuple[str, str, Outcome]]:
    for scenario, row in parity.outcomes.items():
        for provider, outcome in row.items():
            if outcome.state == "diverge":
                yield scenario, provider, outcome


def _not_run(parity: Parity, provider: str) -> dict[str, list[str]]:
    """
    Ids of what was not run by the reason, the commonest first.
    """
    found: dict[str, list[str]] = {}
    for id, row in parity.outcomes.items():
        if row[provider].state == "not run":
            found.setdefault(row[provider].reason, []).append(id)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _list(providers: Iterable[str]) -> str:
    return ", ".join(f"`{provider}`" for provider in providers)


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
