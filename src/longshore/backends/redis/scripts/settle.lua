-- verb: settle
-- keys: sessions held cancels | jobs states running ids due back finished failed extras errors logs counts minutes outbox edges parents ready
-- arguments: now, channel, number of queues, their names, then for each settlement: number of its queue 2 · id 16 ·
--   fence 4 · state 1 · charge 1 · flags 1 · time 8 · followers 2 · lengths of session 1, result 4, error 4, text 4 ·
--   these four (of a completion that is TOLD, in place of the error: length of a name 2 · cost 4 · name of its meter); and behind
--   it each follower: number of its queue 2, or ELSEWHERE 2 · length 1 · queue; length of its rules 4 ·
--   rules · item
-- reply: for each settlement 1 (applied), 2 (applied, and its session ended by that) 0 (stale) or
--   3 (nothing was done: it has rules, or others wait for it, so ask `settle_ruled`); behind them the queues that have
--   something in their outbox, if there are any
-- include: time layout records sessions calls queues inserting lives notes room settling

return settle_all()
