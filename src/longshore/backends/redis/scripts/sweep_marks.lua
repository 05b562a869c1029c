-- verb: promote, its sweep: drops the last tags of fair keys, where a queue gives no more turns to compare them with
-- keys: | counts marks
-- arguments: now, channel, cursor
-- reply: the next cursor (0: that was all)
-- include: time layout

-- With nobody pending or running, the next tag comes after the largest of all, which stays.
local q = queue_keys(0)
for _, count in ipairs(redis.call('HMGET', q.counts, PENDING, RUNNING)) do
  if count and tonumber(count) > 0 then return '0' end
end
local found = redis.call('HSCAN', q.marks, ARGV[3], 'MATCH', 't*', 'COUNT', 1000)
for i = 1, #found[2], 2 do redis.call('HDEL', q.marks, found[2][i]) end
return found[1]
