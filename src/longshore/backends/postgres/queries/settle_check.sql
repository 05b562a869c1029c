-- verb: settle: which of those that were not applied had been applied before
-- parameters: ids, sessions, fences, states
-- columns: the number (from 1) of each that had been
-- index: the primary keys of the shelves
SELECT a.n
FROM
    unnest($1::uuid[], $2::text[], $3::integer[], $4::smallint[]) WITH ORDINALITY AS a (id, session, fence, state, n)
    JOIN {schema}.{prefix}standing AS standing ON standing.id = a.id
WHERE
    standing.session IS NOT DISTINCT FROM a.session
    AND standing.fence = a.fence
    AND standing.settled = a.state
    AND standing.state <> 4
