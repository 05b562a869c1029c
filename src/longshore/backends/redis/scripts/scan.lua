-- verb: scan
-- keys: sessions held | jobs states running ids due finished failed extras errors logs counts rules edges waits
-- arguments: now, channel, query (a map; see `queries.py`)
-- reply: 1 if this was all; the key of the last job looked at: its id, and for the order FINISHED its end before that;
--   how many of `spare` are left; then for each job found, as many as the limit: id, body, record ('' of a new job),
--   time when it is due ('' for none), extras, what is kept of its
--   rules, its edges and whether they are open ('' of one without), and if `full` errors and logs
-- include: time layout records sessions calls matching notes

local q = queue_keys(0)
local query = cmsgpack.unpack(ARGV[3])
local FINISHED, NEWEST = 2, 1
local BATCH = 500
local order, limit, spare = query.order, query.limit, query.spare or 0
local reply, found, examined = { 0, '', spare }, 0, 0
local last = query.after or ''

local function is_behind(id) return query.after == nil or (order == NEWEST and id < query.after) or (order ~= NEWEST and id > query.after) end

-- Ids that were named, or are those of all running jobs: sorted here, from the cursor on.
local function few(ids)
  local wanted, seen = {}, {}
  for _, id in ipairs(ids) do
    if not seen[id] and is_behind(id) then wanted[#wanted + 1] = id end
    seen[id] = true
  end
  table.sort(wanted, order == NEWEST and function(a, b) return a > b end or nil)
  local at = 0
  return function(count)
    local batch = {}
    for i = at + 1, math.min(at + count, #wanted) do batch[#batch + 1] = wanted[i] end
    at = at + #batch
    return batch
  end
end

local function all_ids()
  local cursor = query.after and '(' .. query.after
  return function(count)
    local batch
    if order == NEWEST then
      batch = redis.call('ZREVRANGEBYLEX', q.ids, cursor or '+', '-', 'LIMIT', 0, count)
    else
      batch = redis.call('ZRANGEBYLEX', q.ids, cursor or '-', '+', 'LIMIT', 0, count)
    end
    if #batch > 0 then cursor = '(' .. batch[#batch] end
    return batch
  end
end

-- Where in an index of ends a page begins. The job behind which it does may have gone meanwhile; then it is looked for.
local function first_rank(key)
  local start = 0
  if query.after then
    local ended, id = query.after_ms, query.after
    start = redis.call('ZCOUNT', key, '(' .. string.format('%.17g', ended), '+inf')
    repeat
      local ties = redis.call('ZREVRANGE', key, start, start + BATCH - 1, 'WITHSCORES')
      local i = 1
      while ties[i] and tonumber(ties[i + 1]) == ended and ties[i] >= id do i = i + 2 end
      start = start + (i - 1) / 2
    until i <= #ties or #ties == 0
  end
  if query.before then
    start = math.max(start, redis.call('ZCOUNT', key, string.format('%.17g', query.before), '+inf'))
  end
  return start
end

-- Ids and times of one index, the newest first.
local function ends_of(key, skips)
  local start = first_rank(key)
  if skips then
    local skipped = math.min(spare, math.max(redis.call('ZCARD', key) - start, 0))
    start, spare = start + skipped, spare - skipped
  end
  return function(count)
    local pairs_found = redis.call('ZREVRANGE', key, start, start + count - 1, 'WITHSCORES')
    start = start + #pairs_found / 2
    return pairs_found
  end
end

local function only_ids(next_pairs)
  return function(count)
    local found, ids = next_pairs(count), {}
    for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
    return ids
  end
end

-- Of two such sources the one whose next job ended later has its turn.
local function merged(first, second)
  local one, two, i, k = {}, {}, 1, 1
  local function is_before()
    if not two[k] then return true end
    local a, b = tonumber(one[i + 1]), tonumber(two[k + 1])
    return a > b or (a == b and one[i] > two[k])
  end
  return function(count)
    local ids = {}
    while #ids < count do
      if not one[i] then one, i = first(count), 1 end
      if not two[k] then two, k = second(count), 1 end
      if one[i] and is_before() then
        ids[#ids + 1], i = one[i], i + 2
      elseif two[k] then
        ids[#ids + 1], k = two[k], k + 2
      else
        break
      end
    end
    return ids
  end
end

-- Dead letters have an index of their own: among a million that ended well they are found at once, and so the other way.
local function by_end()
  local wants_failed = not query.states or contains(query.states, FAILED)
  local wants_others = not query.states or #query.states > (wants_failed and 1 or 0)
  if not wants_failed then return only_ids(ends_of(q.finished, query.skips)) end
  if not wants_others then return only_ids(ends_of(q.failed, query.skips)) end
  return merged(ends_of(q.finished), ends_of(q.failed))
end

local function few_by_end(ids)
  local ended = {}
  for _, id in ipairs(ids) do
    local score = redis.call('ZSCORE', q.finished, id) or redis.call('ZSCORE', q.failed, id)
    if score then
      local is_next = query.after == nil or tonumber(score) < query.after_ms
        or (tonumber(score) == query.after_ms and id < query.after)
      if is_next and not ended[id] then
        ended[id] = tonumber(score)
        ended[#ended + 1] = id
      end
    end
  end
  table.sort(ended, function(a, b)
    if ended[a] ~= ended[b] then return ended[a] > ended[b] end
    return a > b
  end)
  local at = 0
  return function(count)
    local batch = {}
    for i = at + 1, math.min(at + count, #ended) do batch[#batch + 1] = ended[i] end
    at = at + #batch
    return batch
  end
end

local function only_running()
  if query.lost then
    local has_lost = false
    for _, session in ipairs(redis.call('HKEYS', shared.held)) do has_lost = has_lost or not is_live(session) end
    if not has_lost then return few({}) end
  end
  return few(redis.call('HKEYS', q.running))
end

-- The index of exactly these states, where sorting all of it is less than a walk over all jobs.
local function small_index()
  local key = query.only_waiting and q.due or (#query.states == 1 and query.states[1] == FAILED and q.failed)
  return key and redis.call('ZCARD', key) <= query.examine and key
end

-- Most often nobody is in the states that are asked for, such as failed; the counts know without a look at any job.
local function is_anybody_there()
  for _, count in ipairs(redis.call('HMGET', q.counts, unpack(query.states))) do
    if count and tonumber(count) > 0 then return true end
  end
  return false
end

local function source()
  if query.states and (#query.states == 0 or not is_anybody_there()) then return few({}) end
  if order == FINISHED then return query.ids and few_by_end(query.ids) or by_end() end
  if query.ids then return few(query.ids) end
  if query.lost or (query.states and #query.states == 1 and query.states[1] == RUNNING) then return only_running() end
  local small = query.states and small_index()
  if small then return few(redis.call('ZRANGE', small, 0, -1)) end
  return all_ids()
end

-- Edges, and in front of them a byte for each: whether it is open (length 4 · these · edges).
local function edges_of(id, record)
  local packed = redis.call('HGET', q.edges, id)
  local count, at = 0, 2
  while at <= #packed do
    count, at = count + 1, at + 19 + byte(packed, at + 18)
  end
  local open = string.rep('\0', count)
  if byte(record, 1) == BLOCKED then
    local fields = { id }
    for which = 1, math.floor((count - 1) / 64) do fields[which + 1] = id .. pack('>I2', which) end
    local found = read_each('HMGET', q.waits, fields) -- as `links.lua` says
    found[1] = sub(found[1], 13)
    open = string.gsub(table.concat(found), '[^%z]', '\1')
  end
  return pack('<I4', #open) .. open .. packed
end

local function answer(id, body, record)
  local due = ''
  if not record and place_of(body) == NOWHERE then due = redis.call('ZSCORE', q.due, id) or '' end
  local flags = record and byte(record, 2) or 0
  reply[#reply + 1] = id
  reply[#reply + 1] = body
  reply[#reply + 1] = record or ''
  reply[#reply + 1] = due
  reply[#reply + 1] = has(flags, EXTRAS) and redis.call('HGET', q.extras, id) or ''
  reply[#reply + 1] = has(flags, RULED) and redis.call('HGET', q.rules, id) or ''
  reply[#reply + 1] = has(flags, EDGED) and edges_of(id, record) or ''
  if query.full then
    reply[#reply + 1] = has(flags, ERRORS) and redis.call('HGET', q.errors, id) or ''
    reply[#reply + 1] = has(flags, LOGS) and redis.call('HGET', q.logs, id) or ''
  end
  found = found + 1
end

local function look(id, body, record)
  local function error_text()
    if not record or not has(byte(record, 2), EXTRAS) then return '' end
    return read_extras(redis.call('HGET', q.extras, id)).text
  end
  last = id
  if order == FINISHED then last = sub(record, 35, 42) .. id end
  if not matches(query, body, record, error_text) then return end
  if spare > 0 then
    spare = spare - 1
  else
    answer(id, body, record)
  end
end

local function look_at(batch)
  local bodies = redis.call('HMGET', q.jobs, unpack(batch))
  local records = redis.call('HMGET', q.states, unpack(batch))
  local running = redis.call('HMGET', q.running, unpack(batch))
  for i, id in ipairs(batch) do
    examined = examined + 1
    if bodies[i] then look(id, bodies[i], records[i] or running[i] or nil) end
    if found >= limit then return end
  end
end

local next_batch, size = source(), math.min(BATCH, math.max(limit + spare, 20))
while true do
  local batch = next_batch(size)
  if #batch == 0 then
    reply[1] = 1
    break
  end
  look_at(batch)
  if found >= limit or examined >= query.examine then break end
  size = BATCH
end
reply[2], reply[3] = last, spare
return reply
