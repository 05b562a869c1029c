-- part, on demand: meters that were touched serve those that they hold; then all is written.

-- The server compares texts as its locale does; the order of meters is that of their bytes.
local function is_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = byte(one, i), byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

-- How much of the text all have in common; most have the whole of the first one's rule.
local function common_length(names)
  local prefix, find = names[1] or '', string.find
  for i = 2, #names do
    while find(names[i], prefix, 1, true) ~= 1 do prefix = sub(prefix, 1, -2) end
  end
  return #prefix
end

local MANY = 2 ^ 20 -- more names than one call has
local FIRST_BYTES = 4 -- of what differs; with these and its place in the list a name is a number that a double can hold

-- Sorts names that are equal as far as their numbers say.
local function sort_run(names, first, last)
  local run = {}
  for i = first, last do run[#run + 1] = names[i] end
  table.sort(run, is_before)
  for i = first, last do names[i] = run[i - first + 1] end
end

-- Most differ in the four bytes behind what is common to all, and numbers are compared without a function of ours; a byte
-- that is missing comes before all others.
local function sorted_names(set)
  local names, numbers, sorted, n = {}, {}, {}, 0
  for name in pairs(set) do
    n = n + 1
    names[n] = name
  end
  local first = common_length(names) + 1
  for i = 1, n do
    local a, b, c, d = byte(names[i], first, first + FIRST_BYTES - 1)
    numbers[i] = (((((a or -1) + 1) * 257 + (b or -1) + 1) * 257 + (c or -1) + 1) * 257 + (d or -1) + 1) * MANY + i
  end
  table.sort(numbers)
  local begin, before = 1, nil
  for i = 1, n do
    local place = numbers[i] % MANY
    local is_new = (numbers[i] - place) ~= before
    if is_new and i - begin > 1 then sort_run(sorted, begin, i - 1) end
    if is_new then begin, before = i, numbers[i] - place end
    sorted[i] = names[place]
  end
  if n - begin > 0 then sort_run(sorted, begin, n) end
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
