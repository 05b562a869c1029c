-- part, on demand: what claims spend, and the writing of all that a call has changed of rules.

-- A pending job is claimed: what it had reserved of rates is spent.
function rules.start(q, packed)
  for _, key in ipairs(decode(packed)[FLOW]) do
    if key[KIND] ~= CONCURRENCY then
      local meter = meter_for(q, key)
      meter.used = meter.used - key[COST]
      spend(meter, key[COST])
      ledger_of(q).changed[meter.name] = true
    end
  end
end

local function note_time(q, meter)
  local due = due_ms(meter)
  if meter.is_left then due = now end
  local ledger = ledger_of(q)
  if ledger.has_times == nil then ledger.has_times = redis.call('ZCARD', q.meter_times) > 0 end
  if not due and not ledger.has_times then return end
  local noted = tonumber(redis.call('ZSCORE', q.meter_times, meter.name) or nil)
  if due == noted then return end
  if not due then
    redis.call('ZREM', q.meter_times, meter.name)
    return
  end
  local first = tonumber(redis.call('ZRANGE', q.meter_times, 0, 0, 'WITHSCORES')[2])
  if not first or due < first then q.has_nearer_meter = true end
  redis.call('ZADD', q.meter_times, string.format('%.17g', due), meter.name)
end

-- Writes all meters that have changed, when they are to serve next, and what is kept of jobs.
function rules.write(q)
  local ledger, written, idle, kept = ledger_of(q), {}, {}, {}
  for name in pairs(ledger.changed) do
    local meter = ledger.meters[name]
    note_time(q, meter)
    if not meter.is_left and is_idle(meter) then append(idle, name) else append(written, name, write_meter(meter)) end
  end
  for id in pairs(ledger.kept) do
    local job = ledger.jobs[id]
    append(kept, id, char(job.holder) .. pack('>I7', job.tag) .. job.packed)
  end
  if #idle > 0 then call_with('HDEL', q.meters, idle) end
  if #written > 0 then call_with('HSET', q.meters, written) end
  if #kept > 0 then call_with('HSET', q.rules, kept) end
  if next(ledger.waiting) then write_waiting(q) end
  ledger.changed, ledger.kept = {}, {}
  if q.has_nearer_meter then ring('scheduled', q.name) end
end
