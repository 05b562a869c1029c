-- verb: whoever tells children that their parents have ended
-- parameters: how many
-- columns: the tie, the parent, the state in which it ended
-- index: the primary key of telling
SELECT number, uuid_send(parent), state
FROM {schema}.{prefix}telling
ORDER BY number
LIMIT $1
