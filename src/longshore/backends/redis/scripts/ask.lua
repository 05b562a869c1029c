-- verb: promote, and whatever blocks a job: asks a queue how parents are that jobs of other queues wait for
-- keys: | jobs states running ids due back finished failed extras errors logs counts minutes outbox edges waits parents children rules meters meter_times waiters marks ready
-- arguments: now, channel, queue, then the asks: length of the child's queue 1 · queue · child 16 · number of the opening 6 ·
--   1 if those that are not there never come 1 · for each parent: which edge 3 · parent 16
-- reply: for each ask one byte for each parent: 255 (it will tell), 254 (it is not there) or the state in which it ended
-- include: time layout records calls queues leaving lives
-- on demand: meters ledgers turns flow spending serving links edges telling

local q, replies = open_queue(0, ARGV[3]), {}
for i = 4, #ARGV do replies[#replies + 1] = ruling().answer(q, ARGV[i]) end
ruling().write_links(q)
return replies
