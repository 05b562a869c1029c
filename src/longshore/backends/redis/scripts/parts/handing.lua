-- part, on demand: jobs that end hand the room they had on to those that are held, where one concurrency limit is all that
-- either knows of. The same as `serving.lua` does for all others, but of bytes: a meter as a table costs 2 µs.

local METER_HEAD = '<BdddddddI2' -- as `meters.lua` has it
local MOST_HANDED = 1000 -- jobs, in one call; the next `promote` goes on

-- The next that a meter holds behind its front and behind those that were `taken`; they leave `waiters`.
local function next_waiters(q, number, taken, dropped)
  if number == 0 then return '' end
  local found = redis.call('ZRANGEBYSCORE', q.waiters, number, number, 'LIMIT', taken, MOST_IN_FRONT)
  for _, standing in ipairs(found) do dropped[#dropped + 1] = standing end
  return table.concat(found)
end

-- Lets in those who come next at one meter: their ids and priorities go into the lists. Gives what the meter is afterwards
-- ('' where it knows nothing any more) and whether there are more than `most`; nil where something needs `serving.lua`.
local function hand_on(q, bytes, freed, ids, priorities, dropped, most)
  local kind, limit, per, burst, used, held, wanted, number, size = unpack_bytes(METER_HEAD, bytes)
  if kind ~= CONCURRENCY or #bytes ~= 59 + size then return nil end
  local at, last, is_left, n, before = 60, 59 + size, false, #ids, #dropped
  used = used - freed
  while held > 0 and used < limit do
    if n >= most then
      is_left = true
      break
    end
    if at > last then
      bytes = next_waiters(q, number, #dropped - before, dropped)
      at, last = 1, #bytes
      if last == 0 then
        held = 0
        break
      end
    end
    local cost = unpack_bytes('<I4', bytes, at + 23)
    if cost == 0 then return nil end
    if cost > limit - used and used > 0 then
      wanted = cost
      break
    end
    n = n + 1
    ids[n], priorities[n] = sub(bytes, at + 7, at + 22), byte(bytes, at)
    at, held, used = at + STANDING, held - 1, used + cost
  end
  if used == 0 and held == 0 then return '', is_left end
  return pack(METER_HEAD, kind, limit, per, burst, used, held, wanted, number, last + 1 - at) .. sub(bytes, at, last), is_left
end

-- Those who were let in stand in line; nothing is done where one has no record.
local function stand_all(q, ids, priorities)
  local size = #ids
  if size == 0 then return true end
  local records = read_each('HMGET', q.states, ids)
  for i = 1, size do
    if not records[i] then return false end
  end
  local place = redis.call('HINCRBY', q.counts, 'place', size) - size
  local written, n, times, heads = q.written, #q.written, NEVER .. pack('<d', now) .. NEVER, {}
  for i = 1, size do
    local id, record, priority = ids[i], records[i], priorities[i]
    local line, at = q.lines[priority], pack('>I6', place + i)
    if not line then
      line = {}
      q.lines[priority] = line
    end
    line[#line + 1] = id .. at .. HAS_RECORD
    written[n + 1] = id
    local head = sub(record, 1, 20) -- of most the same
    heads[head] = heads[head] or char(PENDING) .. sub(head, 2)
    written[n + 2] = heads[head] .. at .. sub(record, 27, 34) .. times .. sub(record, 59)
    n = n + 2
  end
  q.has_new = true
  q.moves[HELD], q.moves[PENDING] = (q.moves[HELD] or 0) - size, (q.moves[PENDING] or 0) + size
  return true
end

local function note_times(q, names, left)
  if #left > 0 then
    local times = {}
    for _, name in ipairs(left) do append(times, now, name) end
    call_with('ZADD', q.meter_times, times)
    ring('scheduled', q.name)
  elseif redis.call('ZCARD', q.meter_times) > 0 then
    call_with('ZREM', q.meter_times, names)
  end
end

-- Gives whether it did all there was to do; where not, nothing is done.
local function hand_over(q, ledger)
  if next(ledger.meters) ~= nil then return false end
  local names = sorted_names(ledger.freed)
  local meters = read_each('HMGET', q.meters, names)
  local freed, written, idle, left, ids, priorities, dropped = ledger.freed, {}, {}, {}, {}, {}, {}
  local n = 0
  for i = 1, #names do
    local name, bytes, is_left = names[i], meters[i], false
    if bytes then
      bytes, is_left = hand_on(q, bytes, freed[name], ids, priorities, dropped, MOST_HANDED)
      if not bytes then return false end
      if bytes == '' then
        append(idle, name)
      else
        written[n + 1], written[n + 2] = name, bytes
        n = n + 2
      end
      if is_left then append(left, name) end
    end
  end
  if not stand_all(q, ids, priorities) then return false end
  note_times(q, names, left)
  if #idle > 0 then call_with('HDEL', q.meters, idle) end
  if #written > 0 then call_with('HSET', q.meters, written) end
  if #dropped > 0 then call_with('ZREM', q.waiters, dropped) end
  return true
end

-- The end of a step that ended jobs.
function rules.serve_next(q)
  local ledger = ledgers[q.meters]
  if not ledger then return end
  if next(ledger.freed) ~= nil and hand_over(q, ledger) then return end
  read_meters(q, sorted_names(ledger.freed))
  rules.serve(q)
end
