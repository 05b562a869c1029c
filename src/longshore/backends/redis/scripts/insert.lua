-- verb: insert
-- keys: | jobs ids due counts minutes ready
-- arguments: now, channel, number of queues, their names, then for each job: number of its queue 2 · item
-- reply: for each job 1 (created) or 0 (a duplicate)
-- include: time records queues inserting

local size = tonumber(ARGV[3])
local queues, items, places, replies = {}, {}, {}, {}
for n = 1, size do items[n], places[n] = {}, {} end
for i = 4 + size, #ARGV do
  local n = unpack_bytes('<I2', ARGV[i]) + 1
  local list = items[n]
  list[#list + 1] = sub(ARGV[i], 3)
  places[n][#list] = i - 3 - size
end
for n = 1, size do
  local q = open_queue(n - 1, ARGV[3 + n])
  local created = insert_jobs(q, items[n])
  for k, place in ipairs(places[n]) do replies[place] = created[k] and 1 or 0 end
  close_queue(q)
end
return replies
