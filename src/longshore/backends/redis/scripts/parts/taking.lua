-- part, on demand: takes in one new job, with rules or without, or says what speaks against it.

local DUPLICATE, CREATED, FULL = 0, 1, 2
local PENDING_AND_WAITING = { 0, SCHEDULED, HELD, PENDING, RETRYING }

-- The job that has the unique key: id 16 · state 1. One that this call took in is not written yet.
local function conflict_of(q, unique)
  local id = redis.call('HGET', q.marks, 'u' .. unique[UNIQUE_KEY])
  if not id then return nil end
  local state, created = q.taken[id], now
  if not state then
    local record = redis.call('HGET', q.states, id) or redis.call('HGET', q.running, id)
    local body = record and redis.call('HGET', q.jobs, id)
    if not body then return nil end
    state, created = byte(record, 1), (unpack_bytes('<d', body))
  end
  if unique[UNIQUE_MS] and now - created > unique[UNIQUE_MS] then return nil end
  for _, other in ipairs(unique[UNIQUE_STATES]) do
    if state == other then return id .. char(state) end
  end
  return nil
end

local function is_full(q, room)
  local waiting = 0
  local counts = redis.call('HMGET', q.counts, unpack(PENDING_AND_WAITING))
  for i, state in ipairs(PENDING_AND_WAITING) do
    waiting = waiting + tonumber(counts[i] or 0) + (q.moves[state] or 0)
  end
  return waiting >= room
end

local function take_plain(q, id, item)
  local time = due_time(item)
  if time > now then
    append(q.bodies, id, pack('<d', now) .. NOWHERE .. sub(item, 25))
    wait_until(q, id, time)
    return SCHEDULED
  end
  local place = next_place(q)
  append(q.bodies, id, pack('<d', now) .. place .. sub(item, 25))
  join_tail(q, id, byte(item, 25), place, true)
  return PENDING
end

local function take_rare(q, id, item, job, edges)
  local body = pack('<d', now) .. NOWHERE .. sub(item, 25)
  local row, time = new_row(body), due_time(item)
  append(q.bodies, id, body)
  if job then
    row.flags = RULED
    keep_job(q, id, job)
  end
  if job and job.unique then redis.call('HSET', q.marks, 'u' .. job.unique[UNIQUE_KEY], id) end
  if edges then
    row.flags, row.state, row.run_ms = row.flags + EDGED, BLOCKED, time > now and time or 0
    redis.call('HSET', q.edges, id, edges)
    rules.come(q, id, edges)
  elseif time > now then
    wait(q, id, row, SCHEDULED, time)
  else
    rules.admit(q, id, row, job, false, true)
  end
  keep(q, id, row)
  return row.state
end

-- Edges (nil: none) and rules of a new job.
local function split(packed)
  if byte(packed) ~= EDGED then return nil, packed end
  local length = unpack_bytes('<I4', packed, 2)
  return sub(packed, 6, 5 + length), sub(packed, 6 + length)
end

local function is_there(q, id)
  local known = q.expected and q.expected[id]
  if known == nil then return redis.call('HEXISTS', q.jobs, id) == 1 end
  return known
end

-- Reads at once what the taking in of these jobs asks for one by one.
function rules.expect_new(q, ids, all_packed)
  local there, names = read_each('HMGET', q.jobs, ids), {}
  q.expected = {}
  for i, id in ipairs(ids) do q.expected[id] = there[i] ~= false end
  for _, packed in ipairs(all_packed) do
    local _, ruled = split(packed)
    if ruled ~= '' then names_of(decode(ruled)[FLOW], names) end
  end
  read_meters(q, names)
  q.places = #ids
end

-- `packed` are edges and rules, '' for none. A follower is never turned away for want of room.
function rules.take(q, item, packed, is_follower)
  local id, job, edges = sub(item, 1, 16), nil, nil
  q.taken = q.taken or {}
  if q.taken[id] or is_there(q, id) then return DUPLICATE end
  if packed ~= '' then edges, packed = split(packed) end
  if packed ~= '' then
    job = read_job(char(0) .. pack('>I7', 0) .. packed)
    local conflict = job.unique and conflict_of(q, job.unique)
    if conflict then return conflict end
    if job.room and not is_follower and is_full(q, job.room) then return FULL end
  end
  q.taken[id] = (job or edges) and take_rare(q, id, item, job, edges) or take_plain(q, id, item)
  move(q, nil, q.taken[id])
  count_minute(q, 'a', 1)
  append(q.index, '0', id)
  return CREATED
end

-- A job of another store: where it is or was pending it asks for room.
function rules.adopt(q, id, row, packed)
  local job = read_job(char(0) .. pack('>I7', 0) .. packed)
  keep_job(q, id, job)
  row.flags = with(row.flags, RULED)
  if job.unique then redis.call('HSET', q.marks, 'u' .. job.unique[UNIQUE_KEY], id) end
  if row.state == PENDING or row.state == HELD then rules.admit(q, id, row, job) end
end

-- A follower: what the call has done so far may concern it.
function rules.follow(q, item, packed)
  flush(q)
  rules.take(q, item, packed, true)
end
