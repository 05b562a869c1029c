"""This module lets jobs with rules into the line or has them held, one by one, as a verb comes to them."""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from longshore.backends.sqlite.meters import Entry
from longshore.backends.sqlite.rows import HELD, PENDING, RULES_KEPT, Row, rules_of
from longshore.backends.sqlite.serving import Serving
from longshore.backends.sqlite.steps import Step
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.rules import FlowKey, LimitKind, Rules
from longshore.store.admission import blocker, enter, learn

_CONCURRENCY = LimitKind.CONCURRENCY
Slots = tuple[tuple[FlowKey, str], ...]
"""The concurrency limits of a job, with the names of their meters: to make one takes as long as to find the meter."""


class Flow:
    """What a verb does with the meters. Its last word is `serve`."""

    def __init__(self, tx: Transaction, now_ms: int) -> None:
        self._tx = tx
        self._step = Step(tx, now_ms)

    def expect(self, jobs: Iterable[tuple[str, Rules]]) -> None:
        """Reads the meters of jobs (queue, rules) that come, with one statement for each queue."""
        names: defaultdict[str, set[str]] = defaultdict(set)
        for queue, rules in jobs:
            wanted = names[queue]
            for key in rules.flow:
                wanted.add(key.meter)
        for queue, wanted in names.items():
            self._step.table.load(queue, wanted)

    def expect_meters(self, queue: str, names: Iterable[str]) -> None:
        """Reads these meters, with one statement."""
        self._step.table.load(queue, names)

    def line_up(
        self, queue: str, priority: int, rules: Rules, *, place: int = 0, turn: int = 0, is_new: bool = False
    ) -> Row:
        """Where a job that wants to be pending stands from now on: state, turn, ord, held_by. Without a `place` of
        its own it goes to the tail."""
        step = self._step
        asked = step.asked(queue, rules.flow)
        learn(asked, step.now_ms, is_new=is_new)
        place = place or self._tx.places(queue, 1)
        holder = blocker(asked, step.now_ms)
        if holder is not None:
            name = holder.meter
            entry = step.table.entry(queue, holder, name)
            entry.meter.hold(holder.cost)
            entry.line.join(priority, place)
            step.touch(queue, rules.flow)
            return HELD, turn, place, name
        enter(asked)
        return PENDING, step.turn(queue, priority, rules, turn), place, None

    def start(self, queue: str, claimed: Iterable[Rules]) -> None:
        """Pending jobs are claimed: what they had reserved of rates is spent."""
        costs: dict[str, tuple[Entry, list[int]]] = {}
        for rules in claimed:
            for key in rules.flow:
                if key.kind is not _CONCURRENCY:
                    name = key.meter
                    if name not in costs:
                        costs[name] = self._step.table.entry(queue, key, name), []
                    costs[name][1].append(key.cost)
        for name, (entry, spent) in costs.items():
            entry.meter.start(spent, self._step.now_ms)
            if entry.meter.held:
                self._step.noted[queue, name] = entry

    def end_claim(self, queue: str, slots: Slots) -> None:
        """A job runs no more. Of a rate nothing comes back to one that was claimed."""
        entry_of, touched = self._step.table.entry, self._step.touched
        for key, name in slots:
            entry = entry_of(queue, key, name)
            meter = entry.meter
            meter.used -= key.cost
            if meter.held:
                touched[entry.place] = entry

    def leave_the_line(self, queue: str, rules: Rules) -> None:
        """A job is pending no more, and was not claimed."""
        self.end_claim(queue, tuple((key, key.meter) for key in rules.flow))

    def let_go(self, queue: str, rules: Rules, held_by: str) -> None:
        """A job is not held any more."""
        for key in rules.flow:
            if key.meter == held_by:
                entry = self._step.touched[queue, held_by] = self._step.table.entry(queue, key, held_by)
                entry.meter.held -= 1
                entry.line.leave()

    def move_held(self, queue: str, rules: Rules, held_by: str, priority: int, place: int) -> None:
        """A job that is held has another place among the others that its meter holds."""
        for key in rules.flow:
            if key.meter == held_by:
                entry = self._step.touched[queue, held_by] = self._step.table.entry(queue, key, held_by)
                entry.line.leave()
                entry.line.join(priority, place)

    def touch(self, entry: Entry) -> None:
        """A meter that is to serve."""
        self._step.touched[entry.place] = entry

    def serve(self) -> set[str]:
        """The end of the verb: meters that were touched serve those that they hold. Gives the queues of jobs that
        became pending so."""
        served = Serving(self._step).serve() if self._step.touched else set()
        self._step.note_times()
        return served


@lru_cache(maxsize=RULES_KEPT)
def with_rates(packed: bytes) -> Rules | None:
    """A job's rules, if a claim takes something of its limits."""
    rules = rules_of(packed)
    has_any = rules is not None and any(key.kind is not _CONCURRENCY for key in rules.flow)
    return rules if has_any else None


@lru_cache(maxsize=RULES_KEPT)
def slots_of(packed: bytes) -> Slots:
    """What the end of a claim gives back."""
    rules = rules_of(packed)
    if rules is None:
        return ()
    return tuple((key, key.meter) for key in rules.flow if key.kind is _CONCURRENCY)
