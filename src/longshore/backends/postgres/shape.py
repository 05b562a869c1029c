"""This module finds what about a schema is not as its migrations make it: a lost index, a column that somebody changed.

The migrations are run once more, with the schema of temporary tables in place of the real one, and rolled back; then
the catalogue says of both what there is. So the comparison needs no description that could get old.
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from longshore.backends.migrations import read_steps
from longshore.backends.postgres.connecting import Connection, Row
from longshore.backends.postgres.naming import Names
from longshore.backends.postgres.statements import PACKAGE, statements

Shape = dict[tuple[str, str], str]
"""By kind and name, what is to be equal."""


class Drift(msgspec.Struct, frozen=True):
    """How a schema differs from the one that the migrations make."""

    missing: tuple[str, ...] = ()
    """Tables, columns, views and sequences: what statements fail without."""
    changed: tuple[str, ...] = ()
    """What makes them slow or odd: a missing or invalid index, another type, other settings of a table."""


async def find_drift(connection: Connection, names: Names) -> Drift:
    """What differs; nothing where the role may not make temporary tables. Takes a transaction of its own, which leaves
    nothing behind."""
    ask = statements(names)["examine_shape"]
    transaction = connection.driver.transaction()
    await transaction.start()
    try:
        there = _shape(await connection.fetch(ask, f'"{names.schema}"'))
        for step in read_steps(PACKAGE):
            await connection.execute(names.fill_draft(step.sql))
        wanted = _shape(await connection.fetch(ask, None))
    except asyncpg.InsufficientPrivilegeError:
        return Drift()
    finally:
        await transaction.rollback()
    return compare(wanted, there)


def compare(wanted: Shape, there: Shape) -> Drift:
    """What of `wanted` is not there, or is otherwise. More than is wanted is nobody's business."""
    gone = [key for key in wanted if key not in there]
    lost = {name for kind, name in gone if kind == "table"}
    missing = [
        f"{kind} {name}"
        for kind, name in gone
        if kind != "index" and name.partition(".")[0] not in lost - {name}
    ]
    changed = [f"index {name} (missing)" for kind, name in gone if kind == "index"]
    changed += [
        f"{kind} {name}{_difference(there[kind, name], shape)}"
        for (kind, name), shape in wanted.items()
        if there.get((kind, name), shape) != shape
    ]
    return Drift(tuple(sorted(missing)), tuple(sorted(changed)))


def _difference(there: str, wanted: str) -> str:
    """In words, where they are few."""
    if len(there) + len(wanted) > 100:
        return ""
    return f" ({there or 'plain'} instead of {wanted or 'plain'})"


def _shape(rows: Sequence[Row]) -> Shape:
    return {(row["kind"], row["name"]): row["shape"] for row in rows}
