"""This module lists the bugs that the proof `mutants` plants: for each, the text that goes and the one that comes.

Every one is an error that a store could really have; several were found in other job queues.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A bug. `file` is in src/longshore/backends/; `old` must stand in it exactly `times` times."""

    name: str
    file: str
    old: str
    new: str
    times: int = 1

    @property
    def store(self) -> str:
        """Which store it is planted into."""
        return self.file.partition("/")[0]


MUTANTS = (
    # claims and their ends
    Mutant("settle ignores the fence", "memory/claiming.py", " or row.fence != settlement.fence", ""),
    Mutant("settle ignores the session", "memory/claiming.py", " or row.session != settlement.session", ""),
    Mutant(
        "rescue without a look at the lease",
        "memory/claiming.py",
        "elif settlement.if_lost and",
        "elif False and",
    ),
    Mutant("a repeat of settle is stale", "memory/claiming.py", "row.settled == state else", "False else"),
    Mutant(
        "any late settle counts as a repeat", "memory/claiming.py", "row.settled == state else", "True else"
    ),
    Mutant("a fence that stands still", "memory/claiming.py", "row.fence += 1", "row.fence = 1"),
    Mutant(
        "claim without a session",
        "memory/claiming.py",
        "if not tables.sessions.is_live(session",
        "if not (session",
    ),
    Mutant("a crash is charged as a failure", "memory/claiming.py", "row.crashes += 1", "row.failures += 1"),
    Mutant("keep=False is kept", "memory/claiming.py", "if not settlement.keep:", "if False:"),
    Mutant(
        "follow-ups without the claim",
        "memory/claiming.py",
        "        if settlement.verdict is not verdict:",
        "        tables.insert(settlement.follow, now_ms)\n        if settlement.verdict is not verdict:",
    ),
    # the order
    Mutant(
        "last in, first out",
        "memory/tables.py",
        "lanes[job.priority].tail.append(row)",
        "lanes[job.priority].tail.appendleft(row)",
    ),
    Mutant("priorities ignored", "memory/tables.py", "lanes[job.priority].tail", "lanes[3].tail"),
    Mutant(
        "released to the tail",
        "memory/claiming.py",
        "at_old_place=verdict.charge == Charge.RELEASE",
        "at_old_place=False",
    ),
    Mutant(
        "crashed to the head",
        "memory/claiming.py",
        "at_old_place=verdict.charge == Charge.RELEASE",
        "at_old_place=True",
    ),
    Mutant("a cancelled job is claimed", "memory/queues.py", "if row.state != GHOST:", "if True:"),
    # time
    Mutant(
        "promoted too early",
        "memory/promoting.py",
        "heads[0][0] <= now_ms and count",
        "heads[0][0] <= now_ms + 500 and count",
    ),
    Mutant("promoted without a limit", "memory/promoting.py", " and count < limit", ""),
    Mutant(
        "an expired record is still there",
        "memory/records.py",
        "record.expires_ms <= now_ms",
        "record.expires_ms < 0",
    ),
    Mutant(
        "a session lives on after its rescue",
        "memory/claiming.py",
        "tables.sessions.end([settlement.session])",
        "settlement.session",
    ),
    Mutant(
        "a session that is over is extended",
        "memory/sessions.py",
        "if not lease.opens and session not in self._until_ms:",
        "if False:",
    ),
    # edits
    Mutant(
        "a running job is deleted",
        "memory/editing.py",
        "lambda row: row.state != RUNNING)",
        "lambda row: True)",
    ),
    Mutant(
        "a retry keeps the old counters",
        "memory/tables.py",
        "row.failures = row.crashes = 0",
        "row.result = None",
    ),
    Mutant(
        "a cancel of a running job is lost",
        "memory/editing.py",
        'tables.sessions.ask_to_stop(row.session or "", row.job.id)',
        "row.job.id",
    ),
    Mutant("a cancel outlives its claim", "memory/claiming.py", "row.cancel_requested = False", "row.state"),
    Mutant(
        "a stale note is taken",
        "memory/editing.py",
        " or row.fence != note.fence or row.session != note.session",
        "",
    ),
    Mutant(
        "a duplicate overwrites",
        "memory/tables.py",
        "            if job_id in rows:\n",
        "            if job_id in rows:\n                rows[job_id].job = job\n",
    ),
    # counting, reading, records, wake-ups
    Mutant(
        "counts drift with deletions",
        "memory/tables.py",
        "        self.queues[row.job.queue].counts[row.state] -= 1\n        if row.state == PENDING",
        "        if row.state == PENDING",
    ),
    Mutant("pauses ignored", "memory/claiming.py", "if tables.is_paused(queue.name, now_ms):", "if False:"),
    Mutant(
        "the cursor skips a job",
        "memory/indexes.py",
        "else bisect_right(keys, after)",
        "else bisect_right(keys, after) + 1",
    ),
    Mutant(
        "put ignores the version",
        "memory/records.py",
        "put.expect is not None and put.expect != version",
        "False",
    ),
    Mutant("resuming wakes nobody", "memory/store.py", "if was_paused and not", "if False and not"),
    Mutant(
        "only the first job of a queue wakes",
        "memory/tables.py",
        "        if queue.is_empty:\n",
        "        if False:\n",
    ),
    # the same kinds of bug where jobs are rows of a table
    Mutant("settle ignores the fence", "sqlite/settling.py", " or claim[3] != settlement.fence", ""),
    Mutant("settle ignores the session", "sqlite/settling.py", " or claim[2] != settlement.session", ""),
    Mutant("a repeat of settle is stale", "sqlite/settling.py", "if settled == code else", "if False else"),
    Mutant("rescue without a look at the lease", "sqlite/settling.py", "settlement.if_lost and", "False and"),
    Mutant("last in, first out", "sqlite/queries/claim_next.sql", "turn, ord\n", "turn, ord DESC\n"),
    Mutant("priorities ignored", "sqlite/queries/claim_next.sql", "BY priority, turn", "BY turn"),
    Mutant("a fence that stands still", "sqlite/queries/claim_take.sql", "fence = fence + 1", "fence = 1"),
    Mutant("promoted too early", "sqlite/queries/promote_due.sql", "run_ms <= ?1", "run_ms <= ?1 + 500"),
    Mutant(
        "an expired record is still there",
        "sqlite/queries/record_read.sql",
        "expires_ms > ?3",
        "expires_ms > 0",
    ),
    Mutant(
        "a duplicate overwrites",
        "sqlite/queries/insert.sql",
        "DO NOTHING",
        "DO UPDATE SET payload = excluded.payload",
    ),
)
