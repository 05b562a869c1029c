-- verb: settle, promote and whatever else ends or blocks a job: tells jobs of a queue how parents in others are
-- keys: | jobs states running ids due back finished failed extras errors logs counts minutes outbox edges waits parents children rules meters meter_times waiters marks ready
-- arguments: now, channel, queue, then two for each: '1' if parents that are not there never come; for each child 16 ·
--   number of the opening 6 · which edge 3 · how its parent is, as `ask` answers 1
-- reply: 1 if more are pending than before; the queue if it has something in its outbox
-- include: time layout records calls queues leaving lives
-- on demand: meters ledgers turns flow spending serving links edges telling

local q = open_queue(0, ARGV[3])
for i = 4, #ARGV, 2 do ruling().hear(q, ARGV[i + 1], ARGV[i] == '1') end
ruling().decide({ q })
ruling().serve(q)
local is_more = (q.moves[PENDING] or 0) > 0
close_queue(q)
return add_left({ is_more and 1 or 0 })
