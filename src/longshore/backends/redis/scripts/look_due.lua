-- verb: promote, before it: how much of a queue is due
-- keys: | due outbox meter_times
-- arguments: now, channel, limit
-- reply: as `due.lua` says
-- include: time due

return look_due(queue_keys(0), tonumber(ARGV[3]))
