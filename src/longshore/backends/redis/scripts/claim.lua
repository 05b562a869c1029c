-- verb: claim
-- keys: sessions held records | jobs states running back counts ready
-- arguments: now, channel, queue, session, how many, id of the one job that is wanted (or empty)
-- reply: 1 if the session is over; 1 if there is more but the look was long; then for each job: id 16 · counters 16 · body
-- include: time records sessions

local queue, session, wanted, only = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local q = queue_keys(0)
local LONGEST_LOOK = 20000
local reply, taken = { 0, 0 }, {}

local started = pack('<d', now)
local tail_of_record = NEVER .. started .. NEVER .. char(#session) .. session
local FIRST_CLAIM = pack('<I4I4I4I4', 1, 0, 0, 0)
local running, moved, took_back = {}, {}, {}

-- Makes one job running. `record` is nil for a job that is new.
local function take(id, body, record)
  local counters, place, flags, settled = FIRST_CLAIM, nil, 0, UNSETTLED
  if record then
    local fence = unpack_bytes('<I4', record, 5)
    counters = pack('<I4', fence + 1) .. sub(record, 9, 20)
    place, flags, settled = sub(record, 21, 26), without(without(byte(record, 2), BACK), RESULT), byte(record, 3)
    moved[#moved + 1] = id
  else
    place = place_of(body)
  end
  local size = #running
  running[size + 1] = id
  local result = ''
  if record and has(byte(record, 2), RESULT) then
    flags, result = with(flags, RESULT), sub(record, 60 + byte(record, 59))
  end
  running[size + 2] = char(RUNNING, flags, settled) .. sub(body, 15, 15) .. counters .. place .. started .. tail_of_record .. result
  reply[#reply + 1] = id .. counters .. body
end

-- Takes those that still stand at their places; whoever left one before his turn has left an entry that is not good.
local function take_entries(entries, priority, from_back)
  if #entries == 0 then return end
  local ids = {}
  for i, entry in ipairs(entries) do ids[i] = sub(entry, 1, 16) end
  local bodies = redis.call('HMGET', q.jobs, unpack(ids))
  local records = redis.call('HMGET', q.states, unpack(ids))
  for i, id in ipairs(ids) do
    local body, record = bodies[i], records[i] or nil
    if body then
      local place = sub(entries[i], 17)
      if from_back[i] then
        took_back[#took_back + 1] = id
        take(id, body, record)
      elseif record then
        if byte(record, 1) == PENDING and sub(record, 21, 26) == place and byte(record, 4) == priority
          and not has(byte(record, 2), BACK) then
          take(id, body, record)
        end
      elseif place_of(body) == place and place ~= NOWHERE then
        take(id, body, nil)
      end
    end
  end
end

local LINE = 2 ^ 44 -- scores of `back`: priority * LINE + place

-- The next entries of a line, those that came back to an old place among them; takes them out.
local function next_entries(priority, count, has_back)
  if not has_back then return redis.call('LPOP', q[priority], count) or {}, {} end
  local line = redis.call('LRANGE', q[priority], 0, count - 1)
  local lowest = priority * LINE
  local back = redis.call('ZRANGEBYSCORE', q.back, lowest, '(' .. string.format('%.17g', lowest + LINE), 'WITHSCORES', 'LIMIT', 0, count)
  local entries, from_back, i, k = {}, {}, 1, 1
  while #entries < count and (line[i] or back[k]) do
    local place = line[i] and place_number(sub(line[i], 17))
    if place and not (back[k] and tonumber(back[k + 1]) - lowest <= place) then
      entries[#entries + 1] = line[i]
      i = i + 1
    else
      entries[#entries + 1] = back[k] .. NOWHERE
      from_back[#entries] = true
      k = k + 2
    end
  end
  if i > 1 then redis.call('LTRIM', q[priority], i - 1, -1) end
  for n = 1, k - 1, 2 do redis.call('ZREM', q.back, back[n]) end
  return entries, from_back
end

local function take_next()
  local looked = 0
  local has_back = redis.call('ZCARD', q.back) > 0
  for priority = 0, 9 do
    repeat
      local want = math.min(wanted - (#reply - 2), 1000)
      if want <= 0 then return end
      local entries, from_back = next_entries(priority, want, has_back)
      take_entries(entries, priority, from_back)
      looked = looked + #entries
      if looked > LONGEST_LOOK and #reply - 2 < wanted and #reply < looked / 2 then
        reply[2] = 1
        return
      end
    until #entries < want
  end
end

-- Somebody asked for this one by name. It leaves an entry in its line, which its body must not make good.
local function take_only(id)
  local body, record = redis.call('HGET', q.jobs, id), redis.call('HGET', q.states, id)
  if not body or redis.call('HEXISTS', q.running, id) == 1 then return end
  if record then
    if byte(record, 1) ~= PENDING then return end
    if has(byte(record, 2), BACK) then redis.call('ZREM', q.back, id) end
  elseif place_of(body) == NOWHERE then
    return
  end
  take(id, body, record or nil)
  redis.call('HSET', q.jobs, id, with_place(body, NOWHERE))
end

if not is_live(session) then return { 1, 0 } end
if wanted < 1 or tonumber(redis.call('HGET', q.counts, PENDING) or 0) < 1 then return reply end
if only ~= '' then
  take_only(only)
elseif not is_record_live('pause\0' .. queue) then
  take_next()
end
local count = #reply - 2
if count > 0 then
  for first = 1, #running, 4000 do
    redis.call('HSET', q.running, unpack(running, first, math.min(first + 3999, #running)))
  end
  for first = 1, #moved, 4000 do
    redis.call('HDEL', q.states, unpack(moved, first, math.min(first + 3999, #moved)))
  end
  redis.call('HINCRBY', q.counts, PENDING, -count)
  redis.call('HINCRBY', q.counts, RUNNING, count)
  redis.call('HINCRBY', shared.held, session, count)
end
return reply
