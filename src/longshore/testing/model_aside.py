"""This module holds what the oracle keeps beside its jobs: the leases of sessions, and small records."""

from collections.abc import Collection
from dataclasses import dataclass, field

from longshore.store.commands import Lease, Put, RecordAsk
from longshore.store.replies import Record, Stored


@dataclass
class Aside:
    """Until when each session lives, and every record that was put and not deleted."""

    sessions: dict[str, int] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    def is_live(self, session: str | None, now_ms: int) -> bool:
        """Whether the session's lease runs."""
        return session is not None and self.sessions.get(session, 0) > now_ms

    def extend(self, lease: Lease, now_ms: int) -> bool:
        """Whether the session is held from now on."""
        known = lease.opens or lease.session in self.sessions
        if lease.lease_ms == 0:
            self.sessions.pop(lease.session, None)
        elif known:
            self.sessions[lease.session] = now_ms + lease.lease_ms
            return True
        return False

    def sweep(self, holding: Collection[str | None], now_ms: int) -> None:
        """Drops what is over; sessions that hold jobs stay."""
        self.records = [record for record in self.records if not self._is_over(record, now_ms)]
        self.sessions = {
            name: until for name, until in self.sessions.items() if until > now_ms or name in holding
        }

    def find(self, kind: str, key: str, now_ms: int) -> Record | None:
        """The record that is there now."""
        there = [record for record in self.records if (record.kind, record.key) == (kind, key)]
        return there[0] if there and not self._is_over(there[0], now_ms) else None

    def get(self, ask: RecordAsk, now_ms: int) -> list[Record]:
        """All of a kind, or those with the keys."""
        there = [record for record in self.records if record.kind == ask.kind]
        asked = [record for record in there if ask.keys is None or record.key in ask.keys]
        live = [record for record in asked if not self._is_over(record, now_ms)]
        return sorted(live, key=lambda record: record.key)

    def put(self, put: Put, now_ms: int) -> Stored:
        """Compare and set."""
        now = self.find(put.kind, put.key, now_ms)
        version = 0 if now is None else now.version
        if put.expect not in {None, version}:
            return Stored(stored=self._was_this(put, now), record=now)
        self.records = [record for record in self.records if (record.kind, record.key) != (put.kind, put.key)]
        if put.value is None:
            return Stored(stored=True, record=None)
        record = Record(
            kind=put.kind,
            key=put.key,
            value=put.value,
            version=version + 1,
            session=put.session,
            expires_ms=now_ms + put.ttl_ms if put.ttl_ms is not None else None,
        )
        self.records.append(record)
        return Stored(stored=True, record=record)

    def _was_this(self, put: Put, now: Record | None) -> bool:
        """Whether what is there is what the put would have left: a repeat after a lost reply."""
        if now is None:
            return put.value is None
        return (now.version, now.value, now.session) == ((put.expect or 0) + 1, put.value, put.session)

    def _is_over(self, record: Record, now_ms: int) -> bool:
        ended = record.expires_ms is not None and record.expires_ms <= now_ms
        orphaned = record.session is not None and not self.is_live(record.session, now_ms)
        return ended or orphaned
