-- verb: promote, its sweep: drops meters of a queue that are idle
-- keys: | meters
-- arguments: now, channel, cursor
-- reply: the next cursor (0: that was all)
-- include: time layout calls
-- on demand: meters ledgers turns flow spending serving

local q = queue_keys(0)
local found = redis.call('HSCAN', q.meters, ARGV[3], 'COUNT', 1000)
ruling().forget_idle(q, found[2])
return found[1]
