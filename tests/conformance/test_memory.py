"""The store contract, on memory."""

from longshore.backends.memory.store import MemoryStore
from longshore.testing.conformance import conform

TestMemory = conform(lambda place: MemoryStore(name=place.name), round_trips=lambda store: store.round_trips)
