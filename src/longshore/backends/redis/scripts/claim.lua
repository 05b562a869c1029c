-- verb: claim
-- keys: sessions held records | jobs states running back counts rules meters meter_times ready
-- arguments: now, channel, queue, session, how many, id of the one job that is wanted (or empty)
-- reply: 1 if the session is over; 1 if there is more but the look was long; number and rules of each job that has some, as they are kept;
--   then for each job: id 16 · counters 16 · body
-- include: time layout records sessions calls room
-- on demand: meters ledgers turns spending

local queue, session, wanted, only = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local q = queue_keys(0)
local there -- how many are pending, so that no line is asked after the last one was found
local LONGEST_LOOK = 20000
local FIRST_CLAIM = pack('<I4I4I4I4', 1, 0, 0, 0)
local started = pack('<d', now)
local times = started .. NEVER .. started .. NEVER .. char(#session) .. session
local reply, running, moved, ruled, numbers = { 0, 0, {} }, {}, {}, {}, {}
q.name = queue

-- Makes a new job running: 2 µs, of which 1.3 are commands.
local function take_new(id, body, priority_and_counters, place)
  local size = #running
  running[size + 1], running[size + 2] = id, priority_and_counters .. place .. times
  reply[#reply + 1] = id .. FIRST_CLAIM .. body
end

local function take(id, body, record)
  local counters, flags, result, size = FIRST_CLAIM, byte(record, 2), '', #running
  if sub(record, 5, 20) ~= NEW_COUNTERS then counters = pack('<I4', unpack_bytes('<I4', record, 5) + 1) .. sub(record, 9, 20) end
  if has(flags, RESULT) then result = sub(record, 60 + byte(record, 59)) end
  running[size + 1] = id
  running[size + 2] = char(RUNNING, without(flags, BACK), byte(record, 3), byte(body, 15)) .. counters .. sub(record, 21, 26) .. times .. result
  moved[#moved + 1] = id
  size = #reply
  reply[size + 1] = id .. counters .. body
  if flags % EDGED >= RULED then
    local more = #ruled + 1
    ruled[more], numbers[more] = id, size - 3
  end
end

-- Takes those that still stand at their places.
local function take_entries(entries, priority)
  local ids, known = {}, {}
  for i = 1, #entries do
    local entry = entries[i]
    local id = sub(entry, 1, 16)
    ids[i] = id
    if #entry > 22 then known[#known + 1] = id end
  end
  local bodies = read_each('HMGET', q.jobs, ids)
  local records = #known > 0 and read_each('HMGET', q.states, known)
  local priority_and_counters, n = char(RUNNING, 0, UNSETTLED, priority) .. FIRST_CLAIM, 0
  for i = 1, #ids do
    local body, entry = bodies[i], entries[i]
    if #entry == 22 then
      local place = sub(entry, 17)
      if body and sub(body, 9, 14) == place then take_new(ids[i], body, priority_and_counters, place) end
    else
      n = n + 1
      local record, place = records[n], sub(entry, 17, 22)
      if body and record and (place == NOWHERE or is_good(place, priority, body, record)) then
        take(ids[i], body, record)
      end
    end
  end
end

local LINE = 2 ^ 44 -- scores of `back`: priority * LINE + place

-- Those with a fair key come behind all others of their priority (see `turns.lua`).
local function add_turns(entries, priority, count)
  local turns = redis.call('ZRANGEBYSCORE', q.back, -1 - priority, -1 - priority, 'LIMIT', 0, count)
  if #turns == 0 then return end
  for _, turn in ipairs(turns) do append(entries, sub(turn, 14) .. NOWHERE .. HAS_RECORD) end
  call_with('ZREM', q.back, turns)
end

-- The next entries of a line, those that came back to an old place among them, which have NOWHERE for a place here;
-- takes them out.
local function next_entries(priority, count, has_back)
  if not has_back then return redis.call('LPOP', q[priority], count) or {} end
  local line = redis.call('LRANGE', q[priority], 0, count - 1)
  local lowest = priority * LINE
  local back = redis.call('ZRANGEBYSCORE', q.back, lowest, '(' .. string.format('%.17g', lowest + LINE), 'WITHSCORES', 'LIMIT', 0, count)
  local entries, i, k = {}, 1, 1
  while #entries < count and (line[i] or back[k]) do
    local place = line[i] and place_number(sub(line[i], 17, 22))
    if place and not (back[k] and tonumber(back[k + 1]) - lowest <= place) then
      entries[#entries + 1] = line[i]
      i = i + 1
    else
      entries[#entries + 1] = back[k] .. NOWHERE .. HAS_RECORD
      k = k + 2
    end
  end
  if i > 1 then redis.call('LTRIM', q[priority], i - 1, -1) end
  for n = 1, k - 1, 2 do redis.call('ZREM', q.back, back[n]) end
  if #entries < count then add_turns(entries, priority, count - #entries) end
  return entries
end

local function take_next()
  local looked = 0
  local has_back = redis.call('ZCARD', q.back) > 0
  for priority = 0, 9 do
    repeat
      local want = math.min(wanted - (#reply - 3), 1000)
      if want <= 0 or #reply - 3 >= there then return end
      local entries = next_entries(priority, want, has_back)
      if #entries > 0 then take_entries(entries, priority) end
      looked = looked + #entries
      if looked > LONGEST_LOOK and #reply == 3 then
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
    if has(byte(record, 2), RULED) then
      ruling().leave_line(q, id, record)
    elseif has(byte(record, 2), BACK) then
      redis.call('ZREM', q.back, id)
    end
  elseif place_of(body) == NOWHERE then
    return
  end
  if record then
    take(id, body, record)
  else
    take_new(id, body, char(RUNNING, 0, UNSETTLED, priority_of(body)) .. FIRST_CLAIM, place_of(body))
  end
  redis.call('HSET', q.jobs, id, with_place(body, NOWHERE))
end

if not is_live(session) then return { 1, 0, {} } end
there = tonumber(redis.call('HGET', q.counts, PENDING) or 0)
if wanted < 1 or there < 1 then return reply end
write_even_if_full(q.running)
if only ~= '' then
  take_only(only)
elseif not is_record_live('pause\0' .. queue) then
  take_next()
end
local count = #reply - 3
if count > 0 then
  redis.call('HINCRBY', shared.held, session, count) -- first: whoever looks for lost jobs looks here
  call_with('HSET', q.running, running)
  if #moved > 0 then call_with('HDEL', q.states, moved) end
  redis.call('HINCRBY', q.counts, PENDING, -count)
  redis.call('HINCRBY', q.counts, RUNNING, count)
end
if #ruled > 0 then -- tells the rules of jobs, and spends what they had reserved of rates
  for i, bytes in ipairs(read_each('HMGET', q.rules, ruled)) do
    append(reply[3], numbers[i], bytes)
    if byte(bytes, 9) % GIVES == SPENDS then ruling().start(q, sub(bytes, 9)) end
  end
  if has_rules() then ruling().write(q) end
end
return reply
