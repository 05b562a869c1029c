"""This module lists planted bugs of what jobs are to each other: limits, unique keys, room, and edges."""

from _planted import Mutant

RULES = (
    # limits, unique keys and room
    Mutant(
        "the end of a claim gives no room back",
        "sqlite/batches.py",
        "self.flow.end_claim(queue, slots)",
        "pass",
    ),
    Mutant("unique keys never conflict", "sqlite/ruled.py", "if state not in unique.states:", "if True:"),
    Mutant(
        "a key is taken for ever", "sqlite/ruled.py", "> unique.within_ms:", "> unique.within_ms + 10**12:"
    ),
    Mutant("room for one more", "sqlite/ruled.py", ">= rules.room else None", "> rules.room else None"),
    # edges
    Mutant("every end meets an edge", "sqlite/dependents.py", "if not is_met(edge.on, state):", "if False:"),
    Mutant(
        "a cancelled job tells nobody",
        "sqlite/editing.py",
        "work.dependents.ended(row[Match.ID], CANCELLED)",
        "pass",
    ),
    Mutant("nobody looks again", "sqlite/promoting.py", "        dependents.look_again()\n", ""),
    Mutant(
        "a rejoined job looks at nobody", "sqlite/editing.py", "work.dependents.come(row[Match.ID])", "pass"
    ),
    Mutant("the first miss decides", "sqlite/dependents.py", "if not child.is_any:", "if True:"),
    Mutant("cascades stop", "sqlite/dependents.py", "        if child.awaited:\n", "        if False:\n"),
    Mutant("every end meets an edge", "memory/dependents.py", "if is_met(edge.on, ended):", "if True:"),
    Mutant(
        "a job that ends tells nobody",
        "memory/dependents.py",
        "self._ended.append((job_id, ORDER[state]))",
        "pass",
    ),
    Mutant(
        "one edge is enough",
        "memory/dependents.py",
        "if opened.join is Join.ALL and opened.edges:",
        "if False:",
    ),
    Mutant(
        "orphans are cancelled at once",
        "memory/dependents.py",
        "elif row is None and again_ms is not None:",
        "elif False:",
    ),
    Mutant(
        "one met edge of several is enough",
        "postgres/queries/tell_met.sql",
        "held.id = children.id AND children.told = children.open",
        "held.id = children.id",
    ),
    Mutant(
        "a child with limits asks nobody",
        "postgres/queries/tell_met.sql",
        " OR ruled & 7 <> 0",
        "",
    ),
    Mutant(
        "every end meets an edge",
        "postgres/queries/tell_met.sql",
        "WHEN 0 THEN tellers.state = 6",
        "WHEN 0 THEN TRUE",
    ),
    Mutant(
        "a job with many edges waits for the first 64",
        "redis/scripts/parts/edges.lua",
        "for first = TOGETHER + 1, #states, TOGETHER do",
        "for first = 1, 0 do",
    ),
    Mutant(
        "a parent tells 16 children",
        "redis/scripts/parts/links.lua",
        "  append(known.linked, 0, parent .. next_place(q) .. link)\n",
        "",
    ),
    Mutant(
        "the front of a meter is not in order",
        "redis/scripts/parts/ledgers.lua",
        "if before == size and (meter.held * STANDING > size or",
        "if before == size and (",
    ),
    Mutant(
        "the same eight are let in again",
        "redis/scripts/parts/handing.lua",
        "'LIMIT', taken, MOST_IN_FRONT",
        "'LIMIT', 0, MOST_IN_FRONT",
    ),
    Mutant(
        "room is handed on to whoever is next, whatever it costs",
        "redis/scripts/parts/handing.lua",
        "if cost > limit - used and used > 0 then",
        "if false then",
    ),
)
