"""
Problems: what is wrong with a file, gathered until it is enough.

A file with a hundred mistakes is not the file that was meant, and each mistake costs a search for what was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simulator.errors import ScenarioError, ScenarioProblem

ENOUGH = 100


class Problems:
    """
    The problems of one file, in the order in which they were found.
    """

    def __init__(self, found: Iterable[ScenarioProblem] = ()) -> None:
        self._found: list[ScenarioProblem] = list(found)
        self._distinct: set[ScenarioProblem] = set(self._found)

    def __len__(self) -> int:
        """
        How often a problem was noted; one that every cell of a matrix has counts for each.
        """
        return len(self._found)

    def __iter__(self) -> Iterator[ScenarioProblem]:
        return iter(self._found)

    def append(self, problem: ScenarioProblem) -> None:
        """
        Note *problem*.

        Raises:
            ScenarioError: It is one too many; all that were found are in it.
        """
        self._found.append(problem)
        self._distinct.add(problem)
        if len(self._distinct) > ENOUGH:
            last = max(self._distinct, key=lambda each: each.place)
            more = last._replace(end_column=last.column, problem="there is more that is wrong", hint="", source_line="")
            raise ScenarioError([*self._distinct, more])

    def extend(self, problems: Iterable[ScenarioProblem]) -> None:
        """
        Note each of *problems*; raises like `append`.
        """
        for problem in problems:
            self.append(problem)
