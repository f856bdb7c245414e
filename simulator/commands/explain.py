"""
`gatesim explain`: what a key, a step, a reason or a requirement means, with an example, on a terminal's width.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from textwrap import fill, indent

from simulator.commands.topics import Entry, Topic, closest_topic, find_topic
from simulator.verdict import EXIT_OK, EXIT_USAGE

WIDTH = 80
_NAME_MAX = 24
"""A longer name stands on a line of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Declare the command's arguments.
    """
    parser.add_argument(
        "path",
        nargs="?",
        default="",
        metavar="KEY.PATH",
        help="a key (steps.publish, expect.count, services.nats), a requirement (R-CFG-4), a reason (duplicate), "
        "or a table (exit-codes, verdicts, reasons, requirements, placeholders); the whole file where left out",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def main(arguments: argparse.Namespace) -> int:
    """
    Explain what is asked for.

    Returns:
        The exit code.
    """
    topic = find_topic(arguments.path)
    if topic is None:
        close = closest_topic(arguments.path)
        hint = f"did you mean `{close}`?" if close else "`gatesim explain` shows what there is"
        sys.stderr.write(f"gatesim explain: nothing is called `{arguments.path[:60]}`; {hint}\n")
        return EXIT_USAGE
    sys.stdout.write(as_json(topic) if arguments.json else as_text(topic))
    return EXIT_OK


def as_json(topic: Topic) -> str:
    """
    *topic* as one JSON object.
    """
    fields = asdict(topic)
    fields["entries"] = [entry._asdict() for entry in topic.entries]
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def as_text(topic: Topic) -> str:
    """
    *topic* for a terminal, no line longer than WIDTH unless an example needs it.
    """
    return "\n".join(_lines(topic)) + "\n"


def _lines(topic: Topic) -> Iterator[str]:
    yield topic.name
    yield ""
    for paragraph in topic.text.split("\n\n"):
        yield _filled(paragraph)
        yield ""
    about = [f"{topic.type}{', required' if topic.required else ''}"] if topic.type else []
    about += [f"{topic.default} where left out"] if topic.default else []
    if about:
        yield _filled(f"Value: {'; '.join(about)}.")
        yield ""
    if topic.entries:
        yield from _table(topic.entries_title, topic.entries)
    if topic.rules:
        yield "Which keys go together"
        yield from (_filled(rule) for rule in topic.rules)
        yield ""
    if topic.example:
        yield "Example"
        yield indent(topic.example.rstrip("\n"), "  ")
        yield ""
    if topic.see:
        yield _filled(f"See also: {', '.join(f'gatesim explain {name}' for name in topic.see)}")
        yield ""


def _filled(text: str) -> str:
    return fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _table(title: str, entries: tuple[Entry, ...]) -> Iterator[str]:
    yield title
    widest = min(_NAME_MAX, max(len(entry.name) for entry in entries))
    margin = " " * (widest + 4)
    for name, text in entries:
        first = f"  {name:<{widest}}  "
        if len(name) > widest:
            yield first.rstrip()
            first = margin
        yield fill(text, WIDTH, initial_indent=first, subsequent_indent=margin, break_on_hyphens=False)
    yield ""
