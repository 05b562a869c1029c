"""This module is what one step does to jobs that wait for others: who is told what, and what becomes of them.

A statement that ends a job which is known to have children notes that in the table `telling`. The process that sent it
tells the children right after, in a transaction of its own (`propagating.py`); where it died in between, `promote`
does. New jobs look at their parents in the transaction that stores them, and lock the rows of those that are not over:
so a parent has either ended before, and is seen to be over, or it ends later, and knows of its child.
"""

from collections import deque
from collections.abc import Collection, Sequence

import msgspec

from longshore.backends.postgres.children import Child, read_child
from longshore.backends.postgres.dialect import Dialect, Row, Runs
from longshore.backends.postgres.ledger import Ledger, ruled
from longshore.backends.postgres.rows import FIRST_TERMINAL
from longshore.core.edges import ORPHAN_MS, Edge, Edges, Join, Missed, When, becomes, is_met
from longshore.core.ids import JobId
from longshore.core.states import CODES, ORDER, State

TOLD_AT_ONCE = 1000
"""Edges; where there are more, `promote` goes on."""
LOOKS = 3
"""How often parents are looked for that somebody else has in hands at that moment."""
AGAIN_MS = 10
"""Until the next look at those that still were."""
FOR_EVER = (1 << 63) - 1


class _Look(msgspec.Struct):
    """An edge whose parent is looked for."""

    child: Child
    number: int
    parent: str
    on: When
    missed: Missed
    until_ms: int
    look_ms: int | None = None
    """Once it has been looked for: when again; None: it is linked."""


class _Teller(msgspec.Struct, frozen=True):
    """A job that has ended, and tells its children."""

    id: str
    end: State
    notice: int | None = None
    """Its number in `telling`, if it has one."""


class Dependents:
    """The jobs that a step blocks, tells and frees."""

    def __init__(self, connection: Runs, dialect: Dialect, now_ms: int) -> None:
        self._connection = connection
        self._dialect = dialect
        self.now_ms = now_ms
        self._children: dict[str, Child] = {}
        self._looks: list[_Look] = []
        self._came: list[Child] = []
        self._tellers: deque[_Teller] = deque()
        self._learned: dict[tuple[str, int], None] = {}
        """Edges by child and number."""
        self._freed: list[Child] = []
        self._ended: list[Child] = []
        self._told: list[int] = []
        self._left: list[_Teller] = []

    @property
    def has_come(self) -> bool:
        """Whether jobs have come that are blocked."""
        return bool(self._came)

    @property
    def asking(self) -> list[Child]:
        """Those that were freed and want to be pending, in order."""
        return [child for child in self._freed if not self._waits(child)]

    def come(self, child: Child, edges: Edges | None, only: Collection[JobId] | None = None) -> None:
        """A job is blocked, by all of its edges or those that lead to these parents."""
        self._children[child.id] = child
        self._came.append(child)
        self._looks += [
            _Look(child, number, edge.parent.hex(), edge.on, edge.missed, self.now_ms + ORPHAN_MS)
            for number, edge in enumerate(() if edges is None else edges.parents)
            if only is None or edge.parent in only
        ]

    async def finish(self, ledger: Ledger) -> None:
        """Those that came look at their parents, and what follows from that is written. `ledger` serves last."""
        await self.look()
        await self.tell()
        await self.keep(ledger)
        await ledger.serve()
        await ledger.keep()

    async def put_off(self) -> None:
        """Leaves it to the next `promote` to look: the caller's transaction may stay open for long."""
        for look in self._looks:
            look.look_ms = self.now_ms
        await self._await_parents(self._looks)

    async def look_due(self) -> None:
        """Looks once more for parents that were not there."""
        rows = await self._dialect.fetch(self._connection, "looks_due", self.now_ms, TOLD_AT_ONCE)
        self._looks = [
            _Look(self._child(row), row[2], row[0].hex(), When(row[3]), Missed(row[4]), row[5])
            for row in rows
        ]
        await self.look()

    async def look(self) -> None:
        """How it is with the parents of those that came."""
        states = await self._parents() if self._looks else {}
        for child in self._came:
            child.is_watched = child.id in states
            if not child.open:
                self._is_out(child)
        for look in self._looks:
            if not look.child.is_decided:
                self._look(look, states)
        open_ones = [look for look in self._looks if not look.child.is_decided]
        learned = self._learned
        await self._await_parents([look for look in open_ones if (look.child.id, look.number) not in learned])

    async def _parents(self) -> dict[str, int | None]:
        """The states of those that are there; 0: it is not over, and will tell; None: somebody has it in hands."""
        asked = list(dict.fromkeys(look.parent for look in self._looks))
        states: dict[str, int | None] = {}
        for _ in range(LOOKS):
            for found, state in await self._dialect.fetch(
                self._connection, "link", asked, self._dialect.channel
            ):
                parent = found.hex()
                states[parent] = state if states.get(parent) is None else states[parent]
            asked = [parent for parent in asked if states.get(parent, 0) is None]
            if not asked:
                break
        return states

    def _look(self, look: _Look, states: dict[str, int | None]) -> None:
        here = self._children.get(look.parent)
        if here is not None and here.end is not None:
            self._learn(look.child, look.number, look.on, look.missed, here.end)
        elif look.parent not in states:
            if look.until_ms > self.now_ms:
                look.look_ms = look.until_ms
            else:
                self._learn(look.child, look.number, look.on, look.missed, State.CANCELLED)
        elif (state := states[look.parent]) is None:
            look.look_ms = self.now_ms + AGAIN_MS
        elif state >= FIRST_TERMINAL:
            self._learn(look.child, look.number, look.on, look.missed, ORDER[state])

    async def _await_parents(self, looks: Sequence[_Look]) -> None:
        if not looks:
            return
        await self._dialect.fetch(
            self._connection,
            "tie",
            self._dialect.channel,
            sorted({look.child.queue for look in looks if look.look_ms is not None}),
            [look.child.id for look in looks],
            [look.number for look in looks],
            [look.parent for look in looks],
            [look.on for look in looks],
            [look.missed for look in looks],
            [look.look_ms is None for look in looks],
            [look.look_ms for look in looks],
            [look.until_ms for look in looks],
        )

    async def read_tellers(self, first: Sequence[str] = ()) -> None:
        """Those that have ended and are still to tell; of these the ones that ended just now last, in their order."""
        rows = await self._dialect.fetch(self._connection, "tells", TOLD_AT_ONCE)
        order = {parent: number for number, parent in enumerate(first)}
        tellers = [_Teller(row[1].hex(), ORDER[row[2]], row[0]) for row in rows]
        own = sorted((each for each in tellers if each.id in order), key=lambda each: order[each.id])
        self._tellers.extendleft(reversed([each for each in tellers if each.id not in order] + own))

    async def tell(self) -> None:
        """Everybody that has ended tells its children, and those that end so tell theirs."""
        room = TOLD_AT_ONCE
        while self._tellers and room > 0:
            level, self._tellers = list(self._tellers), deque()
            rows = await self._dialect.fetch(
                self._connection,
                "children",
                [each.id for each in level],
                [FOR_EVER if each.notice is None else each.notice for each in level],
                room,
            )
            for row in rows:
                child = self._child(row)
                if not child.is_decided:
                    self._learn(child, row[2], When(row[3]), Missed(row[4]), level[row[12] - 1].end)
            is_cut = len(rows) == room
            told = level[: rows[-1][12] - 1] if is_cut else level
            self._told += [each.notice for each in told if each.notice is not None]
            self._left += [each for each in level[len(told) :] if each.notice is None]
            room -= len(rows)
        self._left += [each for each in self._tellers if each.notice is None]

    def _child(self, row: Row) -> Child:
        """The child of a row, with what this step knows of it."""
        job_id = row[1].hex()
        if job_id not in self._children:
            self._children[job_id] = read_child(row)
        return self._children[job_id]

    def _learn(self, child: Child, number: int, on: When, missed: Missed, end: State) -> None:
        """A job learns how one of its parents ended, once."""
        if (child.id, number) in self._learned:
            return
        self._learned[child.id, number] = None
        child.open -= 1
        child.has_learned = True
        if is_met(on, end):
            if child.join is Join.ANY or not child.open:
                self._free(child)
            return
        state = becomes(Edge(JobId(b""), "", on, missed), end)
        if child.join is Join.ALL:
            self._end(child, state)
            return
        child.is_cancelled = child.is_cancelled or state is State.CANCELLED
        if not child.open:
            self._is_out(child)

    def _is_out(self, child: Child) -> None:
        """It has no open edge any more: all were met, or where one was enough, all were missed."""
        if child.join is Join.ALL:
            self._free(child)
        else:
            self._end(child, State.CANCELLED if child.is_cancelled else State.SKIPPED)

    def _free(self, child: Child) -> None:
        child.is_free = True
        self._freed.append(child)

    def _end(self, child: Child, state: State) -> None:
        child.end = state
        self._ended.append(child)
        if child.is_watched:
            self._tellers.append(_Teller(child.id, state))

    def _waits(self, child: Child) -> bool:
        return child.run_ms is not None and child.run_ms > self.now_ms

    @property
    def locks(self) -> set[str]:
        """The queues whose locks are needed for what was freed."""
        return {child.queue for child in self.asking if ruled(child.rules)}

    async def keep(self, ledger: Ledger) -> None:
        """Writes what was decided; those that want to be pending ask for room."""
        asking = self.asking
        await ledger.load((child.queue, child.priority, child.rules) for child in asking)
        await self._untie()
        for child in asking:
            ledger.ask(child.contender(ledger.next_place()))

    async def _untie(self) -> None:
        decided = [*self._freed, *self._ended]
        blocked = [child for child in self._children.values() if child.has_learned and not child.is_decided]
        learned = [(child, number) for child, number in self._learned if not self._children[child].is_decided]
        if not (decided or blocked or self._told or self._left):
            return
        await self._dialect.fetch(
            self._connection,
            "untie",
            self.now_ms,
            self._dialect.channel,
            [child for child, _ in learned],
            [number for _, number in learned],
            [child.id for child in blocked],
            [child.aside for child in blocked],
            [child.id for child in decided],
            [child.id for child in self._ended],
            [CODES[child.end] for child in self._ended if child.end is not None],
            [child.id for child in self._freed if self._waits(child)],
            self._told,
            [each.id for each in self._left],
            [CODES[each.end] for each in self._left],
            sorted({child.queue for child in self._children.values()}) if self._left else [],
        )
