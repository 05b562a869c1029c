-- verb: every verb by which a job with a fair key becomes pending
-- parameters: queue, priority, key, tag
-- columns: none
-- index: the primary key of turn
INSERT OR REPLACE INTO turn (queue, priority, key, tag)
VALUES (?1, ?2, ?3, ?4)
