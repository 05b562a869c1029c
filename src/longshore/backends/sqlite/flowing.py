"""This module lets jobs with rules into the line or has them held, one by one, as a verb comes to them."""

from collections import defaultdict
from collections.abc import Iterable

from longshore.backends.sqlite.meters import Entry
from longshore.backends.sqlite.rows import HELD, PENDING, Row
from longshore.backends.sqlite.serving import Serving
from longshore.backends.sqlite.steps import Place, Step
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.rules import LimitKind, Rules


class Flow:
    """What a verb does with the meters. Its last word is `serve`."""

    def __init__(self, tx: Transaction, now_ms: int) -> None:
        self._tx = tx
        self._step = Step(tx, now_ms)
        self._touched: set[Place] = set()

    def expect(self, jobs: Iterable[tuple[str, Rules]]) -> None:
        """Reads the meters of jobs (queue, rules) that come, with one statement for each queue."""
        names: defaultdict[str, set[str]] = defaultdict(set)
        for queue, rules in jobs:
            names[queue].update([key.meter for key in rules.flow])
        for queue, wanted in names.items():
            self._tx.meters.load(queue, wanted)

    def line_up(
        self, queue: str, priority: int, rules: Rules, *, place: int = 0, turn: int = 0, is_new: bool = False
    ) -> Row:
        """Where a job that wants to be pending stands from now on: state, turn, ord, held_by. Without a `place` of
        its own it goes to the tail."""
        meters = self._step.meters(queue, rules.flow)
        self._touched.update([(queue, key.meter) for key in rules.flow])
        meters.learn(rules.flow, is_new=is_new)
        place = place or self._tx.places(queue, 1)
        blocker = meters.blocker(rules.flow)
        if blocker is not None:
            meters.hold(blocker)
            return HELD, turn, place, blocker.meter
        meters.enter(rules.flow)
        return PENDING, self._step.turn(queue, priority, rules, turn), place, None

    def start(self, queue: str, rules: Rules) -> None:
        """A pending job is claimed."""
        rates = [key for key in rules.flow if key.kind is not LimitKind.CONCURRENCY]
        self._step.meters(queue, rates).start(rates)

    def leave(self, queue: str, rules: Rules, *, was_claimed: bool) -> None:
        """A job stops being pending or running."""
        used = [key for key in rules.flow if key.kind is LimitKind.CONCURRENCY or not was_claimed]
        if used:  # of a rate nothing comes back
            self._step.meters(queue, used).leave(used, was_claimed=was_claimed)
            self._touched.update([(queue, key.meter) for key in used])

    def let_go(self, queue: str, rules: Rules, held_by: str) -> None:
        """A job is not held any more."""
        meters = self._step.meters(queue, rules.flow)
        for key in rules.flow:
            if key.meter == held_by:
                meters.let_go(key)
                self._touched.add((queue, held_by))

    def touch_held(self, queue: str, rules: Rules, held_by: str) -> None:
        """A job that is held may have another place among the others that its meter holds."""
        self._step.meters(queue, rules.flow)
        self._touched.add((queue, held_by))

    def touch(self, entry: Entry) -> None:
        """A meter that is to serve."""
        self._touched.add(self._step.know(entry))

    def serve(self) -> set[str]:
        """The end of the verb: meters that were touched serve those that they hold. Gives the queues of jobs that
        became pending so."""
        served = Serving(self._step).serve(self._touched) if self._touched else set()
        self._step.note_times()
        return served


def has_rates(rules: Rules) -> bool:
    """Whether a claim takes something of the job's limits."""
    return any(key.kind is not LimitKind.CONCURRENCY for key in rules.flow)


def has_slots(rules: Rules) -> bool:
    """Whether the end of a claim gives something back."""
    return any(key.kind is LimitKind.CONCURRENCY for key in rules.flow)
