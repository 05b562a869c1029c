"""This module says which items of a list go into one call: all of them, or on a Cluster those of each queue."""

from collections.abc import Sequence


def grouped(queues: Sequence[str], *, is_cluster: bool) -> list[Sequence[int]]:
    """The positions of items, by the queues in which they are."""
    if not is_cluster:
        return [range(len(queues))]
    groups: dict[str, list[int]] = {}
    for position, queue in enumerate(queues):
        groups.setdefault(queue, []).append(position)
    return list(groups.values())


class Numbers:
    """The queues of one call, each with its number in two bytes, as the arguments have it."""

    def __init__(self) -> None:
        self._numbers: dict[str, bytes] = {}

    @property
    def names(self) -> list[str]:
        """The queues in the order of their numbers."""
        return list(self._numbers)

    def of(self, queue: str) -> bytes:
        """The number of a queue, the next one for a new one."""
        number = self._numbers.get(queue)
        if number is None:
            number = self._numbers[queue] = len(self._numbers).to_bytes(2, "little")
        return number
