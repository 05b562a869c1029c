"""This module decides, once for all stores that run Python, whether there is room for a job under its limits. Pure.

A job that waits for room is `held` and does not stand in line, so claims never meet it and it blocks nobody. Whoever is
pending has its room already: of a concurrency limit from the moment it is pending until it stops running; of a rate it
is reserved while the job is pending, and spent by its claim. So a claim never has to say no, and starts are as even as
claims are. What is free of a rate only grows until somebody claims, so what was reserved is there when it is claimed.
"""

import math
import struct
from collections.abc import Iterable, Sequence

import msgspec

from longshore.core.rules import FlowKey, LimitKind
from longshore.store.replies import MeterReading

SLICES = 20
"""Into how many a sliding stretch is cut: at most one in twenty of its limit stays unused."""
_EPSILON = 1e-6
"""Tokens; a time that was rounded up to a whole millisecond must find the token that it was computed for."""
_TICK_MS = 1e-3
"""Milliseconds, forgiven for the same reason: a double counts milliseconds since 1970 in steps of a quarter of it."""
_CONCURRENCY, _BUCKET = LimitKind.CONCURRENCY, LimitKind.BUCKET
"""Asking the enum for them takes as long as what is asked."""


class Meter(msgspec.Struct, kw_only=True):
    """How one limit of one key stands."""

    queue: str
    rule: str
    key: str
    kind: LimitKind
    limit: int
    per_ms: int = 0
    burst: int = 0
    used: int = 0
    """Concurrency: by pending and running jobs. A rate: reserved by pending jobs."""
    spent: bytes = b""
    """What claims have spent of a rate, as doubles: a bucket's time at which it is full again; a fixed stretch and what
    was spent in it; for a sliding one such pairs, oldest first."""
    held: int = 0
    """Jobs that wait because of it."""
    wanted: int = 1
    """What the first of them costs, as far as it is known; never more."""

    @property
    def name(self) -> str:
        """As `FlowKey.meter`."""
        return f"{self.rule}:{self.key}"

    def follow(self, key: FlowKey, now_ms: int) -> None:
        """Takes the limit over from a key. What was spent of a rate stays spent as far as the kind and the stretch are
        the same; of a bucket as many tokens, but never more than it holds now, come back as fast as they do now."""
        if (
            key.limit == self.limit
            and key.kind is self.kind
            and key.per_ms == self.per_ms
            and key.burst == self.burst
        ):
            return
        is_bucket = key.kind is self.kind is LimitKind.BUCKET
        if key.kind is not self.kind or (key.per_ms != self.per_ms and not is_bucket):
            self.spent = b""
        elif is_bucket and (key.limit, key.per_ms, key.burst) != (self.limit, self.per_ms, self.burst):
            [full_ms] = self._numbers() or (0.0,)
            missing = min(max(full_ms - now_ms, 0.0) * self.limit / self.per_ms, key.burst)
            self.spent = _pack(now_ms + missing * key.per_ms / key.limit)
        self.kind, self.limit, self.per_ms, self.burst = key.kind, key.limit, key.per_ms, key.burst

    def due_ms(self, now_ms: int) -> int | None:
        """When the first job that it holds may have room, if time alone gives it."""
        return self.next_ms(self.wanted, now_ms) if self.held else None

    def room(self, now_ms: int) -> int:
        """How much is left for jobs that want to be pending; may be below 0 after a limit was lowered."""
        if self.kind is _CONCURRENCY:
            return self.limit - self.used
        return self._free(now_ms) - self.used

    def has_room(self, cost: int, now_ms: int) -> bool:
        """Whether a job of this cost may be pending. One that costs more than the limit gives since it was lowered
        needs all of it."""
        room = self.limit - self.used if self.kind is _CONCURRENCY else self._free(now_ms) - self.used
        return room >= cost or room >= self._wants(cost)

    @property
    def is_full(self) -> bool:
        """Whether nobody may be pending before somebody leaves."""
        return self.kind is _CONCURRENCY and self.used >= self.limit

    def next_ms(self, cost: int, now_ms: int) -> int | None:
        """When there is room for so much if nobody claims meanwhile; None where only a job that leaves gives room."""
        if self.kind is LimitKind.CONCURRENCY:  # a claim gives room of it where it was a rate before
            return now_ms if self.has_room(cost, now_ms) else None
        wanted = self.used + self._wants(cost)
        if self.kind is LimitKind.BUCKET:
            if wanted > self.burst:
                return None
            [full_ms] = self._numbers() or (0.0,)
            return max(now_ms, math.ceil(full_ms + (wanted - self.burst) * self.per_ms / self.limit))
        if wanted > self.limit:
            return None
        return max(now_ms, self._windows_free_ms(wanted, now_ms))

    def hold(self, cost: int) -> None:
        """A job of this cost is held from now on."""
        self.wanted = min(self.wanted, cost) if self.held else cost
        self.held += 1

    def start(self, costs: Sequence[int], now_ms: int) -> None:
        """What jobs of these costs had reserved of a rate is claimed."""
        self.used -= sum(costs)
        self.spend_all(costs, now_ms)

    def spend(self, cost: int, now_ms: int) -> None:
        """What a claim takes of a rate. A concurrency limit knows no claims."""
        self.spend_all((cost,), now_ms)

    def spend_all(self, costs: Sequence[int], now_ms: int) -> None:
        """What claims take, one after the other."""
        if self.kind is _BUCKET:
            [full_ms] = self._numbers() or (0.0,)
            full_ms = max(full_ms, float(now_ms))
            for cost in costs:
                full_ms += cost * self.per_ms / self.limit
            self.spent = _pack(full_ms)
        elif self.kind is not _CONCURRENCY:
            window = float(now_ms // self._window_ms)
            pairs = [pair for pair in self._pairs() if self._counts(pair[0], now_ms)]
            if pairs and pairs[-1][0] == window:
                pairs[-1] = (window, pairs[-1][1] + sum(costs))
            else:
                pairs.append((window, float(sum(costs))))
            self.spent = _pack(*(number for pair in pairs for number in pair))

    def reading(self, now_ms: int) -> MeterReading:
        """How it stands, as `gauge` tells it."""
        return MeterReading(
            name=self.name,
            kind=self.kind,
            limit=self.limit,
            per_ms=self.per_ms,
            burst=self.burst,
            room=self.room(now_ms),
            used=self.used,
            held=self.held,
            next_ms=self.due_ms(now_ms),
        )

    def is_idle(self, now_ms: int) -> bool:
        """Whether it may be forgotten: it knows nothing that a new one would not know."""
        return self.used == self.held == 0 and (
            self.kind is LimitKind.CONCURRENCY or self._free(now_ms) >= self._most
        )

    @property
    def _most(self) -> int:
        return self.burst if self.kind is LimitKind.BUCKET else self.limit

    def _wants(self, cost: int) -> int:
        return max(min(cost, self._most), 1)

    def _free(self, now_ms: int) -> int:
        if self.kind is LimitKind.BUCKET:
            [full_ms] = self._numbers() or (0.0,)
            missing = max(full_ms - now_ms - _TICK_MS, 0.0) * self.limit / self.per_ms
            return math.floor(self.burst - missing + _EPSILON)
        return self.limit - round(
            sum(spent for window, spent in self._pairs() if self._counts(window, now_ms))
        )

    @property
    def _window_ms(self) -> int:
        return self.per_ms if self.kind is LimitKind.FIXED else max(self.per_ms // SLICES, 1)

    def _counts(self, window: float, now_ms: int) -> bool:
        """Whether what was spent in this window still counts."""
        return self._free_again_ms(window) > now_ms

    def _free_again_ms(self, window: float) -> int:
        """When the window stops counting. A slice counts until a whole stretch has passed since its end."""
        kept_ms = 0 if self.kind is LimitKind.FIXED else self.per_ms
        return (int(window) + 1) * self._window_ms + kept_ms

    def _windows_free_ms(self, wanted: int, now_ms: int) -> int:
        pairs = [pair for pair in self._pairs() if self._counts(pair[0], now_ms)]
        spent = round(sum(count for _, count in pairs))
        for window, count in pairs:
            if spent + wanted <= self.limit:
                break
            spent -= round(count)
            now_ms = self._free_again_ms(window)
        return now_ms

    def _numbers(self) -> tuple[float, ...]:
        return struct.unpack(f"<{len(self.spent) // 8}d", self.spent)

    def _pairs(self) -> list[tuple[float, float]]:
        numbers = self._numbers()
        return list(zip(numbers[::2], numbers[1::2], strict=True))


def _pack(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def meter_for(queue: str, key: FlowKey) -> Meter:
    """A meter that knows nothing yet."""
    return Meter(
        queue=queue,
        rule=key.rule,
        key=key.key,
        kind=key.kind,
        limit=key.limit,
        per_ms=key.per_ms,
        burst=key.burst,
    )


Asked = Sequence[tuple[FlowKey, Meter]]
"""The limits of one job, each with its meter."""


def learn(asked: Asked, now_ms: int, *, is_new: bool) -> None:
    """Takes limits over from a job that asks for room, before it is answered: from a new one always, from another
    only where a meter is idle. So it makes no difference whether an idle meter was forgotten."""
    for key, meter in asked:
        if is_new or (not meter.used and not meter.held and meter.is_idle(now_ms)):
            meter.follow(key, now_ms)


def blocker(asked: Asked, now_ms: int) -> FlowKey | None:
    """The first limit that stands in the way of a job that comes; None when none does. Where others are held it
    waits behind them."""
    for key, meter in asked:
        if meter.held or not meter.has_room(key.cost, now_ms):
            return key
    return None


def blocker_of_held(asked: Asked, holder: Meter, now_ms: int) -> FlowKey | None:
    """The limit that has no room for a held job: the one that holds it, else the first of the others; None when
    all have room."""
    if len(asked) > 1:
        asked = sorted(asked, key=lambda each: each[1] is not holder)
    for key, meter in asked:
        if not meter.has_room(key.cost, now_ms):
            return key
    return None


def enter(asked: Asked) -> None:
    """The job becomes pending."""
    for key, meter in asked:
        meter.used += key.cost


class Meters:
    """The meters of one queue that a step works with, by name; they are changed in place."""

    def __init__(self, meters: Iterable[Meter], now_ms: int) -> None:
        self._meters = {meter.name: meter for meter in meters}
        self._now_ms = now_ms

    def add(self, meter: Meter) -> None:
        """One more, which the step turned out to need."""
        self._meters[meter.name] = meter

    def learn(self, flow: Iterable[FlowKey], *, is_new: bool) -> None:
        """See `learn`."""
        learn(self._asked(flow), self._now_ms, is_new=is_new)

    def blocker(self, flow: Iterable[FlowKey]) -> FlowKey | None:
        """See `blocker`."""
        return blocker(self._asked(flow), self._now_ms)

    def blocker_of_held(self, flow: Iterable[FlowKey], held_by: str) -> FlowKey | None:
        """See `blocker_of_held`."""
        return blocker_of_held(self._asked(flow), self._meters[held_by], self._now_ms)

    def hold(self, key: FlowKey) -> None:
        """A job is held by this limit from now on."""
        self._meters[key.meter].hold(key.cost)

    def let_go(self, key: FlowKey) -> None:
        """A job is not held by this limit any more."""
        self._meters[key.meter].held -= 1

    def is_first(self, key: FlowKey) -> None:
        """Notes that this is the limit of the first job that is held by it: so much room it waits for."""
        self._meters[key.meter].wanted = key.cost

    def enter(self, flow: Iterable[FlowKey]) -> None:
        """The job becomes pending."""
        enter(self._asked(flow))

    def start(self, flow: Iterable[FlowKey]) -> None:
        """The pending job is claimed."""
        for key in flow:
            if key.kind is not _CONCURRENCY:
                self._meters[key.meter].start((key.cost,), self._now_ms)

    def leave(self, flow: Iterable[FlowKey], *, was_claimed: bool) -> None:
        """The job stops being pending or running."""
        for key in flow:
            if key.kind is _CONCURRENCY or not was_claimed:
                self._meters[key.meter].used -= key.cost

    def _asked(self, flow: Iterable[FlowKey]) -> Asked:
        return [(key, self._meters[key.meter]) for key in flow]
