"""This module runs plain functions in threads, so that the event loop never waits for them.

Threads block on one `SimpleQueue`; what came of a job goes into a deque, and one wake-up of the loop collects all
that is there: no future, no lock and no timer per job. A thread that has ended an errand first asks it for the one that
follows. Only a thread that finds none wakes the loop; while the others go on, the loop looks every millisecond.

What that is worth is in ADR 0002.

Python cannot stop a thread. One that is abandoned gets a successor, and is reported with where it is stuck; what it
may still return is dropped. Threads are daemons, so a stuck one cannot keep the process from ending.
"""

import asyncio
import logging
import sys
import threading
import traceback
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from longshore.worker.runner import Errand

log = logging.getLogger("longshore.worker")

BREATH_SECONDS = 0.001
"""While threads pass on from errand to errand without the loop, it collects what they did this often."""


class ThreadRunner:
    """Runs errands on at most `slots` threads, started when first needed.

    More errands than slots may be handed over: they wait their turn, and their code begins with `call`.
    """

    def __init__(self, slots: int, on_collected: Callable[[], None] = lambda: None) -> None:
        """`on_collected` is called on the loop after each batch of `done`."""
        self._slots = slots
        self._on_collected = on_collected
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[Ticket | None] = SimpleQueue()
        self._ended: deque[Ended] = deque()
        self._woken = False
        self._looks_again = False
        """The loop collects soon, woken or not."""
        self._tickets: dict[int, Ticket] = {}
        """Of errands that have not ended. Whoever takes one out, thread or loop, says how its errand ends."""
        self._places: list[Place] = []
        self._started = 0

    async def close(self) -> None:
        """Lets each thread end after the errand it has; errands that still wait are begun by nobody."""
        for place in self._places:
            place.leaves = True
            self._waiting.put(None)

    def submit(self, errand: Errand) -> None:
        """Runs the errand as soon as a thread is free."""
        ticket = self._tickets[id(errand)] = Ticket(errand)
        self._waiting.put(ticket)
        self._man()

    def cancel(self, errand: Errand) -> None:
        """Ends an errand that no thread has begun, with CancelledError; one that has begun must end itself."""
        ticket = self._tickets.get(id(errand))
        if ticket is None:
            return
        ticket.unwanted = True  # said before looking whether it began; the thread looks in the other order
        if ticket.place is None:
            del self._tickets[id(errand)]
            self._finish(errand, None, CancelledError())

    def abandon(self, errand: Errand) -> None:
        """Forgets the errand, with its thread if it has begun: another takes its place, and the log says where the
        old one is stuck."""
        ticket = self._tickets.pop(id(errand), None)
        if ticket is None:
            self._collect()  # it may have ended just now
            return
        ticket.unwanted = True
        place = ticket.place
        if place is None or place.leaves:
            return
        place.leaves = True
        self._places.remove(place)
        log.error(
            "Thread %s did not end its job (%s) and was replaced. It is at:\n%s",
            place.thread.name,
            errand.handler.name,
            whereabouts(place.thread),
        )
        self._man()

    # ------------------------------------------------------------------------------------------ in the threads

    def _work(self, place: "Place") -> None:
        while not place.leaves:
            ticket = self._waiting.get()
            while ticket is not None:
                ticket = self._run(ticket, place)
            # and a thread that waits keeps nothing of its last job alive

    def _run(self, ticket: "Ticket", place: "Place") -> "Ticket | None":
        """Runs an errand to its end; returns the one that this thread runs next without having waited."""
        outcome: Any = None
        error: BaseException | None = None
        ticket.place = place
        errand = ticket.errand
        try:
            if ticket.unwanted:
                raise CancelledError  # noqa: TRY301 - cancelled while it waited
            outcome = errand.call()
        except BaseException as raised:  # noqa: BLE001 - SystemExit ends the job, not the thread
            error = raised
        if self._tickets.pop(id(errand), None) is None:  # cancelled or abandoned
            return None
        following = None if place.leaves else self._follow(errand)
        self._ended.append((errand, outcome, error, following is not None))
        if not self._woken and (following is None or not self._looks_again):
            self._wake()
        return following

    def _follow(self, errand: Errand) -> "Ticket | None":
        following = errand.follow()
        if following is None:
            return None
        ticket = self._tickets[id(following)] = Ticket(following)
        return ticket

    def _wake(self) -> None:
        self._woken = (
            True  # two threads may both have seen False: the loop collects twice, which harms nothing
        )
        try:
            self._loop.call_soon_threadsafe(self._collect)
        except RuntimeError:  # the loop is closed: the worker is gone and wants no outcome
            log.debug("A thread ended its job after the event loop was closed.")

    # --------------------------------------------------------------------------------------------- on the loop

    def _man(self) -> None:
        """Starts a thread if there is more to do than threads to do it."""
        if len(self._places) < min(self._slots, len(self._tickets)):
            self._started += 1
            place = Place()
            place.thread = threading.Thread(
                target=self._work, args=(place,), name=f"longshore-{self._started}", daemon=True
            )
            self._places.append(place)
            place.thread.start()

    def _collect(self) -> None:
        self._woken = False  # before looking: what comes after this line wakes the loop again
        ended = self._ended
        are_busy = False
        for _ in range(len(ended)):
            errand, outcome, error, was_followed = ended.popleft()
            are_busy |= was_followed
            self._finish(errand, outcome, error)
        self._on_collected()
        if are_busy and not self._looks_again:
            self._looks_again = True
            self._loop.call_later(BREATH_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._looks_again = False  # before looking, too
        self._collect()

    def _finish(self, errand: Errand, outcome: Any, error: BaseException | None) -> None:
        try:
            errand.done(outcome, error)
        except Exception:
            log.exception("What came of a job could not be passed on.")


Ended = tuple[Errand, Any, BaseException | None, bool]
"""An errand, its outcome, its error, and whether another errand followed it in its thread."""


class Ticket:
    """An errand in flight. `place` is written by the thread that takes it, `unwanted` by the loop."""

    __slots__ = ("errand", "place", "unwanted")

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.place: Place | None = None
        self.unwanted = False


class Place:
    """One thread of a runner, and whether it leaves after what it has."""

    __slots__ = ("leaves", "thread")

    def __init__(self) -> None:
        self.leaves = False
        self.thread = threading.current_thread()


def whereabouts(thread: threading.Thread) -> str:
    """The thread's stack, as a traceback prints it; empty if it has ended."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - the documented way in
    return "".join(traceback.format_stack(frame)) if frame is not None else ""
