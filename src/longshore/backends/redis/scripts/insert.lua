-- verb: insert
-- keys: | jobs ids due counts minutes line
-- arguments: now, channel, number of lines, the queue and the number of jobs of each, then the items of each in order
-- reply: for each item 1 (created) or 0 (a duplicate)
-- include: time layout calls inserting

local size = tonumber(ARGV[3])
local at, replies = 3 + 2 * size, {}
for n = 0, size - 1 do
  local items = {}
  for i = 1, tonumber(ARGV[5 + 2 * n]) do items[i] = ARGV[at + i] end
  at = at + #items
  for _, created in ipairs(insert_jobs(queue_keys(n), ARGV[4 + 2 * n], items)) do replies[#replies + 1] = created end
end
return replies
