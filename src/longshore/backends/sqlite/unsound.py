"""This module copes with rows that no Longshore has written so: text that is not UTF-8, ids that are not 16 bytes,
states that there are not. Somebody's hand or a bad disk made them.

A job that cannot be run as it is becomes a dead letter with the reason, so that it stops nobody else; one that is only
looked at is shown as far as it can be read.
"""

from hashlib import blake2b
from typing import Any
from uuid import UUID

import apsw

from longshore.backends.sqlite.rows import FAILED, PENDING, Match, Row
from longshore.backends.sqlite.statements import sql
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.states import CODES, STATES, as_shown

ID_BYTES = 16
TEXTS_OF_A_SCAN = frozenset({2, 3, 12, 20, 22, 25})
"""The columns of `unsound_read.sql` that are text as bytes."""


def next_in_line(tx: Transaction, queue: str, count: int, now_ms: int) -> list[Row]:
    """What `claim_next.sql` gives, without jobs that nobody could run; those are put aside."""
    while True:
        try:
            rows = tx.rows("claim_next", (queue, count))
        except UnicodeDecodeError:
            rows = None
        if rows is not None and {type(row[1]) for row in rows} <= {bytes}:
            return rows
        if not _put_aside(tx, tx.rows("unsound_next", (queue, count)), now_ms, before=PENDING):
            return rows or []


def due(tx: Transaction, limit: int, now_ms: int) -> list[Row]:
    """What `promote_due.sql` gives; jobs of no queue are put aside."""
    while True:
        try:
            return tx.rows("promote_due", (now_ms, limit))
        except UnicodeDecodeError:
            if not _put_aside(tx, tx.rows("unsound_due", (now_ms, limit)), now_ms, before=None):
                raise


def read(connection: apsw.Connection, seq: int) -> list[Row]:
    """The row that a scan would give, with what is not UTF-8 replaced."""
    rows = connection.execute(sql("unsound_read"), (seq,)).fetchall()
    return [
        tuple(_text(value) if column in TEXTS_OF_A_SCAN else value for column, value in enumerate(row))
        for row in rows
    ]


def is_sound(row: Row) -> bool:
    """Whether a row of a scan can become a record."""
    return type(row[Match.ID]) is bytes and row[Match.STATE] in STATES


def mended(row: Row) -> Row:
    """The row of a scan as it can be shown."""
    values = list(row)
    values[Match.ID] = sound_id(row[Match.ID])
    state, values[Match.ERROR_TEXT] = as_shown(row[Match.STATE], row[Match.ERROR_TEXT])
    values[Match.STATE] = CODES[state]
    return tuple(values)


def sound_id(value: Any) -> bytes:
    """An id that can be shown: of a text that is a UUID that one, of anything else one made from it."""
    if isinstance(value, bytes) and len(value) == ID_BYTES:
        return value
    raw = value if isinstance(value, bytes) else str(value).encode(errors="replace")
    try:
        return UUID(raw.decode()).bytes
    except ValueError:
        return blake2b(raw, digest_size=ID_BYTES).digest()


def _put_aside(tx: Transaction, rows: list[Row], now_ms: int, *, before: int | None) -> int:
    """Makes dead letters of those that are not sound; how many those are."""
    count = 0
    for seq, queue, name, job_id, kind in rows:
        reasons = [what for what, raw in (("queue", queue), ("name", name)) if not _is_utf8(raw)]
        reason = f"its {reasons[0]} is not valid UTF-8" if reasons else "its id is not 16 bytes"
        if reasons or kind != "blob" or len(job_id) != ID_BYTES:
            told = f"Quarantined: {reason}; the row was not written by Longshore"
            put = (sound_id(job_id), _text(queue), _text(name), told, now_ms, seq)
            tx.rows("unsound_bury", put)
            tx.moved(_text(queue) or "", before, FAILED)
            count += 1
    return count


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(raw: Any) -> str | None:
    return None if raw is None else raw.decode(errors="replace")
