-- verb: listen
-- parameters: none
-- columns: one, always 1: the session lives
-- index: none
SELECT 1
