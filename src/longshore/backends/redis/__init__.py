"""This package is the Redis store: one script per verb, on a server alone, behind Sentinels, or in a Cluster."""

from longshore.backends.redis.store import RedisStore
from longshore.backends.redis.url import read_url
from longshore.core.clock import Clock

__all__ = ["RedisStore", "from_url"]


def from_url(url: str, *, clock: Clock | None = None) -> RedisStore:
    """The store of a URL; `url.py` says what it may hold. Raises SettingsError, InvalidOption and UnknownOption."""
    return RedisStore(read_url(url), clock=clock)
