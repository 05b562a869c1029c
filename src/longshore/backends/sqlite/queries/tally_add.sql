-- verb: every transaction that moves jobs
-- parameters: queue, state, difference, the last place that was given (0: none)
-- columns: none
-- index: the primary key of tally
INSERT INTO tally (queue, state, n, place)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (queue, state) DO UPDATE SET n = n + excluded.n, place = max(place, excluded.place)
