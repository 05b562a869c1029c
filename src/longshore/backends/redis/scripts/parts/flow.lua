-- part, on demand: who becomes pending and who is held, as the contract says.

local MOST_SERVED = 400 -- jobs, in one call; the next `promote` goes on

-- The first limit that stands in the way of a job that comes: its place in the flow; nil for none.
local function blocker(q, flow)
  for i, key in ipairs(flow) do
    local meter = meter_for(q, key)
    if meter.held > 0 or not has_room(meter, key[COST]) then return i end
  end
  return nil
end

-- Where a meter is idle, and perhaps forgotten, a job that asks says what its limit is.
local function learn(q, key, is_new)
  local meter = meter_for(q, key)
  if is_new or is_idle(meter) then follow_key(meter, key) end
  return meter
end

-- The same for one that is held: it only needs room, first of all where it is held.
local function blocker_of_held(q, flow, holder)
  if not has_room(meter_for(q, flow[holder]), flow[holder][COST]) then return holder end
  for i, key in ipairs(flow) do
    learn(q, key)
    if not has_room(meter_for(q, key), key[COST]) then return i end
  end
  return nil
end

local function enter(q, flow)
  for _, key in ipairs(flow) do
    local meter = meter_for(q, key)
    meter.used = meter.used + key[COST]
    ledger_of(q).changed[meter.name] = true
  end
end

local function hold(q, id, row, job, holder)
  local key = job.flow[holder]
  local meter = meter_for(q, key)
  meter.wanted = meter.held > 0 and math.min(meter.wanted, key[COST]) or key[COST]
  ledger_of(q).changed[meter.name] = true
  row.state, row.run_ms, row.finished, row.flags = HELD, 0, 0, without(row.flags, BACK)
  job.holder = holder
  keep_job(q, id, job)
  stand_at(q, meter, standing_of(id, row, job))
  meter.held = meter.held + 1
end

-- A job wants to be pending: it is from now on, or held. Gives which; the caller moves and keeps it.
function rules.admit(q, id, row, job, at_old_place, is_new)
  for _, key in ipairs(job.flow) do
    touch(q, learn(q, key, is_new))
  end
  local holder = blocker(q, job.flow)
  if holder then
    if not at_old_place then row.place = next_place(q) end
    hold(q, id, row, job, holder)
  else
    enter(q, job.flow)
    stand_in_line(q, id, row, job, at_old_place)
  end
  return row.state
end

local function let_go(q, id, row, job)
  local meter = meter_for(q, job.flow[job.holder])
  meter.held = meter.held - 1
  stand_off(q, meter, standing_of(id, row, job))
  job.holder = 0
  return meter
end

-- A job that is held or pending gives back what it has, before it gets another state.
function rules.leave(q, id, row)
  local state = row.state
  if state ~= HELD and state ~= PENDING then return end
  local job = rules.job(q, id)
  if state == HELD then
    touch(q, let_go(q, id, row, job))
    keep_job(q, id, job)
    return
  end
  for _, key in ipairs(job.flow) do
    local meter = meter_for(q, key)
    meter.used = meter.used - key[COST]
    touch(q, meter)
  end
  leave_any_line(q, id, row, job)
end

-- So much of a concurrency limit is free again.
function rules.free(q, name, cost)
  local ledger = ledger_of(q)
  local meter = ledger.meters[name]
  if meter then
    meter.used = meter.used - cost
    touch(q, meter)
  else
    ledger.freed[name] = (ledger.freed[name] or 0) + cost
  end
end

-- A running job ends or goes back: it has spent of rates, but gives back what it had of other limits.
function rules.give_back(q, id)
  local bytes = ledger_of(q).packed[id] or redis.call('HGET', q.rules, id)
  local kind = byte(bytes, 9)
  if kind < GIVES then return end
  if kind >= SHORT then
    local length, cost = unpack_bytes('<I2I4', bytes, 10)
    rules.free(q, sub(bytes, 16, 15 + length), cost)
    return
  end
  for _, key in ipairs(decode(sub(bytes, 9))[FLOW]) do
    if key[KIND] == CONCURRENCY then
      local meter = meter_for(q, key)
      meter.used = meter.used - key[COST]
      touch(q, meter)
    end
  end
end

-- A job that waits gets another priority, and keeps its place.
function rules.reorder(q, id, row, priority)
  local job = rules.job(q, id)
  if row.state == PENDING then
    leave_any_line(q, id, row, job)
    row.priority = priority
    stand_in_line(q, id, row, job, true)
  elseif row.state == HELD then
    local meter = meter_for(q, job.flow[job.holder])
    stand_off(q, meter, standing_of(id, row, job))
    meter.held = meter.held - 1
    row.priority = priority
    stand_at(q, meter, standing_of(id, row, job))
    meter.held = meter.held + 1
    touch(q, meter)
  end
end

-- Forgets what is kept for the rules of a job.
function rules.forget(q, id)
  local job = rules.job(q, id)
  redis.call('HDEL', q.rules, id)
  local ledger = ledger_of(q)
  ledger.jobs[id], ledger.kept[id], ledger.packed[id] = nil, nil, nil
  if job.unique and redis.call('HGET', q.marks, 'u' .. job.unique[UNIQUE_KEY]) == id then
    redis.call('HDEL', q.marks, 'u' .. job.unique[UNIQUE_KEY])
  end
end
