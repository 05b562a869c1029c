"""This module counts how often a process calls its store, for the measure of an idle worker."""

from collections.abc import Awaitable, Callable
from typing import Any

VERBS = ("insert", "claim", "settle", "change", "extend", "promote", "scan", "count", "put", "get")


def report_calls(store: object, report: Callable[[], None]) -> None:
    """From now on `report` is called whenever this store or a twin of it is: the verbs of their class are wrapped."""
    for verb in VERBS:
        setattr(type(store), verb, _reported(getattr(type(store), verb), report))


def _reported(
    verb: Callable[..., Awaitable[Any]], report: Callable[[], None]
) -> Callable[..., Awaitable[Any]]:
    def call(*arguments: Any, **options: Any) -> Awaitable[Any]:
        report()
        return verb(*arguments, **options)

    return call
