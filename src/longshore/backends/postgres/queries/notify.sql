-- verb: listen
-- parameters: $1 the channel
-- columns: none of use
-- index: none
SELECT pg_notify($1, '')
