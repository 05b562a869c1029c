-- part: what waits for its time in a queue: when the next job is due ('' for none); 1 if that is over already; how many
-- followers wait for queues of other slots; when the next meter has to serve ('' for none), and 1 if that is over already;
-- then the times of the jobs that are due, as many as the limit.

local function look_due(q, limit)
  local next_due = redis.call('ZRANGE', q.due, 0, 0, 'WITHSCORES')[2]
  local is_over = next_due and tonumber(next_due) <= now
  local next_meter = redis.call('ZRANGE', q.meter_times, 0, 0, 'WITHSCORES')[2]
  local is_served = not next_meter or tonumber(next_meter) > now
  local reply = { next_due or '', is_over and 1 or 0, redis.call('LLEN', q.outbox), next_meter or '', is_served and 0 or 1 }
  if is_over and limit > 0 then
    local found = redis.call('ZRANGEBYSCORE', q.due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
    for i = 2, #found, 2 do reply[#reply + 1] = found[i] end
  end
  return reply
end
