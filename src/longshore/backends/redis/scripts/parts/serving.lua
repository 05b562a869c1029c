-- part, on demand: meters that were touched serve those that they hold; then all is written.

-- The server compares texts as its locale does; the order of meters is that of their bytes.
local function is_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = byte(one, i), byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local function sorted_names(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names, is_before)
  return names
end

local function first_held(q, name)
  local prefix = held_prefix(name)
  local entry = redis.call('ZRANGEBYLEX', q.waiters, '[' .. prefix, '(' .. prefix .. '\255', 'LIMIT', 0, 1)[1]
  return entry, entry and sub(entry, -16)
end

local function row_of(q, id)
  local rows = ledger_of(q).rows
  if not rows[id] then rows[id] = read_record(redis.call('HGET', q.states, id)) end
  return rows[id]
end

-- Serves the first that a meter holds. Gives whether there may be more.
local function serve_first(q, meter)
  local entry, id = first_held(q, meter.name)
  if not entry then
    meter.held = 0
    return false
  end
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
  for _, name in ipairs(sorted_names(ledger.touched)) do
    local meter = meter_of(q, name)
    while meter.held > 0 do
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

-- Touches the meters whose time has come.
function rules.touch_due(q)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', q.meter_times, '-inf', now, 'LIMIT', 0, 1000)) do
    local meter = meter_of(q, name)
    if meter then
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
