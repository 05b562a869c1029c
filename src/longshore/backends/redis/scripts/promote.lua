-- verb: promote
-- keys: | jobs states running due back finished failed counts minutes ids extras errors logs outbox edges waits parents children rules meters meter_times waiters marks ready
-- arguments: now, channel, queue, limit
-- reply: how many were due; 1 if more are pending than before; when the next job is due ('' for none); 1 if that is over
--   already; the same of the next meter; the queue if it has something in its outbox
-- include: time layout records calls queues leaving lives
-- on demand: meters ledgers turns flow spending serving links edges telling

local q = open_queue(0, ARGV[3])
local limit = tonumber(ARGV[4])
local ids = {}
if limit > 0 then ids = redis.call('ZRANGEBYSCORE', q.due, '-inf', now, 'LIMIT', 0, limit) end

local MOST_RULED = 250 -- jobs that ask for room, in one call; the caller goes on
local ruled, done = 0, {}

local function promote(first, last)
  local bodies = redis.call('HMGET', q.jobs, unpack(ids, first, last))
  local records = redis.call('HMGET', q.states, unpack(ids, first, last))
  for i = first, last do
    local body, record = bodies[i - first + 1], records[i - first + 1]
    if ruled >= MOST_RULED then return end
    append(done, ids[i])
    if body then
      local row = record and read_record(record) or new_row(body)
      local state = row.state
      row.updated = now
      if has(row.flags, RULED) then
        ruled = ruled + 1
        ruling().admit(q, ids[i], row, ruling().job(q, ids[i]))
      else
        line_up(q, ids[i], row)
      end
      move(q, state, row.state)
      keep(q, ids[i], row)
    end
  end
end

local function serve()
  if redis.call('ZCARD', q.meter_times) > 0 then ruling().touch_due(q) end
  if has_rules() then
    ruling().decide({ q })
    ruling().serve(q)
  end
end

for first = 1, #ids, CHUNK do promote(first, math.min(first + CHUNK - 1, #ids)) end
q.due_dropped = done
serve()
local is_more = (q.moves[PENDING] or 0) > 0
close_queue(q)
local next_due = redis.call('ZRANGE', q.due, 0, 0, 'WITHSCORES')[2]
local next_meter = redis.call('ZRANGE', q.meter_times, 0, 0, 'WITHSCORES')[2]
local function is_over(time) return time and tonumber(time) <= now and 1 or 0 end
return add_left({ #done, is_more and 1 or 0, next_due or '', is_over(next_due), next_meter or '', is_over(next_meter) })
