-- verb: open
-- parameters: none
-- columns: the process that serves this session
-- index: none
SELECT pg_backend_pid()
