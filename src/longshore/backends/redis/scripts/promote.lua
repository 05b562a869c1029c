-- verb: promote
-- keys: | jobs states due back finished failed counts minutes ids ready
-- arguments: now, channel, queue, limit
-- reply: how many became pending; when the next job is due ('' for none); 1 if that is over already
-- include: time layout records calls queues lives

local q = open_queue(0, ARGV[3])
local limit = tonumber(ARGV[4])
local ids = {}
if limit > 0 then ids = redis.call('ZRANGEBYSCORE', q.due, '-inf', now, 'LIMIT', 0, limit) end

local function promote(first, last)
  local bodies = redis.call('HMGET', q.jobs, unpack(ids, first, last))
  local records = redis.call('HMGET', q.states, unpack(ids, first, last))
  for i = first, last do
    local body, record = bodies[i - first + 1], records[i - first + 1]
    if body then
      local row = record and read_record(record) or new_row(body)
      move(q, row.state, PENDING)
      row.updated = now
      line_up(q, ids[i], row)
      keep(q, ids[i], row)
    end
  end
end

for first = 1, #ids, CHUNK do promote(first, math.min(first + CHUNK - 1, #ids)) end
q.due_dropped = ids
close_queue(q)
local next_due = redis.call('ZRANGE', q.due, 0, 0, 'WITHSCORES')[2]
return { #ids, next_due or '', (next_due and tonumber(next_due) <= now) and 1 or 0 }
