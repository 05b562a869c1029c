"""This module reads those that meters hold, next ones first, as far as a step needs them."""

from collections import Counter, deque
from collections.abc import Mapping
from heapq import heappop, heappush

import msgspec

from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.backends.postgres.rows import HELD, PENDING
from longshore.core.rules import Rules, unpack
from longshore.store.commands import SCAN_LIMIT


class Contender(msgspec.Struct, kw_only=True):
    """A job that wants to be pending."""

    id: str
    """In hexadecimal."""
    queue: str
    priority: int
    rules: Rules
    order: int
    """Of becoming pending, or of becoming held."""
    turn: int | None = None
    """Where it stands in line by its fair key; kept by a job that was released."""
    held_by: str | None = None
    is_stored: bool = True
    """Whether it stands on a shelf already: on that of pending jobs, or held."""
    was_held: bool = False
    was_served: bool = False
    """Whether a meter has let it go in this step."""

    @property
    def state(self) -> int:
        """As its row says."""
        return PENDING if self.held_by is None else HELD

    @property
    def place(self) -> int:
        """On its shelf."""
        return self.order if self.held_by is not None or self.turn is None else self.turn

    @property
    def aside(self) -> int | None:
        """The other of order and turn."""
        return self.order if self.place == self.turn else self.turn


class _Line:
    def __init__(self, *, is_whole: bool) -> None:
        self.stored: deque[Contender] = deque()
        self.known = 0
        """How many were read, whatever became of them: in the tables they stand where they stood."""
        self.is_whole = is_whole
        self.joined: list[tuple[int, int, str, Contender]] = []
        """Those that this step has put there."""


class Lines:
    """The lines of some meters."""

    def __init__(self, connection: Runs, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._lines: dict[tuple[str, str], _Line] = {}

    def join(self, name: tuple[str, str], job: Contender) -> None:
        """The job is held by this meter from now on."""
        line = self._lines.setdefault(name, _Line(is_whole=False))
        heappush(line.joined, (job.priority, job.order, job.id, job))

    async def read(self, wanted: Mapping[tuple[str, str], int]) -> list[Contender]:
        """Reads so many more of each; what it has read."""
        names = [name for name in wanted if not self._lines.setdefault(name, _Line(is_whole=False)).is_whole]
        if not names:
            return []
        counts = [min(wanted[name], SCAN_LIMIT) for name in names]
        rows = await self._dialect.fetch(
            self._connection,
            "lines",
            [queue for queue, _ in names],
            [name for _, name in names],
            [self._lines[name].known for name in names],
            counts,
        )
        found = []
        for number, job_id, priority, place, aside, packed in rows:
            name = names[number - 1]
            job = Contender(
                id=bytes(job_id).hex(),
                queue=name[0],
                priority=priority,
                rules=unpack(packed) or Rules(),
                order=place,
                turn=aside,
                held_by=name[1],
                was_held=True,
            )
            self._lines[name].stored.append(job)
            found.append(job)
        read = Counter(row[0] for row in rows)
        for number, (name, count) in enumerate(zip(names, counts, strict=True), start=1):
            line = self._lines[name]
            line.known += read[number]
            line.is_whole = read[number] < count
        return found

    def needs_more(self, name: tuple[str, str]) -> bool:
        """Whether its first cannot be told before more were read."""
        line = self._lines.get(name)
        return line is None or not (line.stored or line.is_whole)

    def first(self, name: tuple[str, str]) -> Contender | None:
        """The next one of a line."""
        line = self._lines[name]
        joined, stored = line.joined, line.stored
        if joined and (not stored or joined[0][:2] < (stored[0].priority, stored[0].order)):
            return joined[0][3]
        return stored[0] if stored else None

    def pop(self, name: tuple[str, str]) -> None:
        """The first leaves its line."""
        line = self._lines[name]
        first = self.first(name)
        if line.stored and line.stored[0] is first:
            line.stored.popleft()
        else:
            heappop(line.joined)
