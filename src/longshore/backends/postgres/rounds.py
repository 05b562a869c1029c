"""This module splits lists for statements that can take each subject only once: a row changes once in a statement."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def rounds(items: Iterable[Item], subject: Callable[[Item], Hashable]) -> Iterator[list[tuple[int, Item]]]:
    """The items with their numbers, in rounds in which no subject comes twice. Mostly there is one round."""
    left = list(enumerate(items))
    while left:
        now: list[tuple[int, Item]] = []
        later: list[tuple[int, Item]] = []
        taken: set[Hashable] = set()
        for numbered in left:
            key = subject(numbered[1])
            (later if key in taken else now).append(numbered)
            taken.add(key)
        yield now
        left = later
