"""This package is the memory store: the whole contract in one process, nothing to install, nothing kept."""

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import Clock

__all__ = ["MemoryStore", "from_url"]


def from_url(url: str, *, clock: Clock | None = None) -> MemoryStore:
    """`memory://` is a store of its own each time; `memory://name` is the same one for the whole process."""
    return MemoryStore(clock, name=url.partition("://")[2])
