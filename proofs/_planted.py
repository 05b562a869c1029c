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
        "if not shelves.sessions.is_live(session",
        "if not (session",
    ),
    Mutant("a crash is charged as a failure", "memory/claiming.py", "row.crashes += 1", "row.failures += 1"),
    Mutant("keep=False is kept", "memory/claiming.py", "if not settlement.keep:", "if False:"),
    Mutant(
        "follow-ups without the claim",
        "memory/claiming.py",
        "        if settlement.verdict is not verdict:",
        "        shelves.insert(settlement.follow, now_ms)\n        if settlement.verdict is not verdict:",
    ),
    # the order
    Mutant(
        "last in, first out",
        "memory/shelves.py",
        "lanes[job.priority].tail.append(row)",
        "lanes[job.priority].tail.appendleft(row)",
    ),
    Mutant("priorities ignored", "memory/shelves.py", "lanes[job.priority].tail", "lanes[3].tail"),
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
        "shelves.sessions.end([settlement.session])",
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
        "memory/shelves.py",
        "row.failures = row.crashes = 0",
        "row.result = None",
    ),
    Mutant(
        "a cancel of a running job is lost",
        "memory/editing.py",
        'shelves.sessions.ask_to_stop(row.session or "", row.job.id)',
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
        "memory/shelves.py",
        "            if job_id in rows:\n",
        "            if job_id in rows:\n                rows[job_id].job = job\n",
    ),
    # counting, reading, records, wake-ups
    Mutant(
        "counts drift with deletions",
        "memory/shelves.py",
        "        self.queues[row.job.queue].counts[row.state] -= 1\n        if row.state == PENDING",
        "        if row.state == PENDING",
    ),
    Mutant("pauses ignored", "memory/claiming.py", "if shelves.is_paused(queue.name, now_ms):", "if False:"),
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
        "memory/shelves.py",
        "        if queue.is_empty:\n",
        "        if False:\n",
    ),
    # the same kinds of bug where jobs are rows of a table
    Mutant("settle ignores the fence", "sqlite/settling.py", " or claim[3] != settlement.fence", ""),
    Mutant("settle ignores the session", "sqlite/settling.py", " or claim[2] != settlement.session", ""),
    Mutant("a repeat of settle is stale", "sqlite/settling.py", "if settled == code else", "if False else"),
    Mutant("rescue without a look at the lease", "sqlite/settling.py", "settlement.if_lost and", "False and"),
    Mutant("last in, first out", "sqlite/queries/claim_next.sql", "priority, ord\n", "priority, ord DESC\n"),
    Mutant("priorities ignored", "sqlite/queries/claim_next.sql", "BY priority, ord", "BY ord"),
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
    # where jobs move from table to table, each verb one statement
    Mutant(
        "settle ignores the fence", "postgres/queries/settle.sql", "        AND run.fence = asked.fence\n", ""
    ),
    Mutant(
        "settle ignores the session",
        "postgres/queries/settle.sql",
        "        AND run.session = asked.session\n",
        "",
    ),
    Mutant(
        "rescue without a look at the lease",
        "postgres/queries/settle.sql",
        "AND leases.is_live)",
        "AND FALSE)",
    ),
    Mutant(
        "a repeat of settle is stale",
        "postgres/queries/settle_check.sql",
        "standing.settled = a.state",
        "FALSE",
    ),
    Mutant(
        "any late settle counts as a repeat",
        "postgres/queries/settle_check.sql",
        "    AND standing.settled = a.state\n",
        "",
    ),
    Mutant(
        "a fence that stands still",
        "postgres/queries/claim.sql",
        "coalesce(fence, 0) + 1, failures",
        "1, failures",
    ),
    Mutant(
        "claim without a session",
        "postgres/queries/claim.sql",
        "WHERE asked.is_live AND NOT asked.is_paused",
        "WHERE NOT asked.is_paused",
    ),
    Mutant(
        "a crash is charged as a failure",
        "postgres/queries/settle.sql",
        "CASE asked.charge WHEN 2 THEN coalesce(run.crashes, 0) + 1 ELSE run.crashes END",
        "run.crashes",
    ),
    Mutant(
        "keep=False is kept",
        "postgres/queries/settle.sql",
        "asked.keep OR asked.state < 6 AS keep",
        "TRUE AS keep",
    ),
    Mutant(
        "last in, first out",
        "postgres/queries/claim.sql",
        "ORDER BY ready.priority, ready.place",
        "ORDER BY ready.priority, ready.place DESC",
    ),
    Mutant(
        "priorities ignored",
        "postgres/queries/claim.sql",
        "ORDER BY ready.priority, ready.place",
        "ORDER BY ready.place",
    ),
    Mutant(
        "released to the tail",
        "postgres/queries/settle.sql",
        "CASE WHEN asked.state = 3 AND asked.charge = 3 THEN run.place ELSE asked.tail END",
        "asked.tail",
    ),
    Mutant(
        "crashed to the head",
        "postgres/queries/settle.sql",
        "asked.state = 3 AND asked.charge = 3",
        "asked.state = 3",
    ),
    Mutant(
        "promoted too early",
        "postgres/queries/promote.sql",
        "later.run_ms <= moment.now_ms",
        "later.run_ms <= moment.now_ms + 500",
    ),
    Mutant(
        "promoted without a limit", "postgres/queries/promote.sql", "    LIMIT $3\n", "    LIMIT $3 + 1000\n"
    ),
    Mutant(
        "an expired record is still there",
        "postgres/queries/records.sql",
        "record.expires_ms > moment.now_ms",
        "record.expires_ms > 0",
    ),
    Mutant(
        "a session lives on after its rescue",
        "postgres/queries/settle.sql",
        "FROM ended WHERE ended.is_rescue)",
        "FROM ended WHERE FALSE)",
    ),
    Mutant(
        "a stale note is taken",
        "postgres/queries/note.sql",
        " AND run.session = asked.session AND run.fence = asked.fence",
        "",
    ),
    Mutant(
        "counts drift with ends",
        "postgres/queries/settle.sql",
        "nullif(pending, 0), -n,",
        "nullif(pending, 0), 0,",
    ),
    Mutant(
        "pauses ignored",
        "postgres/queries/claim.sql",
        "WHERE asked.is_live AND NOT asked.is_paused",
        "WHERE asked.is_live",
    ),
    Mutant(
        "jobs that come to an empty queue wake nobody",
        "postgres/queries/insert.sql",
        "added > scheduled\n",
        "FALSE\n",
    ),
    # where jobs are strings in hashes, each verb a script
    Mutant(
        "settle ignores the fence",
        "redis/scripts/settle.lua",
        "record and unpack_bytes('<I4', record, 5) == settlement.fence\n    and sub",
        "record and sub",
    ),
    Mutant(
        "settle ignores the session",
        "redis/scripts/settle.lua",
        "    and sub(record, 60, 59 + byte(record, 59)) == settlement.session\n",
        "\n",
    ),
    Mutant(
        "the short way ignores the fence",
        "redis/scripts/settle.lua",
        "and sub(arg, 19, 22) == sub(record, 5, 8) ",
        "",
    ),
    Mutant(
        "rescue without a look at the lease",
        "redis/scripts/settle.lua",
        "  if has(settlement.flags, IF_LOST) and is_live(settlement.session) then return 0 end\n",
        "",
    ),
    Mutant(
        "a repeat of settle is stale",
        "redis/scripts/settle.lua",
        "return byte(record, 3) == settlement.state and 1 or 0",
        "return 0",
    ),
    Mutant(
        "any late settle counts as a repeat",
        "redis/scripts/settle.lua",
        "return byte(record, 3) == settlement.state and 1 or 0",
        "return 1",
    ),
    Mutant("a fence that stands still", "redis/scripts/claim.lua", "unpack_bytes('<I4', record, 5) + 1", "1"),
    Mutant(
        "claim without a session",
        "redis/scripts/claim.lua",
        "if not is_live(session) then return { 1, 0 } end\n",
        "",
    ),
    Mutant(
        "a crash is charged as a failure",
        "redis/scripts/settle.lua",
        "row.crashes = row.crashes + 1",
        "row.failures = row.failures + 1",
    ),
    Mutant(
        "keep=False is kept",
        "redis/scripts/settle.lua",
        "if has(settlement.flags, KEEP) then",
        "if true then",
    ),
    Mutant(
        "priorities upside down",
        "redis/scripts/claim.lua",
        "for priority = 0, 9 do",
        "for priority = 9, 0, -1 do",
    ),
    Mutant(
        "released to the tail",
        "redis/scripts/settle.lua",
        "line_up(q, id, row, charge == RELEASE)",
        "line_up(q, id, row, false)",
    ),
    Mutant(
        "crashed to the head",
        "redis/scripts/settle.lua",
        "line_up(q, id, row, charge == RELEASE)",
        "line_up(q, id, row, true)",
    ),
    Mutant(
        "promoted too early",
        "redis/scripts/promote.lua",
        "'-inf', now, 'LIMIT'",
        "'-inf', now + 500, 'LIMIT'",
    ),
    Mutant(
        "promoted without a limit",
        "redis/scripts/promote.lua",
        "'LIMIT', 0, limit)",
        "'LIMIT', 0, limit + 1000)",
    ),
    Mutant(
        "a session lives on after its rescue",
        "redis/scripts/settle.lua",
        "  if has(settlement.flags, IF_LOST) then end_session(settlement.session) end\n",
        "",
    ),
    Mutant(
        "a session that is over is extended",
        "redis/scripts/extend.lua",
        "how == EXTENDS and not lease_end(session) or ",
        "",
    ),
    Mutant(
        "put ignores the version", "redis/scripts/put.lua", "put.expects and put.expect ~= version", "false"
    ),
    Mutant(
        "resuming wakes nobody",
        "redis/scripts/put.lua",
        "if record and sub(put.name, 1, 6) == 'pause\\0' then",
        "if false then",
    ),
    Mutant(
        "counts drift with claims",
        "redis/scripts/claim.lua",
        "  redis.call('HINCRBY', q.counts, RUNNING, count)\n",
        "",
    ),
    Mutant(
        "pauses ignored",
        "redis/scripts/claim.lua",
        "elseif not is_record_live('pause\\0' .. queue) then",
        "else",
    ),
    # jobs of another store, and what is due next
    Mutant(
        "adopt forgets the fence",
        "memory/adopting.py",
        "row.crashes, row.releases = job.fence,",
        "row.crashes, row.releases = 0,",
    ),
    Mutant("adopt overwrites", "memory/adopting.py", "if job.id in shelves.rows:", "if False:"),
    Mutant("adopt forgets the words of search", "memory/adopting.py", "        **keys._asdict(),\n", ""),
    Mutant("adopt takes running jobs", "memory/store.py", "        check_adoptable(jobs)\n", ""),
    Mutant("adopt counts nothing", "memory/shelves.py", "        queue.counts[row.state] += 1\n\n", "\n"),
    Mutant(
        "any durability is promised",
        "memory/store.py",
        "        check_reachable(durability, best=self.durability, url=self.url)\n",
        "",
    ),
    Mutant(
        "an earlier due time tells nobody",
        "memory/queues.py",
        "not self._due or run_ms < self._due[0][0]",
        "not self._due",
    ),
    Mutant(
        "every due time tells who promotes",
        "memory/queues.py",
        "not self._due or run_ms < self._due[0][0]",
        "True",
    ),
    Mutant("adopt counts nothing", "sqlite/adopting.py", "    tx.moved(job.queue, None, state)\n", ""),
    Mutant("adopt puts all at one place", "sqlite/adopting.py", "tx.places(job.queue, 1) if", "1 if"),
    Mutant(
        "adopted errors take the place of new ones",
        "sqlite/adopting.py",
        "job.fence - len(errors) + 1",
        "job.fence + 1",
    ),
    Mutant(
        "a retry that is due tells nobody",
        "sqlite/batches.py",
        "                tx.waits(queue, due_ms)\n",
        "                pass\n",
    ),
    Mutant("an earlier due time tells nobody", "sqlite/transaction.py", "run_ms <= next_due[0]", "False"),
)
