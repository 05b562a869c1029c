-- verb: promote, its sweep: drops the minutes of a queue that are older than a day
-- keys: | minutes
-- arguments: now, channel
-- reply: 1
-- include: time

local minutes = queue_keys(0).minutes
local oldest = math.floor(now / 60000) - 24 * 60
for _, field in ipairs(redis.call('HKEYS', minutes)) do
  if tonumber(string.sub(field, 1, -2)) <= oldest then redis.call('HDEL', minutes, field) end
end
return 1
