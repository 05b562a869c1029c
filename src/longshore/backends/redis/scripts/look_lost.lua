-- verb: scan, before one of lost jobs: whether there can be any, on one server
-- keys: sessions held |
-- arguments: now, channel
-- reply: 1 if a session that is over holds jobs, otherwise 0
-- include: time sessions

for _, session in ipairs(redis.call('HKEYS', shared.held)) do
  if not is_live(session) then return 1 end
end
return 0
