-- part, on demand: meters that were touched serve those that they hold; then all is written.

-- The server compares texts as its locale does; the order of meters is that of their bytes.
local function is_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = byte(one, i), byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local function common_prefix(names)
  local prefix = names[1] or ''
  for _, name in ipairs(names) do
    while sub(name, 1, #prefix) ~= prefix do prefix = sub(prefix, 1, -2) end
  end
  return prefix
end

-- Most differ in the six bytes behind what is common to all, and numbers are compared without a function of ours.
local function sorted_names(set)
  local names, numbers, groups = {}, {}, {}
  for name in pairs(set) do names[#names + 1] = name end
  local first = #common_prefix(names) + 1
  for _, name in ipairs(names) do
    local number = place_number(sub(name, first, first + 5) .. sub(NOWHERE, 1, math.max(first + 5 - #name, 0)))
    local before = groups[number]
    if not before then
      numbers[#numbers + 1], groups[number] = number, name
    elseif type(before) == 'table' then
      append(before, name)
    else
      groups[number] = { before, name }
    end
  end
  table.sort(numbers)
  local sorted = {}
  for _, number in ipairs(numbers) do
    local group = groups[number]
    if type(group) == 'table' then
      table.sort(group, is_before)
      for _, name in ipairs(group) do sorted[#sorted + 1] = name end
    else
      sorted[#sorted + 1] = group
    end
  end
  return sorted
end

-- A limit without any room is not asked who is first; of a rate that says when its time comes.
local function may_serve(meter) return meter.held > 0 and (meter.kind ~= CONCURRENCY or meter.limit > meter.used) end

-- Sees to it that as many as a meter may serve are in its front. Gives how many that are.
local function look_ahead(q, meter, most)
  local wanted = math.max(math.min(room_of(meter), meter.held, most), 1)
  local size = #meter.front / STANDING
  if size >= math.min(wanted, meter.held) then return math.min(wanted, size) end
  local ledger = ledger_of(q)
  if meter.is_unwritten then write_waiting(q) end
  local found = redis.call('ZRANGEBYSCORE', q.waiters, meter.number, meter.number, 'LIMIT', 0, math.max(wanted, MOST_IN_FRONT) - size)
  for _, standing in ipairs(found) do ledger.waiting[standing] = false end
  meter.front, meter.is_unwritten = meter.front .. table.concat(found), true
  ledger.changed[meter.name] = true
  return math.min(wanted, #meter.front / STANDING)
end

-- The id behind so many others in the front of a meter; '' if there is none.
local function id_in_front(meter, others) return sub(meter.front, others * STANDING + 8, others * STANDING + 23) end

-- Reads at once what serving these meters will ask for one by one.
local function expect_served(q, names)
  local ledger, ids, most = ledger_of(q), {}, MOST_SERVED
  read_meters(q, names)
  for _, name in ipairs(names) do
    local meter = meter_of(q, name)
    if most > 0 and may_serve(meter) then
      local count = look_ahead(q, meter, most)
      for others = 0, count - 1 do ids[#ids + 1] = id_in_front(meter, others) end
      most = most - count
    end
  end
  read_into(ledger.records, q.states, ids)
  q.places = math.max(#ids, 1)
end

local function row_of(q, id)
  local ledger = ledger_of(q)
  if not ledger.rows[id] then ledger.rows[id] = read_record(ledger.records[id] or redis.call('HGET', q.states, id)) end
  return ledger.rows[id]
end

-- What the first in the front of a meter costs, if its record alone is to be written to serve it.
local function short_cost(q, meter, id)
  local ledger = ledger_of(q)
  local cost = unpack_bytes('<I4', meter.front, 24)
  return cost > 0 and not ledger.jobs[id] and not ledger.rows[id] and ledger.records[id] and cost
end

-- The same as below where one concurrency limit is all: nothing is decoded, and the record only gets other bytes.
local function serve_short(q, meter, id, cost)
  local ledger = ledger_of(q)
  if not has_room(meter, cost) then
    meter.wanted = cost
    return false
  end
  local record, place = ledger.records[id], next_place(q)
  meter.front = sub(meter.front, STANDING + 1)
  meter.held, meter.used = meter.held - 1, meter.used + cost
  ledger.changed[meter.name] = true
  move(q, HELD, PENDING)
  join_tail(q, id, byte(record, 4), place)
  append(q.written, id, lined_up(record, place, ledger.now))
  return true
end

-- Serves the first that a meter holds. Gives whether there may be more.
local function serve_first(q, meter)
  if meter.front == '' then look_ahead(q, meter, 1) end
  local id = id_in_front(meter, 0)
  if id == '' then
    meter.held = 0
    return false
  end
  local cost = short_cost(q, meter, id)
  if cost then return serve_short(q, meter, id, cost) end
  local row, job = row_of(q, id), rules.job(q, id)
  local next_holder = blocker_of_held(q, job.flow, job.holder)
  if next_holder == job.holder then
    meter.wanted = job.flow[job.holder][COST]
    return false
  end
  let_go(q, id, row, job)
  row.updated = now
  if next_holder then
    row.place = next_place(q)
    hold(q, id, row, job, next_holder)
  else
    keep_job(q, id, job)
    enter(q, job.flow)
    move(q, HELD, PENDING)
    stand_in_line(q, id, row, job)
  end
  keep(q, id, row)
  return true
end

-- The end of a step: the queue is written by `write_queue`, so that those who are served are read as they are.
function rules.serve(q)
  local ledger, left = ledgers[q.meters], MOST_SERVED
  if not ledger then return end
  flush(q)
  local names = sorted_names(ledger.touched)
  expect_served(q, names)
  for _, name in ipairs(names) do
    local meter = meter_of(q, name)
    while may_serve(meter) do
      if left <= 0 then
        meter.is_left = true
        break
      end
      left = left - 1
      if not serve_first(q, meter) then break end
    end
  end
  ledger.touched = {}
  rules.write(q)
end

-- Touches the meters whose time has come; first come jobs that look for their parents, and parents that have more to tell.
function rules.touch_due(q)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', q.meter_times, '-inf', now, 'LIMIT', 0, 1000)) do
    local meter, kind = meter_of(q, name), sub(name, 1, 1)
    if kind == LOOK then
      rules.look_again(q, sub(name, 2))
    elseif kind == REST then
      rules.tell_rest(q, name)
    elseif meter then
      touch(q, meter)
    else
      redis.call('ZREM', q.meter_times, name)
    end
  end
end

-- Gives the meters of a rule another limit; `found` are names and meters. Gives the names of those.
function rules.tune(q, found, key)
  local names, prefix = {}, key[RULE] .. ':'
  for i = 1, #found, 2 do
    local meter = sub(found[i], 1, #prefix) == prefix and meter_of(q, found[i])
    if meter and not is_idle(meter) then
      follow_key(meter, key)
      touch(q, meter)
      names[#names + 1] = found[i]
    end
  end
  return names
end

-- Drops meters that nobody uses any more.
function rules.forget_idle(q, found)
  for i = 1, #found, 2 do
    local meter = read_meter(found[i + 1])
    if is_idle(meter) then redis.call('HDEL', q.meters, found[i]) end
  end
end
