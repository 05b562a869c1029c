"""This module is the arithmetic of a Redis Cluster: which slot a key has, and which server has a slot."""

from collections.abc import Iterable, Sequence
from typing import Any

from redis.crc import key_slot

from longshore.backends.redis.url import Host

SLOTS = 16_384


def slot_of(key: bytes) -> int:
    """The slot of a key, from what stands between its first braces."""
    return key_slot(key)


def read_slots(reply: Iterable[Sequence[Any]], asked: Host) -> list[Host | None]:
    """The master of each slot, from the answer to CLUSTER SLOTS; None where a slot has none.

    A server that does not know its own name leaves it out: then it is the one that was asked.
    """
    hosts: list[Host | None] = [None] * SLOTS
    for first, last, master, *_ in reply:
        name = (master[0] or b"").decode()
        host = Host(asked.name if name in {"", "?"} else name, int(master[1]))
        hosts[first : last + 1] = [host] * (last + 1 - first)
    return hosts
