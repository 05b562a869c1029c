"""This module keeps the leases of workers' sessions."""

import struct
from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Lane
from longshore.core.ids import JobId
from longshore.store.commands import Lease
from longshore.store.replies import Extended

OPENS = 1
_LEASE = struct.Struct("<Bd")


async def extend(caller: Caller, leases: Sequence[Lease], now_ms: int | None) -> list[Extended]:
    """Opens, prolongs and ends sessions."""
    replies = await caller.at_home("extend", [packed(lease) for lease in leases], now_ms, Lane.LEASE)
    return [
        Extended(
            held=reply[:1] == b"1",
            cancel=tuple(JobId(reply[at : at + 16]) for at in range(1, len(reply), 16)),
        )
        for reply in replies
    ]


def packed(lease: Lease) -> bytes:
    """A lease as the script reads it."""
    return _LEASE.pack(OPENS * lease.opens, lease.lease_ms) + lease.session.encode()
