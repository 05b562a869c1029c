-- verb: settle, promote and whatever else writes into an outbox: strikes off what was carried on
-- keys: | outbox
-- arguments: now, channel, then the entries
-- reply: how many are left
-- include: time

local q = queue_keys(0)
for i = 3, #ARGV do redis.call('LREM', q.outbox, 1, ARGV[i]) end
return redis.call('LLEN', q.outbox)
