"""This module lists the bugs that the proof `mutants` plants into the stores on servers; see `_planted.py`."""

from _planted import Mutant

ON_SERVERS = (
    # where jobs move from table to table, each verb one statement
    Mutant(
        "settle ignores the fence", "postgres/queries/settle.sql", "        AND run.fence = asked.fence\n", ""
    ),
    Mutant(
        "settle ignores the session",
        "postgres/queries/settle.sql",
        "        AND run.session IS NOT DISTINCT FROM asked.session\n",
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
        "postgres/queries/parts/claims_given.sql",
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
        "CASE WHEN asked.state = 3 AND asked.charge = 3 THEN run.place",
        "CASE WHEN asked.state = 3 THEN run.place",
    ),
    Mutant(
        "promoted too early",
        "postgres/queries/promote.sql",
        "<= (SELECT moment.now_ms FROM moment)",
        "<= (SELECT moment.now_ms + 500 FROM moment)",
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
        " AND run.session IS NOT DISTINCT FROM asked.session AND run.fence = asked.fence",
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
        "postgres/queries/insert_now.sql",
        "count(pg_notify($2, 'pending:' || queue))",
        "count(queue)",
    ),
    # where jobs are strings in hashes, each verb a script
    Mutant(
        "settle ignores the fence",
        "redis/scripts/parts/settling.lua",
        "record and unpack_bytes('<I4', record, 5) == settlement.fence\n    and sub",
        "record and sub",
    ),
    Mutant(
        "settle ignores the session",
        "redis/scripts/parts/settling.lua",
        "    and sub(record, 60, 59 + byte(record, 59)) == settlement.session\n",
        "\n",
    ),
    Mutant(
        "the short way ignores the fence",
        "redis/scripts/parts/settling.lua",
        "and sub(arg, 19, 22) == sub(record, 5, 8) ",
        "",
    ),
    Mutant(
        "rescue without a look at the lease",
        "redis/scripts/parts/settling.lua",
        "  if has(settlement.flags, IF_LOST) and is_live(settlement.session) then return 0 end\n",
        "",
    ),
    Mutant(
        "a repeat of settle is stale",
        "redis/scripts/parts/settling.lua",
        "return byte(record, 3) == settlement.state and 1 or 0",
        "return 0",
    ),
    Mutant(
        "any late settle counts as a repeat",
        "redis/scripts/parts/settling.lua",
        "return byte(record, 3) == settlement.state and 1 or 0",
        "return 1",
    ),
    Mutant(
        "a limit that was a rate before forgets whom it holds",
        "redis/scripts/parts/meters.lua",
        "has_room(meter, meter.wanted) and now or nil",
        "nil",
    ),
    Mutant("a fence that stands still", "redis/scripts/claim.lua", "unpack_bytes('<I4', record, 5) + 1", "1"),
    Mutant(
        "claim without a session",
        "redis/scripts/claim.lua",
        "if not is_live(session) then return { 1, 0, {} } end\n",
        "",
    ),
    Mutant(
        "a crash is charged as a failure",
        "redis/scripts/parts/settling.lua",
        "row.crashes = row.crashes + 1",
        "row.failures = row.failures + 1",
    ),
    Mutant(
        "keep=False is kept",
        "redis/scripts/parts/settling.lua",
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
        "redis/scripts/parts/settling.lua",
        "line_up(q, id, row, charge == RELEASE)",
        "line_up(q, id, row, false)",
    ),
    Mutant(
        "crashed to the head",
        "redis/scripts/parts/settling.lua",
        "line_up(q, id, row, charge == RELEASE)",
        "line_up(q, id, row, true)",
    ),
    Mutant(
        "promoted to the old place",  # too early would take two bugs: the look and the script both ask the time
        "redis/scripts/promote.lua",
        "line_up(q, ids[i], row)",
        "line_up(q, ids[i], row, true)",
    ),
    Mutant(
        "promoted without a limit",
        "redis/scripts/promote.lua",
        "'LIMIT', 0, limit)",
        "'LIMIT', 0, limit + 1000)",
    ),
    Mutant(
        "a session lives on after its rescue",
        "redis/scripts/parts/settling.lua",
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
    Mutant("adopt overwrites", "memory/adopting.py", "if job.id in tables.rows:", "if False:"),
    Mutant("adopt forgets the words of search", "memory/adopting.py", "        **keys._asdict(),\n", ""),
    Mutant("adopt takes running jobs", "memory/store.py", "        check_adoptable(jobs)\n", ""),
    Mutant("adopt counts nothing", "memory/tables.py", "        queue.counts[row.state] += 1\n\n", "\n"),
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
    Mutant(
        "adopt puts all at one place", "sqlite/adopting.py", "PENDING, tx.places(job.queue, 1)", "PENDING, 1"
    ),
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
    Mutant(
        "an earlier due time tells nobody", "sqlite/transaction.py", "and run_ms <= next_due:", "and False:"
    ),
)
