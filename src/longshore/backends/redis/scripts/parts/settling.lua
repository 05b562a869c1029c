-- part: the ends of claims. `takes_rules` says whether the keys are there that jobs with rules need.

local ELSEWHERE = 65535
local IF_LOST, KEEP, HAS_RESULT, HAS_ERROR, HAS_TEXT_TOO, AT_TIME, TOLD = 1, 2, 4, 8, 16, 32, 64
local ERRORS_KEPT = 25
local NEEDS_RULES = 3
local takes_rules, has_waited = false, false
local size = tonumber(ARGV[3])
local queues, replies, held = {}, {}, {}
for n = 1, size do
  queues[n] = open_queue(n - 1, ARGV[3 + n])
  queues[n].records, queues[n].asked, queues[n].told, queues[n].ended_claims = {}, {}, {}, {}
  queues[n].completed, queues[n].spent = 0, 0
end

-- Reads what the rules of these jobs say, in one step, of those of which nobody has told.
local function expect_ends(q)
  local ruled, told = {}, q.told
  for i, id in ipairs(q.asked) do
    local record = not told[i] and q.records[id]
    if record and byte(record, 2) % EDGED >= RULED then append(ruled, id) end
  end
  if #ruled > 0 then ruling().expect_ends(q, ruled) end
end

-- Which of the jobs others wait for.
local function read_waited(q)
  local waited, found = {}, read_each('HMGET', q.parents, q.asked)
  for i, id in ipairs(q.asked) do
    waited[id], has_waited = found[i], has_waited or found[i]
  end
  if takes_rules and has_waited then ruling().know_parents(q, q.asked, found) end
  return waited
end

-- Reads the records of all claims that the call is about. Those that are not running may have been settled before.
local function read_all()
  local i = 4 + size
  while i <= #ARGV do
    local arg = ARGV[i]
    local q = queues[unpack_bytes('<I2', arg) + 1]
    local count = #q.asked + 1
    q.asked[count] = sub(arg, 3, 18)
    if byte(arg, 25) >= TOLD then q.told[count] = true end
    i = i + 1 + unpack_bytes('<I2', arg, 34)
  end
  for _, q in ipairs(queues) do
    local size = #q.asked
    q.asked[size + 1] = WAITED
    local there = size > 0 and read_each('HMGET', q.running, q.asked)
    q.asked[size + 1] = nil
    for k, id in ipairs(q.asked) do q.records[id] = there[k] end
    if there and there[size + 1] then q.waited = read_waited(q) end
    if takes_rules then expect_ends(q) end
  end
end

local function record_of(q, id)
  local record = q.records[id]
  if record == false then
    record = redis.call('HGET', q.states, id) or nil
    q.records[id] = record
  end
  return record
end

local function charge_job(row, charge)
  if charge == FAILURE then row.failures = row.failures + 1
  elseif charge == CRASH then row.crashes = row.crashes + 1
  elseif charge == RELEASE then row.releases = row.releases + 1 end
end

local function count_end(q, state, charge, spent)
  if state == COMPLETED then count_minute(q, 'c', 1)
  elseif state == FAILED then count_minute(q, 'f', 1)
  elseif charge == FAILURE then count_minute(q, 'r', 1)
  else spent = 0 end
  if charge == CRASH then count_minute(q, 'x', 1) end
  if spent ~= 0 then count_minute(q, 't', spent) end
end

local function remember(q, id, row, settlement)
  if has(settlement.flags, HAS_ERROR) then
    add_lines(q.errors, id, { settlement.error }, ERRORS_KEPT)
    row.flags = with(row.flags, ERRORS)
  end
  if has(settlement.flags, HAS_TEXT_TOO) then
    local extras = read_extras(has(row.flags, EXTRAS) and redis.call('HGET', q.extras, id))
    extras.text, extras.flags = settlement.text, with(extras.flags, HAS_TEXT)
    write_extras(q.extras, id, extras)
    row.flags = with(row.flags, EXTRAS)
  end
end

-- Moves the job to where the verdict says.
local function go(q, id, row, settlement)
  local state, charge = settlement.state, settlement.charge
  local is_ruled = has(row.flags, RULED)
  if state >= FIRST_TERMINAL and q.waited and q.waited[id] then ruling().end_parent(q, id, state) end
  if is_ruled then ruling().give_back(q, id) end
  if state >= FIRST_TERMINAL then
    if has(settlement.flags, KEEP) then
      finish(q, id, row, state)
    else
      if is_ruled then ruling().forget(q, id) end
      forget(q, id, row.flags)
      q.has_ended = true
      move(q, RUNNING, nil)
      return nil
    end
  elseif state == PENDING and is_ruled then
    ruling().admit(q, id, row, ruling().job(q, id), charge == RELEASE)
  elseif state == PENDING then
    line_up(q, id, row, charge == RELEASE)
  else
    wait(q, id, row, state, has(settlement.flags, AT_TIME) and settlement.time or now + settlement.time)
  end
  move(q, RUNNING, row.state)
  local record = write_record(row)
  append(q.written, id, record)
  return record
end

local function apply(q, id, record, settlement)
  append(q.ended_claims, id)
  held[settlement.session] = (held[settlement.session] or 0) - 1
  if has(byte(record, 2), STOPPING) then redis.call('HDEL', shared.cancels, id) end
  if has(settlement.flags, IF_LOST) then end_session(settlement.session) end
  local flags, row = settlement.flags, read_record(record)
  count_end(q, settlement.state, settlement.charge, now - row.started)
  row.settled, row.updated, row.result = settlement.state, now, settlement.result
  row.flags = without(without(row.flags, STOPPING), RESULT)
  if has(flags, HAS_RESULT) then row.flags = with(row.flags, RESULT) end
  remember(q, id, row, settlement)
  charge_job(row, settlement.charge)
  return go(q, id, row, settlement)
end

local function read_settlement(arg)
  local s = {}
  local session, result, err, text
  s.fence, s.state, s.charge, s.flags, s.time, s.followers, session, result, err, text =
    unpack_bytes('<I4BBBdI2BI4I4I4', arg, 19)
  local at = 49
  s.session = sub(arg, at, at + session - 1)
  at = at + session
  s.result = sub(arg, at, at + result - 1)
  at = at + result
  s.error = sub(arg, at, at + err - 1)
  s.text = sub(arg, at + err)
  return s
end

local function is_claim(record, settlement)
  return record and unpack_bytes('<I4', record, 5) == settlement.fence
    and sub(record, 60, 59 + byte(record, 59)) == settlement.session
end

local function settle_one(q, id, settlement)
  local record = record_of(q, id)
  if not is_claim(record, settlement) then return 0 end
  if byte(record, 1) ~= RUNNING then return byte(record, 3) == settlement.state and 1 or 0 end
  if has(settlement.flags, IF_LOST) and is_live(settlement.session) then return 0 end
  if not takes_rules and has(byte(record, 2), RULED) then return NEEDS_RULES end
  q.records[id] = apply(q, id, record, settlement)
  return has(settlement.flags, IF_LOST) and 2 or 1, true
end

-- Followers go into the queues of this call; one of another slot waits in the outbox, its time made absolute.
local function follow(q, arg)
  local number = unpack_bytes('<I2', arg)
  if number ~= ELSEWHERE then
    local there, length = queues[number + 1], (unpack_bytes('<I4', arg, 3))
    if takes_rules then
      ruling().follow(there, sub(arg, 7 + length), sub(arg, 7, 6 + length))
      return
    end
    write_gone(there) -- it may come back
    write_lines(there) -- they stand before it
    there.line = there[byte(arg, 31)]
    insert_jobs(there, there.name, { sub(arg, 7) })
    return
  end
  local length = 5 + byte(arg, 3) + unpack_bytes('<I4', arg, 4 + byte(arg, 3)) -- of all before the item
  local item = sub(arg, 3 + length)
  redis.call('RPUSH', q.outbox, sub(arg, 3, 2 + length) .. sub(item, 1, 16) .. pack('<d', due_time(item)) .. sub(item, 25))
end

-- The commonest end: a job that completes and is kept, with nothing else to it. Without tables it takes 3 µs less.
local at_now, now_text = pack('<d', now), string.format('%.17g', now)
local ended_times = at_now .. at_now .. NEVER
local plain_session, plain_count = nil, 0

local function count_plain()
  if plain_count > 0 then held[plain_session] = (held[plain_session] or 0) - plain_count end
  plain_count = 0
end

local function is_plain(arg, record)
  local state, charge, flags = byte(arg, 23, 25)
  if not record or state ~= COMPLETED or charge ~= 0 then return false end
  flags = flags % TOLD
  if flags ~= KEEP and flags ~= KEEP + HAS_RESULT then return false end
  local length = byte(arg, 36)
  return sub(arg, 34, 35) == '\0\0' and byte(record, 1) == RUNNING and byte(record, 2) % 2 == 0 and (takes_rules or byte(record, 2) % EDGED < RULED)
    and sub(arg, 19, 22) == sub(record, 5, 8) and byte(record, 59) == length
    and sub(arg, 49, 48 + length) == sub(record, 60, 59 + length)
end

-- The result that a completion brings; and what the job has of its limit goes back.
local function end_ruled(q, id, arg, length)
  if byte(arg, 25) < TOLD then
    ruling().give_back(q, id)
    return sub(arg, 49 + length)
  end
  local at = 49 + length + unpack_bytes('<I4', arg, 37)
  local _, cost = unpack_bytes('<I2I4', arg, at)
  ruling().free(q, sub(arg, at + 6), cost)
  return sub(arg, 49 + length, at - 1)
end

local function complete(q, id, arg, record)
  local length, flags = byte(arg, 36), byte(record, 2)
  local session = sub(arg, 49, 48 + length)
  if session ~= plain_session then
    count_plain()
    plain_session = session
  end
  plain_count = plain_count + 1
  local result = flags % EDGED >= RULED and end_ruled(q, id, arg, length) or sub(arg, 49 + length)
  flags = flags - flags % EXTRAS + (byte(arg, 25) % TOLD == KEEP and 0 or RESULT)
  local ended = char(COMPLETED, flags, COMPLETED) .. sub(record, 4, 34) .. ended_times .. sub(record, 59, 59 + length) .. result
  q.records[id] = ended
  append(q.written, id, ended)
  append(q.ended, now_text, id)
  append(q.ended_claims, id)
  q.completed, q.spent = q.completed + 1, q.spent + now - unpack_bytes('<d', record, 27)
end

local function settle_all()
  read_all()
  if has_waited and not takes_rules then -- nothing is done: `settle_ruled` is asked about all of them, in their order
    for _, q in ipairs(queues) do
      for _ = 1, #q.asked do append(replies, NEEDS_RULES) end
    end
    return replies
  end
  write_even_if_full(shared.cancels)
  local i = 4 + size
  while i <= #ARGV do
    local arg = ARGV[i]
    local q, id = queues[unpack_bytes('<I2', arg) + 1], sub(arg, 3, 18)
    if is_plain(arg, q.records[id]) then
      if q.waited and q.waited[id] then ruling().end_parent(q, id, COMPLETED) end
      complete(q, id, arg, q.records[id])
      replies[#replies + 1] = 1
      i = i + 1
    else
      local settlement = read_settlement(arg)
      local reply, is_applied = settle_one(q, id, settlement)
      replies[#replies + 1] = reply
      for k = i + 1, i + settlement.followers do
        if is_applied then follow(q, ARGV[k]) end
      end
      i = i + 1 + settlement.followers
    end
  end
  count_plain()
  for _, q in ipairs(queues) do
    if #q.ended_claims > 0 then call_with('HDEL', q.running, q.ended_claims) end
  end
  if takes_rules and has_rules() then ruling().decide(queues) end
  for _, q in ipairs(queues) do
    if takes_rules then ruling().serve_next(q) end
    if q.completed > 0 then
      q.moves[RUNNING], q.moves[COMPLETED] = (q.moves[RUNNING] or 0) - q.completed, (q.moves[COMPLETED] or 0) + q.completed
      count_minute(q, 'c', q.completed)
      count_minute(q, 't', q.spent)
      q.has_ended = true
    end
    close_queue(q)
  end
  for session, amount in pairs(held) do
    if redis.call('HINCRBY', shared.held, session, amount) <= 0 then redis.call('HDEL', shared.held, session) end
  end
  return replies
end
