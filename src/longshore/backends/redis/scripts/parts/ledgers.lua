-- part, on demand: what a call knows of the rules in each of its queues, and what of it is to be written.
--
-- rules        id -> place in its flow of the limit that holds the job, or did last, 1 (0: none) · tag 7 · rules, as `ruling.py` packs
--              them: SPENDS if a claim spends of a rate, GIVES if an end gives room back, SHORT 1 · MessagePack; of a SHORT
--              one before that length of the meter's name 2 · cost 4 · name, and this is all that there is to it
-- meter_times  name -> when a meter has to serve next
-- waiters      priority 1 · place 6 · id 16 · cost 4 -> number of the meter that holds it: so by meter, and there in their order
-- marks        'u' unique key -> id of the last job that was stored with it; 't' priority key -> last tag of a fair
--              key; 'm' priority -> the largest tag that was ever given

local FLOW, FAIR, UNIQUE, ROOM = 1, 2, 3, 4
local LOOK, REST = '\0', '\1' -- begin what is no meter in `meter_times` (see `edges.lua`)
local UNIQUE_KEY, UNIQUE_STATES, UNIQUE_MS = 1, 2, 3
local NO_COST = '\0\0\0\0'
local MOST_IN_FRONT = 8 -- looking for the first among 100,000 costs 6 µs
local ledgers, decoded = {}, {}

local function ledger_of(q)
  local ledger = ledgers[q.meters]
  if not ledger then
    ledger = { meters = {}, freed = {}, touched = {}, changed = {}, jobs = {}, rows = {}, kept = {}, packed = {}, records = {}, waiting = {}, now = pack('<d', now) }
    ledgers[q.meters] = ledger
  end
  return ledger
end

-- Many jobs have the same rules: they are decoded once.
local function decode(packed)
  local told = decoded[packed]
  if not told then
    told = cmsgpack.unpack(sub(packed, byte(packed) < SHORT and 2 or 8 + unpack_bytes('<I2', packed, 2)))
    for _, key in ipairs(told[FLOW]) do key.name = key[RULE] .. ':' .. key[KEY] end
    decoded[packed] = told
  end
  return told
end

local function read_job(bytes)
  local packed = sub(bytes, 9)
  local told = decode(packed)
  return {
    holder = byte(bytes, 1), tag = (unpack_bytes('>I7', bytes, 2)), packed = packed,
    flow = told[FLOW], fair = told[FAIR], unique = told[UNIQUE], room = told[ROOM],
  }
end

-- The rules of a job that has some.
function rules.job(q, id)
  local ledger = ledger_of(q)
  local job = ledger.jobs[id]
  if not job then
    job = read_job(ledger.packed[id] or redis.call('HGET', q.rules, id))
    ledger.jobs[id] = job
  end
  return job
end

-- Written by `rules.write`.
local function keep_job(q, id, job)
  local ledger = ledger_of(q)
  ledger.jobs[id], ledger.kept[id] = job, true
end

-- Reads what is kept of so many fields in one command, and puts it into the table.
local function read_into(known, key, fields)
  if #fields == 0 then return end
  for i, bytes in ipairs(read_each('HMGET', key, fields)) do known[fields[i]] = bytes end
end

local function touch(q, meter)
  local ledger = ledger_of(q)
  ledger.touched[meter.name] = true
  ledger.changed[meter.name] = true
end

-- A meter is a table from now on: what the call has freed of it so far goes in.
local function know_meter(q, name, meter)
  local ledger = ledger_of(q)
  meter.name = name
  ledger.meters[name] = meter
  if ledger.freed[name] then
    meter.used, ledger.freed[name] = meter.used - ledger.freed[name], nil
    touch(q, meter)
  end
end

-- Reads the meters of these names, those that are not known yet.
local function read_meters(q, names)
  local meters, unknown, seen = ledger_of(q).meters, {}, {}
  for _, name in ipairs(names) do
    if meters[name] == nil and not seen[name] then
      seen[name] = true
      unknown[#unknown + 1] = name
    end
  end
  if #unknown == 0 then return end
  for i, bytes in ipairs(read_each('HMGET', q.meters, unknown)) do
    if bytes then know_meter(q, unknown[i], read_meter(bytes)) end
  end
end

local function names_of(flow, names)
  for _, key in ipairs(flow) do names[#names + 1] = key.name end
end

-- Reads at once what the ends of these jobs will ask for one by one; what ends that are SHORT free is told to `handing.lua`.
function rules.expect_ends(q, ids)
  local packed, names = ledger_of(q).packed, {}
  for i, bytes in ipairs(read_each('HMGET', q.rules, ids)) do
    local kind = byte(bytes, 9)
    packed[ids[i]] = bytes
    if kind >= GIVES and kind < SHORT then names_of(decode(sub(bytes, 9))[FLOW], names) end
  end
  read_meters(q, names)
end

-- The meter of a key, a new one where there is none; `key` may be nil where there is one.
local function meter_of(q, name, key)
  local meters = ledger_of(q).meters
  local meter = meters[name]
  if meter == nil then
    local bytes = redis.call('HGET', q.meters, name)
    meter = bytes and read_meter(bytes) or (key and new_meter(key)) or false
    if meter then know_meter(q, name, meter) end
  end
  return meter
end

local function meter_for(q, key) return meter_of(q, key.name, key) end

-- Writes what is gathered, so that it can be read.
local function flush(q)
  write_queue(q)
  renew_queue(q)
end

-- How a job stands among those that are held; behind its id the cost where it is SHORT, 0 where not.
local function standing_of(id, row, job)
  return char(row.priority) .. row.place .. id .. (byte(job.packed) >= SHORT and sub(job.packed, 4, 7) or NO_COST)
end

local function order_of(standing) return byte(standing) * LINE + place_number(sub(standing, 2, 7)) end

-- Whether a job is among `waiters`; written by `write_waiting`.
local function set_waiting(q, meter, standing, is_there)
  if meter.number == 0 then meter.number = redis.call('HINCRBY', q.counts, 'meter', 1) end
  ledger_of(q).waiting[standing], meter.is_unwritten = is_there and meter.number, true
end

-- How many bytes of its front stand before a job.
local function front_before(meter, standing)
  local order, before = order_of(standing), 0
  while before < #meter.front and order_of(sub(meter.front, before + 1, before + 7)) < order do before = before + STANDING end
  return before
end

-- A meter holds a job: in its front, if that has room or the job comes before others there.
local function stand_at(q, meter, standing)
  local size = #meter.front
  local before = front_before(meter, standing)
  if before == size and (meter.held * STANDING > size or size >= MOST_IN_FRONT * STANDING) then
    set_waiting(q, meter, standing, true)
    return
  end
  meter.front = sub(meter.front, 1, before) .. standing .. sub(meter.front, before + 1)
  if size >= MOST_IN_FRONT * STANDING then
    set_waiting(q, meter, sub(meter.front, -STANDING), true)
    meter.front = sub(meter.front, 1, -1 - STANDING)
  end
end

-- A meter holds a job no more.
local function stand_off(q, meter, standing)
  local before = front_before(meter, standing)
  if sub(meter.front, before + 1, before + STANDING) == standing then
    meter.front = sub(meter.front, 1, before) .. sub(meter.front, before + 1 + STANDING)
  else
    set_waiting(q, meter, standing, false)
  end
end

local function write_waiting(q)
  local ledger, added, dropped = ledger_of(q), {}, {}
  for standing, number in pairs(ledger.waiting) do
    if number then append(added, number, standing) else append(dropped, standing) end
  end
  if #dropped > 0 then call_with('ZREM', q.waiters, dropped) end
  if #added > 0 then call_with('ZADD', q.waiters, added) end
  ledger.waiting = {}
end
