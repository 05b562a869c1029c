-- part: takes new jobs into a queue. An item is id 16 · time 8 (over 0: absolute, below: from now, 0: none) · the rest
-- of the body.

local function due_time(item)
  local time = unpack_bytes('<d', item, 17)
  if time < 0 then return now - time end
  return time
end

-- Gives for each item whether it was created.
local function insert_jobs(q, items)
  local ids, created, fresh, seen = {}, {}, {}, {}
  for i = 1, #items do ids[i] = sub(items[i], 1, 16) end
  for first = 1, #ids, CHUNK do
    local last = math.min(first + CHUNK - 1, #ids)
    local there = redis.call('HMGET', q.jobs, unpack(ids, first, last))
    for i = first, last do
      local id = ids[i]
      local is_new = not there[i - first + 1] and not seen[id]
      created[i] = is_new
      if is_new then
        seen[id] = true
        fresh[#fresh + 1] = i
      end
    end
  end
  if #fresh == 0 then return created end
  local place = redis.call('HINCRBY', q.counts, 'place', #fresh) - #fresh
  local made, scheduled = pack('<d', now), 0
  local bodies, index = {}, {}
  for k = 1, #fresh do
    local item = items[fresh[k]]
    local id, time, rest = ids[fresh[k]], due_time(item), sub(item, 25)
    bodies[2 * k - 1], index[2 * k - 1], index[2 * k] = id, '0', id
    if time > now then
      scheduled = scheduled + 1
      wait_until(q, id, time)
      bodies[2 * k] = made .. NOWHERE .. rest
    else
      local at = place_bytes(place + k)
      join_tail(q, id, byte(rest, 1), at)
      bodies[2 * k] = made .. at .. rest
    end
  end
  call_with('HSET', q.jobs, bodies)
  call_with('ZADD', q.ids, index)
  if scheduled > 0 then q.moves[SCHEDULED] = (q.moves[SCHEDULED] or 0) + scheduled end
  if scheduled < #fresh then q.moves[PENDING] = (q.moves[PENDING] or 0) + #fresh - scheduled end
  count_minute(q, 'a', #fresh)
  return created
end
