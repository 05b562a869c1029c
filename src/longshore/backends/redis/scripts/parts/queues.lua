-- part: a queue whose jobs this call touches: what is to be written, gathered, and written in a few commands at its end.

local function renew_queue(q)
  q.gone, q.bodies, q.index, q.written, q.unwritten = {}, {}, {}, {}, {}
  q.due_added, q.due_dropped, q.ended, q.buried, q.not_ended = {}, {}, {}, {}, {}
  q.lines, q.put_back, q.taken_back = {}, {}, {}
end

local function open_queue(number, name)
  local q = queue_keys(number)
  q.name, q.moves, q.tally = name, {}, {}
  q.place, q.last_place, q.places = 0, 0, 1
  renew_queue(q)
  return q
end

-- Counts a job in another state; nil: it comes from nowhere or goes there.
local function move(q, from, to)
  local moves = q.moves
  if from then moves[from] = (moves[from] or 0) - 1 end
  if to then moves[to] = (moves[to] or 0) + 1 end
end

local function count_minute(q, what, amount)
  q.tally[what] = (q.tally[what] or 0) + amount
end

-- As many places as `q.places` says are taken at once; those that are not used stay empty.
local function next_place(q)
  if q.place == q.last_place then
    q.last_place = redis.call('HINCRBY', q.counts, 'place', q.places)
    q.place, q.places = q.last_place - q.places, 1
  end
  q.place = q.place + 1
  return place_bytes(q.place)
end

-- Lets a job that is pending now stand at the tail of its line; a new one has no record.
local function join_tail(q, id, priority, place, is_new)
  local line = q.lines[priority]
  if not line then
    line = {}
    q.lines[priority] = line
  end
  line[#line + 1] = is_new and id .. place or id .. place .. HAS_RECORD
  q.has_new = true
end

-- Lets a job wait for a time, and notes whether it is the next one.
local function wait_until(q, id, run_ms)
  if q.next_due == nil then
    q.next_due = tonumber(redis.call('ZRANGE', q.due, 0, 0, 'WITHSCORES')[2]) or math.huge
  end
  if run_ms < q.next_due then
    q.next_due, q.is_nearer = run_ms, true
  end
  append(q.due_added, run_ms, id)
end

local function write_counts(q)
  local pending = 0
  for state, amount in pairs(q.moves) do
    if amount ~= 0 or state == PENDING then
      local count = redis.call('HINCRBY', q.counts, state, amount)
      if state == PENDING then pending = count - amount end
    end
  end
  local minute = math.floor(now / 60000)
  for what, amount in pairs(q.tally) do
    redis.call('HINCRBY', q.minutes, minute .. what, amount)
  end
  return pending
end

local function write_gone(q)
  if #q.gone == 0 then return end
  call_with('HDEL', q.jobs, q.gone)
  call_with('HDEL', q.states, q.gone)
  call_with('ZREM', q.ids, q.gone)
  q.gone = {}
end

local function write_lines(q)
  for priority, line in pairs(q.lines) do call_with('RPUSH', q[priority], line) end
  q.lines = {}
end

local function write_queue(q)
  write_gone(q)
  if #q.unwritten > 0 then call_with('HDEL', q.states, q.unwritten) end
  if #q.bodies > 0 then call_with('HSET', q.jobs, q.bodies) end
  if #q.index > 0 then call_with('ZADD', q.ids, q.index) end
  if #q.written > 0 then call_with('HSET', q.states, q.written) end
  if #q.due_dropped > 0 then call_with('ZREM', q.due, q.due_dropped) end
  if #q.due_added > 0 then call_with('ZADD', q.due, q.due_added) end
  if #q.not_ended > 0 then
    call_with('ZREM', q.finished, q.not_ended)
    call_with('ZREM', q.failed, q.not_ended)
  end
  if #q.ended > 0 then call_with('ZADD', q.finished, q.ended) end
  if #q.buried > 0 then call_with('ZADD', q.failed, q.buried) end
  if #q.taken_back > 0 then call_with('ZREM', q.back, q.taken_back) end
  if #q.put_back > 0 then call_with('ZADD', q.back, q.put_back) end
  write_lines(q)
end

local function close_queue(q)
  write_queue(q)
  local pending_before = write_counts(q)
  if q.has_new and (pending_before <= 0 or q.has_left) then ring('pending', q.name) end
  if q.has_ended then ring('finished', q.name) end
  if q.is_stopping then ring('cancel', q.name) end
  if q.is_nearer then ring('scheduled', q.name) end
end
