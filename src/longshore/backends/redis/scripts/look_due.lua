-- verb: promote, before it: which of several queues have how much to do
-- keys: | due outbox
-- arguments: now, channel, limit
-- reply: when the next job is due ('' for none); 1 if that is over already; followers that wait for their queues; then the
--   times of those that are due, as many as the limit
-- include: time

local q = queue_keys(0)
local due = q.due
local limit = tonumber(ARGV[3])
local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
local reply = { next_due or '', (next_due and tonumber(next_due) <= now) and 1 or 0, redis.call('LLEN', q.outbox) }
if limit > 0 then
  local found = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 2, #found, 2 do reply[#reply + 1] = found[i] end
end
return reply
