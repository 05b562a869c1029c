"""This module spells limits: how fast, and how many at once. What a job is under because of them is in `core/rules.py`.

A limit holds over all processes that share a store. `by` gives each key a limit of its own, `cost` lets a job use more
than one unit of it, and several limits compose: a job starts when all of them have room.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import Any, Literal

from longshore.core.asking import spelled
from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.names import check_name
from longshore.core.picking import By, Pick
from longshore.core.retry import MOST_ATTEMPTS, Seconds, seconds
from longshore.core.rules import FlowKey, LimitKind

Period = Seconds | Literal["second", "minute", "hour", "day"]
Kind = Literal["bucket", "sliding", "fixed"]

_PERIODS: Mapping[str, float] = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_KINDS: Mapping[str, LimitKind] = {
    "bucket": LimitKind.BUCKET,
    "sliding": LimitKind.SLIDING,
    "fixed": LimitKind.FIXED,
}
MOST = MOST_ATTEMPTS
"""Beyond it some store cannot count."""


class Limit(ABC):
    """What `Rate` and `Concurrency` have in common."""

    __slots__ = ("_cost", "_pick", "by", "cost", "limit", "name")

    word: str
    """What the limit is called where it has no name of its own."""

    def __init__(self, limit: int, by: By | None, cost: int | By, name: str | None) -> None:
        self.limit: int = _whole("limit", limit)
        self.by: By | None = by
        self.cost: int | By = cost
        self.name: str | None = None if name is None else _name(name)
        self._pick = None if by is None else Pick("by", by)
        self._cost = _cost_pick(cost)

    def picks(self) -> tuple[Pick, ...]:
        """What it reads of a job's data."""
        return tuple(pick for pick in (self._pick, self._cost) if pick is not None)

    def key_of(self, data: Any) -> Any:
        """Whose limit it is for a job with this data."""
        return None if self._pick is None else self._pick(data)

    def cost_of(self, data: Any) -> int:
        """What such a job uses of it. A part of a unit counts as one. Raises InvalidOption for what is no number."""
        cost = self.cost if self._cost is None else self._cost(data)
        if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 < cost <= MOST:
            raise InvalidOption(
                "cost",
                cost,
                f"a number above 0, at most {MOST:,} (cost={self.cost!r} picks it from the job's data)",
            )
        return ceil(cost)

    @abstractmethod
    def flow_key(self, rule: str, key: str, cost: int) -> FlowKey:
        """The limit as a job carries it."""


class Rate(Limit):
    """So many starts in so much time, over all processes: `Rate(100, per=60)`, `Rate(10, per="second", by="tenant")`.

    - kind "bucket": `limit` come back evenly over `per`, and up to `burst` (the limit itself unless told) are saved up:
      in any t seconds never more than burst + limit · t / per;
    - "sliding": never more than `limit` in any stretch of `per`; up to a twentieth of it may stay unused;
    - "fixed": never more than `limit` in each stretch of `per` since 1970, so up to twice that around a border.

    `per`: seconds, a timedelta, or "second", "minute", "hour", "day". `by` picks a key from the job's data (an
    argument's name, a dotted path, a function of the data), and each key has a limit of its own. `cost`, a number or
    picked like `by`, is what a job uses. `name` tells two limits apart that could be mistaken for each other when a
    deploy reorders them. Raises InvalidOption and UnknownOption.
    """

    __slots__ = ("_has_burst", "_has_kind", "burst", "kind", "per")
    word = "rate"

    @spelled("Rate")
    def __init__(
        self,
        limit: int,
        *,
        per: Period | None = None,
        burst: int | None = None,
        by: By | None = None,
        cost: int | By = 1,
        kind: Kind | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(limit, by, cost, name)
        self.per: float = _period(per)
        self._has_kind, self._has_burst = kind is not None, burst is not None
        kind = "bucket" if kind is None else kind
        if kind not in _KINDS:
            raise InvalidOption("kind", kind, "'bucket', 'sliding' or 'fixed'")
        self.kind: Kind = kind
        if burst is not None and kind != "bucket":
            raise InvalidOption(
                "burst", burst, f"nothing for a rate of the kind '{kind}': only a bucket saves up"
            )
        self.burst: int = self.limit if burst is None else _whole("burst", burst)
        _check_fixed_cost(self, self.most)

    def __repr__(self) -> str:
        burst = f", burst={self.burst}" if self.kind == "bucket" and self.burst != self.limit else ""
        kind = "" if self.kind == "bucket" else f", kind={self.kind!r}"
        return f"Rate({self.limit}, per={self.per:g}{burst}{kind}{_told(self)})"

    @property
    def most(self) -> int:
        """The largest cost that it can ever give."""
        return self.burst if self.kind == "bucket" else self.limit

    def shaped_as(self, other: "Rate") -> "Rate":
        """This rate with the kind of another and its burst, at most the limit of this one, as far as this one was told
        neither."""
        if self._has_kind or (self._has_burst and other.kind != "bucket"):
            return self
        burst = (
            min(other.burst, self.limit) if other.burst != other.limit and not self._has_burst else self.burst
        )
        return Rate(
            self.limit,
            per=self.per,
            burst=burst if other.kind == "bucket" else None,
            kind=other.kind,
            name=self.name,
        )

    def flow_key(self, rule: str, key: str, cost: int) -> FlowKey:
        """The limit as a job carries it."""
        burst = self.burst if self.kind == "bucket" else 0
        return FlowKey(rule, key, _KINDS[self.kind], self.limit, max(1, round(self.per * 1000)), burst, cost)


class Concurrency(Limit):
    """So many jobs at once, over all processes: `Concurrency(5)`, `Concurrency(2, by="tenant")`.

    `by`, `cost` and `name` as with `Rate`. A job counts from the moment that it may be claimed until it ends, is to be
    tried later, or its worker has died and it was rescued. Raises InvalidOption and UnknownOption.
    """

    __slots__ = ()
    word = "concurrency"

    @spelled("Concurrency")
    def __init__(
        self, limit: int, *, by: By | None = None, cost: int | By = 1, name: str | None = None
    ) -> None:
        super().__init__(limit, by, cost, name)
        _check_fixed_cost(self, self.limit)

    def __repr__(self) -> str:
        return f"Concurrency({self.limit}{_told(self)})"

    def flow_key(self, rule: str, key: str, cost: int) -> FlowKey:
        """The limit as a job carries it."""
        return FlowKey(rule, key, LimitKind.CONCURRENCY, self.limit, 0, 0, cost)


def rate_from(
    value: Any,
    option: str = "rate_limit",
    expected: str = 'a Rate such as Rate(100, per=60), or "100/minute"',
) -> Rate:
    """A Rate from itself, from the {"max": 100, "duration": 60000} of the seeds (milliseconds), or from a text such as
    "100/minute" or "100/m". Raises InvalidOption and UnknownOption."""
    if isinstance(value, Rate):
        return value
    if isinstance(value, Mapping):
        if strange := value.keys() - {"max", "duration", "groupKey"}:
            raise UnknownOption(min(strange), ("max", "duration", "groupKey"), of="a rate limit as a dict")
        if not {"max", "duration"} <= value.keys():
            raise InvalidOption(option, dict(value), '{"max": jobs, "duration": milliseconds}')
        duration = value["duration"]
        per = duration / 1000 if isinstance(duration, int | float) else duration
        return Rate(value["max"], per=per, by=value.get("groupKey"))
    if isinstance(value, str):
        count, _, period = value.partition("/")
        words = [word for word in _PERIODS if period.strip() and word.startswith(period.strip())]
        if count.strip().isdecimal() and words:
            return Rate(int(count), per=_PERIODS[words[0]])
    raise InvalidOption(option, value, expected)


def limits_from(option: str, value: Any) -> tuple[Limit, ...]:
    """One limit or a list of them, as options take them; `rate_limit` takes rates only. Raises InvalidOption."""
    several = value if isinstance(value, list | tuple) else (value,)
    if option == "rate_limit":
        limits: tuple[Limit, ...] = tuple(map(rate_from, several))
    else:
        for limit in several:
            if not isinstance(limit, Limit):
                raise InvalidOption(option, limit, _limit_for(limit))
        limits = tuple(several)
    names = [limit.name for limit in limits if limit.name is not None]
    if len(set(names)) < len(names):
        raise InvalidOption(option, value, "limits with names of their own")
    return limits


def _limit_for(value: Any) -> str:
    hint = f"; Concurrency({value})?" if isinstance(value, int) and not isinstance(value, bool) else ""
    return f"a Concurrency, a Rate, or a list of them{hint}"


def _period(per: Period | None) -> float:
    if per is None:
        raise InvalidOption("per", per, "how much time the rate is for: Rate(100, per=60), or per='minute'")
    if isinstance(per, str):
        if per not in _PERIODS:
            raise InvalidOption("per", per, "seconds, a timedelta, 'second', 'minute', 'hour' or 'day'")
        return _PERIODS[per]
    plain = per.total_seconds() if isinstance(per, timedelta) else seconds("per", per)
    if not 0.001 <= plain <= 366 * 86400:
        raise InvalidOption("per", per, "at least a millisecond, at most a year")
    return plain


def _cost_pick(cost: int | By) -> Pick | None:
    if isinstance(cost, int | float):
        _whole("cost", cost)
        return None
    return Pick("cost", cost)


def _whole(option: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        hint = "; to stop a queue, pause it" if value == 0 and option == "limit" else ""
        if option == "limit" and isinstance(value, float) and 0 < value < 1:
            hint = "; less than one per second is one per more seconds"
        raise InvalidOption(option, value, f"a whole number, 1 to {MOST:,}{hint}")
    return value


def _name(value: str) -> str:
    name = check_name("limit", value)
    if ":" in name or "/" in name or name == "key":
        raise InvalidOption("name", value, "a name without : and /, and not 'key'")
    return name


def _check_fixed_cost(limit: Limit, most: int) -> None:
    if isinstance(limit.cost, int) and limit.cost > most:
        raise InvalidOption(
            "cost", limit.cost, f"at most {most}, which is all that this limit ever gives at once"
        )


def _told(limit: Limit) -> str:
    told = [("by", limit.by, None), ("cost", limit.cost, 1), ("name", limit.name, None)]
    return "".join(f", {word}={value!r}" for word, value, default in told if value != default)
