-- part: takes new jobs into one line of a queue. An item is id 16 · time 8 (over 0: absolute, below: from now, 0: none) ·
-- the rest of the body. No id stands twice in a list: the caller has seen to that.

local NO_TIME = NEVER

local function due_time(item)
  local time = sub(item, 17, 24)
  if time == NO_TIME then return 0 end
  time = unpack_bytes('<d', time)
  if time < 0 then return now - time end
  return time
end

local function next_due_of(keys)
  return tonumber(redis.call('ZRANGE', keys.due, 0, 0, 'WITHSCORES')[2]) or math.huge
end

local function count_new(keys, name, pending, scheduled)
  if pending > 0 and redis.call('HINCRBY', keys.counts, PENDING, pending) <= pending then ring('pending', name) end
  if scheduled > 0 then redis.call('HINCRBY', keys.counts, SCHEDULED, scheduled) end
  redis.call('HINCRBY', keys.minutes, math.floor(now / 60000) .. 'a', pending + scheduled)
end

-- Gives for each item whether it was created.
local function insert_jobs(keys, name, items)
  local ids, created = {}, {}
  for i = 1, #items do ids[i] = sub(items[i], 1, 16) end
  local there = read_each('HMGET', keys.jobs, ids)
  local place = redis.call('HINCRBY', keys.counts, 'place', #items) - #items
  local made, bodies, index, line, dues, next_due = pack('<d', now), {}, {}, {}, {}, nil
  local size = 0
  for i = 1, #items do
    created[i] = 0
    if not there[i] then
      local item, id = items[i], ids[i]
      local time = due_time(item)
      created[i] = 1
      size = size + 2
      bodies[size - 1], index[size - 1], index[size] = id, '0', id
      if time > now then
        next_due = math.min(next_due or time, time)
        dues[#dues + 1], dues[#dues + 2] = time, id
        bodies[size] = made .. NOWHERE .. sub(item, 25)
      else
        local at = place_bytes(place + i)
        line[#line + 1] = id .. at
        bodies[size] = made .. at .. sub(item, 25)
      end
    end
  end
  if size == 0 then return created end
  if next_due and next_due < next_due_of(keys) then ring('scheduled', name) end
  call_with('HSET', keys.jobs, bodies)
  call_with('ZADD', keys.ids, index)
  if #line > 0 then call_with('RPUSH', keys.line, line) end
  if #dues > 0 then call_with('ZADD', keys.due, dues) end
  count_new(keys, name, #line, #dues / 2)
  return created
end
