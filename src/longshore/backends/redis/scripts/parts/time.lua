-- part: what time it is, in milliseconds: the server's, unless a test says otherwise in the first argument.

local function read_clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = read_clock()
