"""This module prepares the calls that take in jobs with rules or edges, and reads which queues a call left something to
carry on."""

from collections.abc import Iterable

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.grouping import Numbers
from longshore.backends.redis.links import Call, Reply, Word


def left_queues(reply: Reply, size: int) -> list[str]:
    """The queues whose outbox got something: a script names them behind its `size` replies. Takes them away."""
    return [name.decode() for name in reply.pop()] if len(reply) > size else []


def ruled_call(
    caller: Caller,
    items: Iterable[tuple[str, bytes, bytes]],
    now_ms: int | None,
    *,
    are_followers: bool = False,
) -> Call:
    """One call for jobs of queues that lie together: queue, item, and edges and rules of each."""
    numbers = Numbers()
    words: list[Word] = []
    for queue, each, rules in items:
        words += (numbers.of(queue) + bytes([are_followers]) + each, rules)
    names = numbers.names
    return caller.prepared("insert_ruled", names, [len(names), *names, *words], now_ms)
