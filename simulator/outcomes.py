"""
Outcomes: how a step says that the story cannot go on; the runner makes the verdict of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.judging.matchers import Mismatch


class StepEnded(Exception):
    """
    The root: a step ended the story.

    Attributes:
        cls: The reason's class, from verdict.FAILURE_CLASSES or OTHER_CLASSES.
        text: What it says, one sentence.
        details: Further lines: the nearest event, what differs.
        differing: Where the nearest event differs from what was expected, one by one.
        line: Of the step; None until that is known.
    """

    def __init__(self, cls: str, text: str, details: Sequence[str] = (), differing: Sequence[Mismatch] = ()) -> None:
        self.line: int | None = None
        self.cls = cls
        self.text = text
        self.details = tuple(details)
        self.differing = tuple(differing)
        super().__init__(f"{cls}: {text}")


class StepFailed(StepEnded):
    """
    The gateway did not do what the step says.
    """


class StepInconclusive(StepEnded):
    """
    Nobody can tell whether it did.
    """


class StepSkipped(StepEnded):
    """
    Something that the step needs is absent here.
    """
