-- verb: migrate
-- parameters: none
-- columns: none
-- index: none; a step takes as long as it takes, and gives up only on a lock that somebody else holds
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '60s'
