-- verb: gauge
-- keys: | meters
-- arguments: now, channel, cursor, or '' and the names that are wanted
-- reply: the time; the next cursor (0: that was all); name, meter, name, meter, …; of one that is not there only the name
-- include: time

local q = queue_keys(0)
if ARGV[3] ~= '' then
  local found = redis.call('HSCAN', q.meters, ARGV[3], 'COUNT', 1000)
  return { tostring(now), found[1], found[2] }
end
local found = {}
for i = 4, #ARGV do
  found[#found + 1] = ARGV[i]
  found[#found + 1] = redis.call('HGET', q.meters, ARGV[i]) or ''
end
return { tostring(now), '0', found }
