-- part: commands about many at once. A command costs 0.3 to 0.5 µs however much it carries, so none is sent for a
-- single job where a list will do.

local CHUNK = 4000 -- values in one command; Lua's stack holds 8,000

local function call_with(command, key, values)
  if #values <= CHUNK then
    redis.call(command, key, unpack(values))
    return
  end
  for first = 1, #values, CHUNK do
    redis.call(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end

-- What a command answers about each of the values, in their order.
local function read_each(command, key, values)
  if #values <= CHUNK then return redis.call(command, key, unpack(values)) end
  local answers = {}
  for first = 1, #values, CHUNK do
    local some = redis.call(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
    for i = 1, #some do answers[first + i - 1] = some[i] end
  end
  return answers
end

local function append(list, first, second)
  local size = #list
  list[size + 1] = first
  if second ~= nil then list[size + 2] = second end
end

-- The second argument is what every channel begins with.
local function ring(kind, name) redis.call('PUBLISH', ARGV[2] .. name .. '}:wake:' .. kind, '') end
