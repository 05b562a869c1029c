"""This module stores and reads the small records."""

import struct
from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Lane
from longshore.store.commands import Put, RecordAsk
from longshore.store.replies import Record, Stored

DELETES, EXPECTS = 1, 2
_PUT = struct.Struct("<BddIB")
_RECORD = struct.Struct("<ddB")


async def put(caller: Caller, puts: Sequence[Put], now_ms: int | None) -> list[Stored]:
    """Stores, deletes, or says what stands in the way."""
    replies = await caller.at_home("put", [packed(each) for each in puts], now_ms)
    return [
        Stored(reply[:1] == b"1", record(each.kind, each.key, reply[1:]) if len(reply) > 1 else None)
        for each, reply in zip(puts, replies, strict=True)
    ]


async def get(caller: Caller, asks: Sequence[RecordAsk], now_ms: int | None) -> list[list[Record]]:
    """Those asked for, sorted by key."""
    words: list[bytes] = []
    sizes = []
    for ask in asks:
        names = [b"a" + _name(ask.kind, "")]
        if ask.keys is not None:
            names = [b"k" + _name(ask.kind, key) for key in sorted(set(ask.keys))]
        words += names
        sizes.append(len(names))
    replies = iter(await caller.at_home("get", words, now_ms, Lane.READ) if words else [])
    return [
        [found for _ in range(size) for found in _records(ask.kind, next(replies))]
        for ask, size in zip(asks, sizes, strict=True)
    ]


def _records(kind: str, reply: list[bytes]) -> list[Record]:
    prefix = len(_name(kind, ""))
    return [
        record(kind, name[prefix:].decode(), packed_record)
        for name, packed_record in zip(reply[::2], reply[1::2], strict=True)
    ]


def packed(put: Put) -> bytes:
    """A put as the script reads it."""
    name, session = _name(put.kind, put.key), (put.session or "").encode()
    flags = DELETES * (put.value is None) + EXPECTS * (put.expect is not None)
    ttl_ms = -1 if put.ttl_ms is None else put.ttl_ms
    return (
        _PUT.pack(flags, put.expect or 0, ttl_ms, len(name), len(session))
        + name
        + session
        + (put.value or b"")
    )


def record(kind: str, key: str, packed_record: bytes) -> Record:
    """A record as it is stored."""
    version, expires_ms, length = _RECORD.unpack_from(packed_record)
    end = _RECORD.size + length
    return Record(
        kind=kind,
        key=key,
        value=packed_record[end:],
        version=int(version),
        session=packed_record[_RECORD.size : end].decode() if length else None,
        expires_ms=int(expires_ms) if expires_ms else None,
    )


def _name(kind: str, key: str) -> bytes:
    return f"{kind}\0{key}".encode()
