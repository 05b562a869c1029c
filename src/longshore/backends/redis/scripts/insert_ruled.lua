-- verb: insert, of jobs of which some have rules
-- keys: | jobs states running ids due back finished failed counts minutes outbox extras errors logs edges waits parents children rules meters meter_times waiters marks ready
-- arguments: now, channel, number of queues, their names, then for each job two: number of its queue 2 · 1 if it follows
--   another 1 · item; rules and edges ('' for none), as `edging.py` packs them
-- reply: for each job 0 (a duplicate), 1 (created), 2 (no room), or of the job that has its unique key: id 16 · state 1; behind
--   them the queues that have something in their outbox, if there are any
-- include: time layout records calls queues leaving inserting lives
-- on demand: meters ledgers turns flow spending serving taking links edges telling

local size = tonumber(ARGV[3])
local queues, replies = {}, {}
for n = 1, size do queues[n] = open_queue(n - 1, ARGV[3 + n]) end

-- Reads at once what the jobs will ask for one by one.
local ids, packed = {}, {}
for n = 1, size do ids[n], packed[n] = {}, {} end
for i = 4 + size, #ARGV, 2 do
  local n = unpack_bytes('<I2', ARGV[i]) + 1
  append(ids[n], sub(ARGV[i], 4, 19))
  if ARGV[i + 1] ~= '' then append(packed[n], ARGV[i + 1]) end
end
for n, q in ipairs(queues) do ruling().expect_new(q, ids[n], packed[n]) end

for i = 4 + size, #ARGV, 2 do
  local q = queues[unpack_bytes('<I2', ARGV[i]) + 1]
  replies[#replies + 1] = ruling().take(q, sub(ARGV[i], 4), ARGV[i + 1], byte(ARGV[i], 3) == 1)
end
ruling().decide(queues)
for _, q in ipairs(queues) do
  ruling().serve(q)
  close_queue(q)
end
return add_left(replies)
