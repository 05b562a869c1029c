"""This module changes limits while everything runs: a record of the kind LIMIT says what holds instead of the code.

Whoever adds jobs under a limit looks at the records about once a second; the meters that are there are tuned at once.
"""

from collections.abc import Iterable, Mapping

import msgspec

from longshore.core.rules import FlowKey, LimitKind
from longshore.store.commands import Put, RecordAsk, Tune
from longshore.store.contract import Store
from longshore.store.replies import Record

LIMIT = "limit"
"""The kind of record that holds, under a queue and a rule, the limit that somebody has set at run time."""


class Override(msgspec.Struct, frozen=True):
    """A limit that was set at run time."""

    queue: str
    rule: str
    kind: int
    limit: int
    per_ms: int = 0
    burst: int = 0

    def over(self, key: FlowKey) -> FlowKey:
        """The job's key with this limit instead of its own; a rate never takes the place of a concurrency."""
        if (key.kind is LimitKind.CONCURRENCY) is not (self.kind == LimitKind.CONCURRENCY):
            return key
        return FlowKey(key.rule, key.key, LimitKind(self.kind), self.limit, self.per_ms, self.burst, key.cost)

    def tune(self) -> Tune:
        """What changes the meters that are there."""
        return Tune(
            self.queue, FlowKey(self.rule, "", LimitKind(self.kind), self.limit, self.per_ms, self.burst)
        )


def override_of(queue: str, key: FlowKey) -> Override:
    """What makes the limit of this key hold for its rule."""
    return Override(queue, key.rule, int(key.kind), key.limit, key.per_ms, key.burst)


class Overrides:
    """What is known in this process of the limits that were set at run time."""

    def __init__(self) -> None:
        self.version: int = 0
        """Changes with what is known."""
        self.looked_at: float | None = None
        """When the store was asked last, on the monotonic clock."""
        self._known: Mapping[tuple[str, str], Override] = {}

    def get(self, queue: str, rule: str) -> Override | None:
        """What holds for this rule instead of what the code says."""
        return self._known.get((queue, rule))

    def all(self) -> list[Override]:
        """All that is known."""
        return list(self._known.values())

    def take(self, records: Iterable[Record]) -> bool:
        """Knows these from now on; whether anything is new."""
        read = [msgspec.json.decode(record.value, type=Override) for record in records]
        known = {(override.queue, override.rule): override for override in read}
        if known == self._known:
            return False
        self._known = known
        self.version += 1
        return True


async def look(store: Store, overrides: Overrides) -> bool:
    """Reads the records; whether anything is new."""
    [records] = await store.get([RecordAsk(LIMIT)])
    return overrides.take(records)


async def set_override(store: Store, override: Override) -> int:
    """Sets the limit for all processes and tunes the meters that are there; says how many."""
    value = msgspec.json.encode(override)
    await store.put([Put(kind=LIMIT, key=_key(override.queue, override.rule), value=value)])
    [tuned] = await store.tune([override.tune()])
    return tuned


async def withdraw_override(store: Store, queue: str, rule: str) -> None:
    """The code's limit holds again for jobs that come from now on."""
    await store.put([Put(kind=LIMIT, key=_key(queue, rule), value=None)])


def _key(queue: str, rule: str) -> str:
    """No name has a space in it."""
    return f"{queue} {rule}"
