-- verb: adopt
-- keys: | jobs states ids due back finished failed running extras errors logs counts minutes outbox edges waits parents children rules meters meter_times waiters marks ready
-- arguments: now, channel, number of queues, their names, then for each job seven: number of its queue 2 · id 16 · body
--   (created, place and all), record, extras, errors, logs, rules, edges
--   behind a byte for each that says whether it is open (length 4 · these · edges; '' for none)
-- reply: for each job 1 (created) or 0 (a duplicate); behind them the queues that have something in their outbox, if any
-- include: time layout records calls queues leaving lives
-- on demand: meters ledgers turns flow spending serving taking links edges telling

local size = tonumber(ARGV[3])
local queues, replies = {}, {}
for n = 1, size do queues[n] = open_queue(n - 1, ARGV[3 + n]) end

-- Edges are kept as long as the job; one that is blocked waits for those that are open.
local function take_edges(q, id, row, packed)
  local length = packed ~= '' and unpack_bytes('<I4', packed) or 0
  local edges = packed ~= '' and sub(packed, 5 + length) or '\0'
  if length > 0 then
    row.flags = with(row.flags, EDGED)
    redis.call('HSET', q.edges, id, edges)
  end
  if row.state == BLOCKED then ruling().come(q, id, edges, sub(packed, 5, 4 + length)) end
end

local function take_in(q, id, body, record, packed, edges)
  local row = read_record(record)
  if edges ~= '' or row.state == BLOCKED then take_edges(q, id, row, edges) end
  if packed ~= '' then
    ruling().adopt(q, id, row, packed)
  elseif row.state == PENDING or row.state == HELD then
    row.state = PENDING
    row.place = next_place(q)
    join_tail(q, id, row.priority, row.place)
  end
  move(q, nil, row.state)
  if row.state == SCHEDULED or row.state == RETRYING then
    wait_until(q, id, row.run_ms)
  elseif row.state >= FIRST_TERMINAL then
    append(row.state == FAILED and q.buried or q.ended, row.finished, id)
    q.has_ended = true
  end
  append(q.bodies, id, body)
  keep(q, id, row)
  redis.call('ZADD', q.ids, 0, id)
end

for i = 4 + size, #ARGV, 7 do
  local q = queues[unpack_bytes('<I2', ARGV[i]) + 1]
  local id, body = sub(ARGV[i], 3, 18), sub(ARGV[i], 19)
  q.known = q.known or {}
  if q.known[id] or redis.call('HEXISTS', q.jobs, id) == 1 then
    replies[#replies + 1] = 0
  else
    q.known[id] = true
    take_in(q, id, body, ARGV[i + 1], ARGV[i + 5], ARGV[i + 6])
    for k, key in ipairs({ q.extras, q.errors, q.logs }) do
      if ARGV[i + 1 + k] ~= '' then redis.call('HSET', key, id, ARGV[i + 1 + k]) end
    end
    replies[#replies + 1] = 1
  end
end
if has_rules() then ruling().decide(queues) end
for _, q in ipairs(queues) do
  if has_rules() then ruling().serve(q) end
  close_queue(q)
end
return add_left(replies)
