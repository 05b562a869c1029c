-- verb: tune
-- keys: | jobs states running ids due back finished failed counts minutes rules meters meter_times waiters marks ready
-- arguments: now, channel, queue, cursor, the limit as a key of a job (MessagePack)
-- reply: the next cursor (0: that was all), then the names of the meters that were changed
-- include: time layout records calls queues lives
-- on demand: meters ledgers turns flow spending serving

local q = open_queue(0, ARGV[3])
local found = redis.call('HSCAN', q.meters, ARGV[4], 'COUNT', 1000)
local reply = { found[1] }
for _, name in ipairs(ruling().tune(q, found[2], cmsgpack.unpack(ARGV[5]))) do reply[#reply + 1] = name end
ruling().serve(q)
close_queue(q)
return reply
