"""
Providers: where services come from, as the command line and the scenario say it.
"""

from __future__ import annotations

from dataclasses import dataclass

EMBEDDED = "embedded"
PROVIDERS = (EMBEDDED, "local", "container", "external")


@dataclass(frozen=True, slots=True)
class Providers:
    """
    Which provider serves which service.

    Args:
        told: Each `PROVIDER`, for all services, or `SERVICE=PROVIDER`, for those of that name or type. The later wins,
            and the narrower before the wider.
    """

    told: tuple[str, ...] = ()

    def of(self, name: str, type_name: str, asked: str | None = None) -> str:
        """
        The provider of one service.

        Args:
            name: As the scenario calls it.
            type_name: Its type.
            asked: What the scenario asks for, where nobody said otherwise.
        """
        chosen = asked or EMBEDDED
        for text in self.told:
            if "=" not in text:
                chosen = text
        for text in self.told:
            service, equals, provider = text.partition("=")
            if equals and service in (name, type_name):
                chosen = provider
        return chosen

    @property
    def names(self) -> frozenset[str]:
        """
        Every provider that some service may come from.
        """
        return frozenset(text.rpartition("=")[2] for text in self.told) or frozenset({EMBEDDED})

    def __str__(self) -> str:
        return ", ".join(self.told) or EMBEDDED
