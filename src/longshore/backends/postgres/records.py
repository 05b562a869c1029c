"""This module stores and reads the small records.

A put reads its record, decides, and writes only if the row is still the one that was read; where somebody else was
faster it begins again. So no lock is held between the two, and none is needed.
"""

from collections.abc import Iterable, Sequence

import msgspec

from longshore.backends.postgres.dialect import Dialect, Row, Runs
from longshore.backends.postgres.rounds import rounds
from longshore.store.commands import PAUSE, Put, RecordAsk
from longshore.store.replies import Record, Stored

Numbered = tuple[int, Put]


class _Found(msgspec.Struct):
    """A record as it was read: what counts, and the version of the row even where the record is over."""

    record: Record | None
    row_version: int | None
    now_ms: int


async def put(connection: Runs, dialect: Dialect, puts: Sequence[Put], now_ms: int | None) -> list[Stored]:
    """Stores, deletes, or says what stands in the way."""
    replies: dict[int, Stored] = {}
    for round_ in rounds(puts, lambda each: (each.kind, each.key)):
        left = round_
        while left:
            found = await _read(connection, dialect, left, now_ms)
            decided = [
                (number, each, _decide(each, was), was)
                for (number, each), was in zip(left, found, strict=True)
            ]
            writes = [
                (number, each, reply, was)
                for number, each, reply, was in decided
                if _writes(each, reply, was)
            ]
            faster = await _write(connection, dialect, writes) if writes else set()
            replies.update((number, reply) for number, _, reply, _ in decided if number not in faster)
            left = [(number, each) for number, each in left if number in faster]
    return [replies[number] for number in range(len(puts))]


async def _read(
    connection: Runs, dialect: Dialect, puts: Iterable[Numbered], now_ms: int | None
) -> list[_Found]:
    kinds = [each.kind for _, each in puts]
    keys = [each.key for _, each in puts]
    rows = await dialect.fetch(connection, "records", now_ms, kinds, keys)
    return [_Found(_record(row) if row[8] else None, row[7], row[9]) for row in rows]


def _decide(put: Put, was: _Found) -> Stored:
    """What becomes of it if nobody else is faster."""
    version = was.record.version if was.record else 0
    if put.expect is not None and put.expect != version:
        return Stored(stored=_is_repeat(put, was.record), record=was.record)
    if put.value is None:
        return Stored(stored=True, record=None)
    expires_ms = None if put.ttl_ms is None else was.now_ms + put.ttl_ms
    record = Record(
        kind=put.kind,
        key=put.key,
        value=put.value,
        version=version + 1,
        session=put.session,
        expires_ms=expires_ms,
    )
    return Stored(stored=True, record=record)


def _is_repeat(put: Put, now: Record | None) -> bool:
    """Whether the record is just what this put would have made of it: its first reply was lost."""
    if now is None or put.value is None:
        return now is None and put.value is None
    return now.version == (put.expect or 0) + 1 and now.value == put.value and now.session == put.session


def _writes(put: Put, reply: Stored, was: _Found) -> bool:
    """Whether anything is to be written."""
    if put.value is None:
        return reply.stored and was.row_version is not None
    return reply.stored and reply.record is not was.record


async def _write(
    connection: Runs, dialect: Dialect, writes: list[tuple[int, Put, Stored, _Found]]
) -> set[int]:
    """Writes; gives the numbers of those where somebody else was faster."""
    resumed = [
        each.key
        for _, each, reply, was in writes
        if each.kind == PAUSE and was.record is not None and _is_over(reply.record, was.now_ms)
    ]
    rows = await dialect.fetch(
        connection,
        "put",
        dialect.channel,
        [each.kind for _, each, _, _ in writes],
        [each.key for _, each, _, _ in writes],
        [each.value for _, each, _, _ in writes],
        [reply.record.version if reply.record else None for _, _, reply, _ in writes],
        [each.session for _, each, _, _ in writes],
        [reply.record.expires_ms if reply.record else None for _, _, reply, _ in writes],
        [was.row_version for _, _, _, was in writes],
        resumed,
    )
    written = {writes[number - 1][0] for number, _, _ in rows if number is not None}
    created = {(kind, key) for number, kind, key in rows if number is None}
    return {
        number
        for number, each, _, _ in writes
        if number not in written and (each.kind, each.key) not in created
    }


def _is_over(record: Record | None, now_ms: int) -> bool:
    return record is None or (record.expires_ms is not None and record.expires_ms <= now_ms)


async def get(
    connection: Runs, dialect: Dialect, asks: Sequence[RecordAsk], now_ms: int | None
) -> list[list[Record]]:
    """Those asked for, by key."""
    kinds: list[str] = []
    keys: list[str | None] = []
    numbers: list[int] = []
    for number, ask in enumerate(asks):
        for key in [None] if ask.keys is None else sorted(set(ask.keys)):
            kinds.append(ask.kind)
            keys.append(key)
            numbers.append(number)
    replies: list[list[Record]] = [[] for _ in asks]
    if kinds:
        for row in await dialect.fetch(connection, "records", now_ms, kinds, keys):
            if row[8]:
                replies[numbers[row[0] - 1]].append(_record(row))
    return replies


def _record(row: Row) -> Record:
    _, kind, key, value, version, session, expires_ms, *_ = row
    return Record(kind=kind, key=key, value=value, version=version, session=session, expires_ms=expires_ms)
