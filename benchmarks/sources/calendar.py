"""
Calendar: makes its events itself, here every millisecond; there is no server, and nothing to compare it with.
"""

from __future__ import annotations

from benchmarks.sources.source import Source


class CalendarSource(Source):
    """See Source."""

    type = "calendar"

    def texts(self) -> dict[str, str]:
        """See Source."""
        return {f"every-{number}": "interval: 1ms" for number in range(self.in_flight)}

    def extension(self) -> str:
        """See Source."""
        return "{limits: {intervalMin: 1ms}}"

    def relay_arguments(self) -> list[str]:
        """See Source."""
        return []

    async def publish(self, count: int) -> None:
        """See Source. Time does."""
