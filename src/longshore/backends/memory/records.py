"""This module holds the small records of the memory store: settings, pauses, locks, signs of life."""

from longshore.backends.memory.sessions import Sessions
from longshore.store.commands import Put, RecordAsk
from longshore.store.replies import Record, Stored


class Records:
    """Small records, by kind and key, with compare-and-set by version."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._kinds: dict[str, dict[str, Record]] = {}
        self._mortal: set[tuple[str, str]] = set()

    def find(self, kind: str, key: str, now_ms: int) -> Record | None:
        """The record, if it is there and not over."""
        kept = self._kinds.get(kind)
        record = kept.get(key) if kept else None
        if record is None or self._is_over(record, now_ms):
            return None
        return record

    def get(self, ask: RecordAsk, now_ms: int) -> list[Record]:
        """Those asked for, by key."""
        kept = self._kinds.get(ask.kind, {})
        keys = sorted(kept) if ask.keys is None else sorted(set(ask.keys))
        found = (self.find(ask.kind, key, now_ms) for key in keys)
        return [record for record in found if record is not None]

    def put(self, put: Put, now_ms: int) -> Stored:
        """Stores, deletes, or says what stands in the way."""
        now = self.find(put.kind, put.key, now_ms)
        version = now.version if now else 0
        if put.expect is not None and put.expect != version:
            return Stored(stored=_is_repeat(put, now), record=now)
        if put.value is None:
            self._remove(put.kind, put.key)
            return Stored(stored=True, record=None)
        record = Record(
            kind=put.kind,
            key=put.key,
            value=put.value,
            version=version + 1,
            session=put.session,
            expires_ms=None if put.ttl_ms is None else now_ms + put.ttl_ms,
        )
        self._kinds.setdefault(put.kind, {})[put.key] = record
        if put.session is not None or put.ttl_ms is not None:
            self._mortal.add((put.kind, put.key))
        else:
            self._mortal.discard((put.kind, put.key))
        return Stored(stored=True, record=record)

    def sweep(self, now_ms: int) -> list[tuple[str, str]]:
        """Drops records that are over; says which."""
        over = [(kind, key) for kind, key in self._mortal if self._is_over(self._kinds[kind][key], now_ms)]
        for kind, key in over:
            self._remove(kind, key)
        return over

    def _remove(self, kind: str, key: str) -> None:
        kept = self._kinds.get(kind, {})
        kept.pop(key, None)
        if not kept:
            self._kinds.pop(kind, None)
        self._mortal.discard((kind, key))

    def _is_over(self, record: Record, now_ms: int) -> bool:
        if record.expires_ms is not None and record.expires_ms <= now_ms:
            return True
        return record.session is not None and not self._sessions.is_live(record.session, now_ms)


def _is_repeat(put: Put, now: Record | None) -> bool:
    """Whether the record is just what this put would have made of it: its first reply was lost."""
    if now is None or put.value is None:
        return now is None and put.value is None
    return now.version == (put.expect or 0) + 1 and now.value == put.value and now.session == put.session
