-- verb: count
-- keys: | jobs states due back counts minutes ready
-- arguments: now, channel, how many minutes of history
-- reply: 1 if the queue ever had a job; jobs by state, ten numbers; when the next in line was created; when the next job
--   is due ('' for none); then the history: minute and letter, amount, …
-- include: time layout records

local q = queue_keys(0)
local LINE = 2 ^ 44

-- When the first job of a line was created; drops the entries before it that are not good any more.
local function head(priority)
  local look = 1
  while true do
    local entries = redis.call('LRANGE', q[priority], 0, look - 1)
    if #entries == 0 then return nil end
    look = 200
    for i, entry in ipairs(entries) do
      local id, place = sub(entry, 1, 16), sub(entry, 17, 22)
      local body, record = redis.call('HGET', q.jobs, id), nil
      if #entry > 22 then record = redis.call('HGET', q.states, id) end
      if body and is_good(place, priority, body, record) then
        if i > 1 then redis.call('LTRIM', q[priority], i - 1, -1) end
        return (unpack_bytes('<d', body)), place_number(place)
      end
    end
    redis.call('LTRIM', q[priority], #entries, -1)
  end
end

local function head_of_back(priority)
  local lowest = priority * LINE
  local found = redis.call('ZRANGEBYSCORE', q.back, lowest, '(' .. string.format('%.17g', lowest + LINE), 'WITHSCORES', 'LIMIT', 0, 1)
  if not found[1] then return nil end
  return (unpack_bytes('<d', redis.call('HGET', q.jobs, found[1]))), tonumber(found[2]) - lowest
end

-- Those with a fair key come behind (see `turns.lua`).
local function head_of_turns(priority)
  local turn = redis.call('ZRANGEBYSCORE', q.back, -1 - priority, -1 - priority, 'LIMIT', 0, 1)[1]
  return turn and unpack_bytes('<d', redis.call('HGET', q.jobs, sub(turn, 14)))
end

local function oldest_pending()
  local oldest
  for priority = 0, 9 do
    local made, place = head(priority)
    local made_back, place_back = head_of_back(priority)
    if made_back and (not made or place_back < place) then made = made_back end
    if not made then made = head_of_turns(priority) end
    if made and (not oldest or made < oldest) then oldest = made end
  end
  return oldest or ''
end

local reply = { redis.call('EXISTS', q.counts) }
local counts = redis.call('HMGET', q.counts, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
for i = 1, 10 do reply[i + 1] = tonumber(counts[i] or 0) end
reply[12] = reply[5] > 0 and oldest_pending() or ''
reply[13] = redis.call('ZRANGE', q.due, 0, 0, 'WITHSCORES')[2] or ''
local first = math.floor(now / 60000) - tonumber(ARGV[3])
if tonumber(ARGV[3]) > 0 then
  local fields = redis.call('HGETALL', q.minutes)
  for i = 1, #fields, 2 do
    if tonumber(sub(fields[i], 1, -2)) > first then
      reply[#reply + 1] = fields[i]
      reply[#reply + 1] = fields[i + 1]
    end
  end
end
return reply
