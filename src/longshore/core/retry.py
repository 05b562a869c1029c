"""This module says how long to wait before the next attempt. Pure: the attempt goes in, seconds come out.

Curves: exponential (the default), linear, constant, a list of delays, or the user's own function. Jitter spreads the
retries of jobs that failed together; "full" jitter (anywhere between 0 and the delay) is what an analysis by AWS found
best against herds ("Exponential Backoff and Jitter", 2015), but never waits for a sure minimum, so ours keeps half.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any, Literal

from longshore.core.asking import spelled
from longshore.core.errors import InvalidOption, UnknownOption

Curve = Literal["exponential", "linear", "constant"]
Seconds = float | timedelta

RetryIf = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]

UNLIMITED = 0
"""As `max_attempts`: until it succeeds."""
MOST_ATTEMPTS = 2**31 - 1
"""Beyond it some store cannot count."""
MOST_SECONDS = 10**11
"""Three thousand years: what is later has no date that Python could show."""


class Retry:
    """When to try again, and how often.

    `max_attempts` counts the first attempt too; 0 means no limit. The n-th failure is followed by

    - "exponential": initial * factor^(n-1) seconds,
    - "linear": initial * n,
    - "constant": initial,
    - `delays=[…]`: the n-th of the list, the last one for all that follow,
    - `backoff=fn`: fn(failures, error type) seconds, e.g. `lambda n, error: 5 if error == "TimeoutError" else n * 60`,

    never above `maximum`, and with `jitter` somewhere between half of it and all of it. `retry_if` decides by the
    exception whether to try again at all: a class, a tuple of classes, or a function of the exception.
    Raises InvalidOption for values that make no sense.
    """

    __slots__ = (
        "backoff",
        "curve",
        "delays",
        "factor",
        "initial",
        "jitter",
        "max_attempts",
        "maximum",
        "retry_if",
    )

    @spelled("Retry")
    def __init__(
        self,
        max_attempts: int = 3,
        *,
        initial: Seconds = 1.0,
        factor: float = 2.0,
        maximum: Seconds = 3600.0,
        jitter: bool = True,
        curve: Curve = "exponential",
        delays: Sequence[Seconds] | None = None,
        backoff: Callable[[int, str], float] | None = None,
        retry_if: RetryIf | None = None,
    ) -> None:
        self.max_attempts: int = _whole("max_attempts", max_attempts)
        self.initial: float = seconds("initial", initial)
        self.factor: float = float(factor)
        self.maximum: float = seconds("maximum", maximum)
        self.jitter: bool = bool(jitter)
        if curve not in ("exponential", "linear", "constant"):
            raise InvalidOption("curve", curve, "'exponential', 'linear' or 'constant'")
        self.curve: Curve = curve
        self.delays: tuple[float, ...] | None = (
            tuple(seconds("delays", delay) for delay in delays) if delays is not None else None
        )
        if self.delays == ():
            raise InvalidOption("delays", delays, "at least one delay")
        if self.factor < 1:
            raise InvalidOption("factor", factor, "1 or more")
        self.backoff: Callable[[int, str], float] | None = backoff
        self.retry_if: RetryIf | None = retry_if

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"Retry({shown})"

    def allows(self, failures: int, *, max_attempts: int | None = None) -> bool:
        """Whether there is another attempt after so many failures; `max_attempts` of the job wins over the policy's."""
        limit = self.max_attempts if max_attempts is None else max_attempts
        return limit == UNLIMITED or failures < limit

    def wants(self, error: BaseException) -> bool:
        """Whether this exception is worth another attempt."""
        if self.retry_if is None:
            return True
        if isinstance(self.retry_if, type | tuple):
            return isinstance(error, self.retry_if)
        return bool(self.retry_if(error))

    def delay(self, failures: int, random: Random, *, error_type: str = "") -> float:
        """Seconds to wait after the n-th failure (from 1)."""
        if self.backoff is not None:
            raw = float(self.backoff(failures, error_type))
        elif self.delays is not None:
            raw = self.delays[min(failures, len(self.delays)) - 1]
        elif self.curve == "exponential":
            raw = self.initial * self.factor ** min(failures - 1, 64)
        else:
            raw = self.initial * (failures if self.curve == "linear" else 1)
        capped = max(0.0, min(raw, self.maximum))
        return capped * random.uniform(0.5, 1.0) if self.jitter else capped

    def to_dict(self) -> dict[str, Any]:
        """The policy as plain values, for a job that carries its own. Raises InvalidOption for functions."""
        if self.backoff is not None or self.retry_if is not None:
            raise InvalidOption(
                "retry", "a policy with functions", "functions on the task, plain numbers on a job"
            )
        plain: dict[str, Any] = {
            "max_attempts": self.max_attempts,
            "initial": self.initial,
            "factor": self.factor,
            "maximum": self.maximum,
            "jitter": self.jitter,
            "curve": self.curve,
        }
        return plain | ({"delays": list(self.delays)} if self.delays is not None else {})

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Retry":
        """The policy of `to_dict`; the seeds' words are understood too:
        {"type": "exponential", "delay": 2000} in milliseconds (003), {"maxRetries", "initialDelay", …} (000, 004)."""
        return cls(**{key: value for key, value in _translated(plain).items() if value is not None})


_OWN = frozenset({"max_attempts", "initial", "factor", "maximum", "jitter", "curve", "delays"})
_SEEDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "attempts": ("max_attempts", int),
    "maxRetries": ("max_attempts", lambda retries: int(retries) + 1),
    "type": ("curve", lambda kind: "constant" if kind == "fixed" else kind),
    "delay": ("initial", lambda ms: ms / 1000),
    "initialDelay": ("initial", lambda ms: ms / 1000),
    "baseDelay": ("initial", lambda ms: ms / 1000),
    "multiplier": ("factor", float),
    "backoffMultiplier": ("factor", float),
    "maxDelay": ("maximum", lambda ms: ms / 1000),
}


def _translated(plain: dict[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    for key, value in plain.items():
        if key in _OWN:
            own[key] = value
        elif key in _SEEDS:
            name, convert = _SEEDS[key]
            own[name] = convert(value)
        else:
            raise UnknownOption(key, [*_OWN, *_SEEDS], of="a retry policy")
    return own


def seconds(option: str, value: Seconds) -> float:
    """A duration in seconds. Raises InvalidOption when it is negative or no duration."""
    plain = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not 0 <= plain <= MOST_SECONDS:
        raise InvalidOption(option, value, f"seconds (0 to {MOST_SECONDS:,}) or a timedelta")
    return float(plain)


def _whole(option: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ATTEMPTS:
        raise InvalidOption(option, value, "a whole number of attempts, 0 for no limit")
    return value
