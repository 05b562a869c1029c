"""This module remembers in which of two tiers a session has asked for jobs: where it has not, it can have lost none."""

from collections.abc import Iterable


class ServedSessions:
    """The sessions of this process that have asked each tier for jobs, as far as that is not over."""

    def __init__(self) -> None:
        self._claimed: tuple[set[str], set[str]] = (set(), set())

    def claims(self, session: str, *, is_volatile: bool) -> None:
        """The session asks this tier for jobs, now or later."""
        self._claimed[is_volatile].add(session)

    def has_claimed(self, session: str, *, is_volatile: bool) -> bool:
        """Whether it ever did."""
        return session in self._claimed[is_volatile]

    def forget(self, sessions: Iterable[str]) -> None:
        """These are over."""
        over = set(sessions)
        for claimed in self._claimed:
            claimed.difference_update(over)
