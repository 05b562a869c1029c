"""This module stores and reads the small records."""

import struct
from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.keys import HOME
from longshore.backends.redis.links import Lane, Reply
from longshore.backends.redis.sessions import copy_to
from longshore.store.commands import PAUSE, Put, RecordAsk
from longshore.store.replies import Record, Stored

DELETES, EXPECTS = 1, 2
_PUT = struct.Struct("<BddIB")
_RECORD = struct.Struct("<ddB")


async def put(caller: Caller, puts: Sequence[Put], now_ms: int | None) -> list[Stored]:
    """Stores, deletes, or says what stands in the way."""
    await _prepare_pauses(caller, puts, now_ms)
    places = [_place(caller, each.kind, each.key) for each in puts]
    words = list(zip(places, map(packed, puts), strict=True))
    replies = await _at_places(caller, "put", words, now_ms)
    return [
        Stored(reply[:1] == b"1", record(each.kind, each.key, reply[1:]) if len(reply) > 1 else None)
        for each, reply in zip(puts, replies, strict=True)
    ]


def _place(caller: Caller, kind: str, key: str) -> str:
    """Where a record is kept. On a Cluster a pause is beside its queue, where claims see it."""
    return key if kind == PAUSE and caller.keys.is_cluster else HOME


async def _prepare_pauses(caller: Caller, puts: Sequence[Put], now_ms: int | None) -> None:
    """Lets a Cluster know the queues that are paused, and them the sessions on which that hangs."""
    if not caller.keys.is_cluster:
        return
    pauses = [put for put in puts if put.kind == PAUSE]
    await caller.registry.add([put.key for put in pauses])
    bound = [(put.key, put.session) for put in pauses if put.session is not None]
    if bound:
        await copy_to(caller, bound, now_ms)


async def _at_places(
    caller: Caller, verb: str, words: Sequence[tuple[str, bytes]], now_ms: int | None
) -> list[Reply]:
    """The replies to words, each of which goes to the place before it."""
    groups: dict[str, list[int]] = {}
    for position, (place, _) in enumerate(words):
        groups.setdefault(place, []).append(position)
    calls = [
        caller.prepared_shared(verb, place, [words[position][1] for position in group], now_ms)
        for place, group in groups.items()
    ]
    lane = Lane.READ if verb == "get" else Lane.CALL
    replies: list[Reply] = [None] * len(words)
    for group, answers in zip(groups.values(), await caller.each(calls, lane), strict=True):
        for position, answer in zip(group, answers, strict=True):
            replies[position] = answer
    return replies


async def get(caller: Caller, asks: Sequence[RecordAsk], now_ms: int | None) -> list[list[Record]]:
    """Those asked for, sorted by key."""
    queues: list[str] = []
    if caller.keys.is_cluster and any(ask.kind == PAUSE and ask.keys is None for ask in asks):
        queues = await caller.registry.names()
    words: list[tuple[str, bytes]] = []
    sizes = []
    for ask in asks:
        keys = queues if ask.kind == PAUSE and caller.keys.is_cluster and ask.keys is None else ask.keys
        names = [(HOME, b"a" + _name(ask.kind, ""))]
        if keys is not None:
            names = [
                (_place(caller, ask.kind, key), b"k" + _name(ask.kind, key)) for key in sorted(set(keys))
            ]
        words += names
        sizes.append(len(names))
    replies = iter(await _at_places(caller, "get", words, now_ms))
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
