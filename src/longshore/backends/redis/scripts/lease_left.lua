-- verb: claim, where a queue of a Cluster does not know the session: how long its lease still runs at home
-- keys: sessions |
-- arguments: now, channel, then sessions
-- reply: for each the milliseconds that are left, 0 for none
-- include: time sessions

local replies = {}
for i = 3, #ARGV do
  local ends = lease_end(ARGV[i])
  replies[#replies + 1] = ends and math.max(ends - now, 0) or 0
end
return replies
