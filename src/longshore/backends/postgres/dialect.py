"""This module holds what every verb needs to speak to the server: the store's statements, and whom to send them to."""

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from longshore.backends.postgres.naming import Names
from longshore.backends.postgres.statements import statements

Row: TypeAlias = Any
"""What the server gives, read by position. Its columns are those that the statement's header names."""
Value = TypeVar("Value")


class Runs(Protocol):
    """Whatever runs a statement: a connection of ours, or the caller's own in the middle of a transaction."""

    def fetch(self, statement: str, *values: Any) -> Coroutine[Any, Any, Sequence[Row]]:
        """All rows."""


class Dialect(msgspec.Struct, frozen=True):
    """The statements of one store by name, and the channel on which it wakes others."""

    statements: Mapping[str, str]
    channel: str

    async def fetch(self, connection: Runs, name: str, *values: Any) -> Sequence[Row]:
        """All rows of the statement in `queries/<name>.sql`."""
        return await connection.fetch(self.statements[name], *values)


def dialect_of(names: Names) -> Dialect:
    """The dialect of a store whose tables have these names."""
    return Dialect(statements(names), names.channel)


def sparse(values: Iterable[Value | None]) -> list[Value | None]:
    """A column as a list, empty where it holds nothing: what few jobs have costs the others nothing."""
    column = list(values)
    return [] if column.count(None) == len(column) else column
