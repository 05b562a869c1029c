-- verb: every verb by which a job with a fair key becomes pending
-- parameters: queue, priority, tag
-- columns: none
-- index: the primary key of last_turn
INSERT OR REPLACE INTO last_turn (queue, priority, tag)
VALUES (?1, ?2, ?3)
