"""This module parks providers: while the store holds a record of the kind PROVIDER under a name, nobody starts jobs
that depend on what is called so.

A provider is a service that answers "not so fast": a mail gateway, a model, an API. The one that hears it parks the
provider for all; each worker whose tasks name providers, or have picked one before, knows within a second, and the
record is gone by itself when the time is over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from longshore.core.clock import Clock
from longshore.core.ids import JobId
from longshore.core.limit_errors import RateLimited
from longshore.store.commands import Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Record

PROVIDER = "provider"
"""The kind of record that parks the provider which is its key, for as long as the record lives."""


class Parked(msgspec.Struct, frozen=True):
    """What is kept of a parked provider."""

    since_ms: int
    until_ms: int


class Parking:
    """What one process knows of parked providers, and what it has yet to tell the others."""

    is_in_use: bool
    """Whether a provider is parked, or somebody here has asked for one."""
    put_off: dict[tuple[JobId, int], RateLimited]
    """Claims, by id and fence, that run in this process and are to end as if their task had raised this."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_ms: Mapping[str, int] = {}
        self._untold: dict[str, int] = {}
        self._by_hand: set[str] = set()
        self.is_in_use = False
        self.put_off = {}
        self._watchers: list[Callable[[], None]] = []

    def park(self, provider: str, seconds: float) -> None:
        """Parks it here at once, never for less than it is; the others are told as soon as `tell` is called."""
        until_ms = self._clock.now_ms() + round(seconds * 1000)
        if until_ms > self._until_ms.get(provider, 0):
            self._note(provider, until_ms)

    def decree(self, provider: str, seconds: float) -> None:
        """Like `park`, in place of what was said before, however long that was; 0 lifts it."""
        self._by_hand.add(provider)
        self._note(provider, self._clock.now_ms() + round(seconds * 1000) if seconds else 0)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Calls it, in whatever thread, when there is something to tell, or providers begin to play a part here."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Stops calling it."""
        self._watchers = [other for other in self._watchers if other is not watcher]

    def seconds(self, provider: str) -> float:
        """How long it is parked yet; 0: it is not."""
        if not self.is_in_use:
            self._come_into_use()
        until_ms = self._until_ms.get(provider, 0)
        return max(0.0, (until_ms - self._clock.now_ms()) / 1000) if until_ms else 0.0

    def soonest(self, providers: Iterable[str]) -> float:
        """After how many seconds one of them is free."""
        return min(map(self.seconds, providers), default=0.0)

    def take(self, records: Iterable[Record]) -> None:
        """Knows these from now on, and what it has yet to tell."""
        told = {record.key: msgspec.json.decode(record.value, type=Parked).until_ms for record in records}
        self._until_ms = told | self._untold
        self.is_in_use = self.is_in_use or bool(self._until_ms)

    def unknown(self, provider: str) -> float:
        """For how many seconds it is parked as nobody else knows yet; 0: it is not."""
        return self.seconds(provider) if provider in self._untold else 0.0

    async def tell(self, store: Store) -> None:
        """Stores what was said here since; what jobs said never takes the place of a longer time that another process
        has stored. Raises StoreUnavailable; the next call tells it then."""
        told, by_hand = dict(self._untold), frozenset(self._by_hand)
        if not told:
            return
        heard = [provider for provider in told if provider not in by_hand]
        longest = await parked(store, heard) if heard else {}
        now_ms = self._clock.now_ms()
        puts = [
            _put(provider, now_ms, until_ms)
            for provider, until_ms in told.items()
            if provider not in longest or longest[provider].until_ms < until_ms
        ]
        if puts:
            await store.put(puts)
        self._untold = {key: until for key, until in self._untold.items() if told.get(key) != until}
        self._by_hand &= self._untold.keys()

    def _note(self, provider: str, until_ms: int) -> None:
        self._until_ms = {**self._until_ms, provider: until_ms}
        self._untold[provider] = until_ms
        self._come_into_use()

    def _come_into_use(self) -> None:
        self.is_in_use = True
        for watcher in list(self._watchers):
            watcher()


async def parked(store: Store, providers: Sequence[str] | None = None) -> dict[str, Parked]:
    """Which of these, or of all providers, are parked now."""
    [records] = await store.get([RecordAsk(PROVIDER, None if providers is None else tuple(providers))])
    return {record.key: msgspec.json.decode(record.value, type=Parked) for record in records}


def _put(provider: str, now_ms: int, until_ms: int) -> Put:
    if until_ms <= now_ms:
        return Put(kind=PROVIDER, key=provider, value=None)
    value = msgspec.json.encode(Parked(now_ms, until_ms))
    return Put(kind=PROVIDER, key=provider, value=value, ttl_ms=until_ms - now_ms)
