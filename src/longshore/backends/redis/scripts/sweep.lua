-- verb: promote, its sweep: drops records that are over, and sessions that are over and hold no job
-- keys: sessions held records record_names mortal queues | due outbox meter_times
-- arguments: now, channel, limit, number of queues, then sessions that hold jobs elsewhere
-- reply: the names of all queues; sessions that hold jobs here; sessions of which only ENDED is left; then for each queue
--   what `due.lua` says
-- include: time sessions due

for _, name in ipairs(redis.call('SMEMBERS', shared.mortal)) do
  local record = redis.call('HGET', shared.records, name)
  if not record or is_over(record) then
    redis.call('HDEL', shared.records, name)
    redis.call('ZREM', shared.record_names, name)
    redis.call('SREM', shared.mortal, name)
    if string.sub(name, 1, 6) == 'pause\0' then
      redis.call('PUBLISH', ARGV[2] .. string.sub(name, 7) .. '}:wake:pending', '')
    end
  end
end
local held, holds, ended = redis.call('HKEYS', shared.held), {}, {}
for _, session in ipairs(held) do holds[session] = true end
for i = 5, #ARGV do holds[ARGV[i]] = true end
local all = redis.call('HGETALL', shared.sessions)
for i = 1, #all, 2 do
  if all[i + 1] == ENDED then
    ended[#ended + 1] = all[i]
  elseif tonumber(all[i + 1]) <= now and not holds[all[i]] then
    redis.call('HDEL', shared.sessions, all[i])
  end
end
local reply = { redis.call('SMEMBERS', shared.queues), held, ended }
for n = 1, tonumber(ARGV[4]) do reply[#reply + 1] = look_due(queue_keys(n - 1), tonumber(ARGV[3])) end
return reply
