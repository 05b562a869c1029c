-- verb: promote: room that is to be given back
-- parameters: queues whose locks the caller holds
-- columns: queue, rules
-- index: none; the table is read as a whole, and holds little
DELETE FROM {schema}.{prefix}leaving
WHERE queue = ANY($1::text[])
RETURNING queue, rules
