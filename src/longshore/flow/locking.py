"""This module takes, keeps and frees locks, by compare-and-set on two small records.

One stands under the lock's key (LOCK) and names the token of who has it; the other stands under that token (GRIP), and
is there while the holder lives: it goes with its time, or with its session. So a lock is free when it names nobody, or
somebody who is gone. One record would not do: versions begin anew where a record was over, and a renewal that comes
late could take the record of the next holder for its own. A token comes only once, and what names it outlives it.

Each grip has a fence above all that the key had before: one more than the last while the record is there, and where it
is not, the store's time in microseconds.
"""

import msgspec

from longshore.core.errors import StoreUnavailable
from longshore.store.commands import GRIP, LOCK, Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Record, Stored

NAMED_MS = 3_600_000
"""So long the record under the key stays after the last change. Whatever was sent before must have come by then."""


class Slip(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept under a lock's key."""

    token: str = ""
    """Empty: the lock is free."""
    holder: str = ""
    """For people."""
    fence: int = 0
    """0: the time of the first put, in microseconds."""


class Grip(msgspec.Struct, frozen=True, kw_only=True):
    """A lock that is held."""

    key: str
    slip: Slip
    """With the fence."""
    ttl_ms: int
    session: str | None
    named: int
    """The version of the record under the key."""
    alive: int
    """The version of the record under the token."""


class Held(msgspec.Struct, frozen=True):
    """Somebody else has the lock."""

    holder: str


async def take(
    store: Store, key: str, *, token: str, holder: str, ttl_ms: int, session: str | None = None
) -> Grip | Held | None:
    """The lock, if it is free; None when the session is over, which can hold nothing. Raises StoreUnavailable; what
    may have been stored then is over after `ttl_ms`."""
    found = await _find(store, key)
    slip = Slip() if found is None else read_slip(found)
    if slip.token and await _lives(store, slip.token):
        return Held(slip.holder)
    grip = Grip(
        key=key,
        slip=Slip(token, holder, slip.fence + 1 if found else 0),
        ttl_ms=ttl_ms,
        session=session,
        named=found.version if found else 0,
        alive=0,
    )
    kept = await _put(store, grip)
    if kept is None:
        winner = await look(store, key)
        return winner or Held("somebody who has just given it back")
    if session is not None and not await _lives(store, token):
        return None
    return kept


async def look(store: Store, key: str) -> Held | None:
    """Who has the lock; None: nobody. Writes nothing."""
    found = await _find(store, key)
    slip = Slip() if found is None else read_slip(found)
    return Held(slip.holder) if slip.token and await _lives(store, slip.token) else None


async def keep(store: Store, grip: Grip) -> Grip | None:
    """The grip for another `ttl_ms`; None: the lock is lost. Raises StoreUnavailable; then the same may be repeated."""
    return await _put(store, grip)


async def free(store: Store, grip: Grip) -> bool:
    """Frees it; False when it was lost before. Raises StoreUnavailable."""
    freed = _named(grip, Slip(fence=grip.slip.fence))
    gone = Put(kind=GRIP, key=grip.slip.token, value=None)
    named, _ = await _twice(store, [freed, gone])
    return named.stored


def read_slip(record: Record) -> Slip:
    """What the record under a lock's key says, with its fence."""
    slip = msgspec.json.decode(record.value, type=Slip)
    return slip if slip.fence else msgspec.structs.replace(slip, fence=_first_fence(record))


def _first_fence(record: Record) -> int:
    """When it was stored, by the store's clock: a record whose fence is not told has never been renewed."""
    return ((record.expires_ms or 0) - NAMED_MS) * 1000


async def _find(store: Store, key: str) -> Record | None:
    [records] = await store.get([RecordAsk(LOCK, (key,))])
    return records[0] if records else None


async def _lives(store: Store, token: str) -> bool:
    [records] = await store.get([RecordAsk(GRIP, (token,))])
    return bool(records)


async def _put(store: Store, grip: Grip) -> Grip | None:
    """Both records; the one that says that the holder lives comes first, so that nobody is taken for dead."""
    alive = Put(
        kind=GRIP,
        key=grip.slip.token,
        value=b"",
        expect=grip.alive,
        session=grip.session,
        ttl_ms=grip.ttl_ms,
    )
    lives, named = await _twice(store, [alive, _named(grip, grip.slip)])
    if not (lives.stored and named.stored) or lives.record is None or named.record is None:
        return None
    slip = read_slip(named.record)
    return msgspec.structs.replace(grip, slip=slip, alive=lives.record.version, named=named.record.version)


def _named(grip: Grip, slip: Slip) -> Put:
    value = msgspec.json.encode(slip)
    return Put(kind=LOCK, key=grip.key, value=value, expect=grip.named, ttl_ms=NAMED_MS)


async def _twice(store: Store, puts: list[Put]) -> list[Stored]:
    """Once more where the reply got lost: what was stored is recognised by its token."""
    try:
        return await store.put(puts)
    except StoreUnavailable as error:
        if error.reason != "unreachable":  # then it is known that nothing was done
            raise
    return await store.put(puts)
