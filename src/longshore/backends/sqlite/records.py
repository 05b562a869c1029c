"""This module stores and reads the small records."""

from collections.abc import Sequence

import apsw

from longshore.backends.sqlite.rows import Row
from longshore.backends.sqlite.statements import sql
from longshore.backends.sqlite.transaction import Transaction
from longshore.store.commands import PAUSE, Put, RecordAsk
from longshore.store.replies import Record, Stored, Wake, WakeKind


def put(tx: Transaction, puts: Sequence[Put], now_ms: int) -> list[Stored]:
    """Stores, deletes, or says what stands in the way."""
    return [_put(tx, each, now_ms) for each in puts]


def _put(tx: Transaction, put: Put, now_ms: int) -> Stored:
    found = tx.row("record_read", (put.kind, put.key, now_ms))
    now = _record(found) if found else None
    version = now.version if now else 0
    if put.expect is not None and put.expect != version:
        return Stored(stored=_is_repeat(put, now), record=now)
    if put.value is None:
        tx.rows("record_delete", (put.kind, put.key))
        if now is not None:
            _tell_resumed(tx, put)
        return Stored(stored=True, record=None)
    expires_ms = None if put.ttl_ms is None else now_ms + put.ttl_ms
    row = (put.kind, put.key, put.value, version + 1, put.session, expires_ms)
    tx.rows("record_write", row)
    stored = tx.row("record_read", (put.kind, put.key, now_ms))
    if now is not None and stored is None:
        _tell_resumed(tx, put)
    return Stored(stored=True, record=_record(row))


def _is_repeat(put: Put, now: Record | None) -> bool:
    """Whether the record is just what this put would have made of it: its first reply was lost."""
    if now is None or put.value is None:
        return now is None and put.value is None
    return now.version == (put.expect or 0) + 1 and now.value == put.value and now.session == put.session


def _tell_resumed(tx: Transaction, put: Put) -> None:
    if put.kind == PAUSE:
        tx.wakes.add(Wake(WakeKind.PENDING, put.key))


def get(connection: apsw.Connection, asks: Sequence[RecordAsk], now_ms: int) -> list[list[Record]]:
    """Those asked for, by key."""
    return [_get(connection, ask, now_ms) for ask in asks]


def _get(connection: apsw.Connection, ask: RecordAsk, now_ms: int) -> list[Record]:
    if ask.keys is None:
        return [_record(row) for row in connection.execute(sql("record_all"), (ask.kind, now_ms))]
    parameters = [(ask.kind, key, now_ms) for key in sorted(set(ask.keys))]
    return [_record(row) for row in connection.executemany(sql("record_read"), parameters)]


def _record(row: Row) -> Record:
    kind, key, value, version, session, expires_ms = row
    return Record(kind=kind, key=key, value=value, version=version, session=session, expires_ms=expires_ms)
