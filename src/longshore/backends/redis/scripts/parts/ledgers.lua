-- part, on demand: what a call knows of the rules in each of its queues, and what of it is to be written.
--
-- rules        id -> place in its flow of the limit that holds the job 1 (0: none) · tag 7 · rules, as `ruling.py` packs
--              them: SPENDS if a claim spends of a rate, and GIVES if an end gives room back 1 · MessagePack
-- meter_times  name -> when a meter has to serve next
-- waiters      length of a meter's name 4 · name · priority 1 · place 6 · id 16: those that meters hold, in their order
-- marks        'u' unique key -> id of the last job that was stored with it; 't' priority key -> last tag of a fair
--              key; 'm' priority -> the largest tag that was ever given

local FLOW, FAIR, UNIQUE, ROOM = 1, 2, 3, 4
local UNIQUE_KEY, UNIQUE_STATES, UNIQUE_MS = 1, 2, 3
local ledgers, decoded = {}, {}

local function ledger_of(q)
  local ledger = ledgers[q.meters]
  if not ledger then
    ledger = { meters = {}, touched = {}, changed = {}, jobs = {}, rows = {} }
    ledgers[q.meters] = ledger
  end
  return ledger
end

-- Many jobs have the same rules: they are decoded once.
local function decode(packed)
  local told = decoded[packed]
  if not told then
    told = cmsgpack.unpack(sub(packed, 2))
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
  local jobs = ledger_of(q).jobs
  if not jobs[id] then jobs[id] = read_job(redis.call('HGET', q.rules, id)) end
  return jobs[id]
end

local function keep_job(q, id, job)
  ledger_of(q).jobs[id] = job
  redis.call('HSET', q.rules, id, char(job.holder) .. pack('>I7', job.tag) .. job.packed)
end

-- The meter of a key, a new one where there is none; `key` may be nil where there is one.
local function meter_of(q, name, key)
  local meters = ledger_of(q).meters
  local meter = meters[name]
  if meter == nil then
    local bytes = redis.call('HGET', q.meters, name)
    meter = bytes and read_meter(bytes) or (key and new_meter(key)) or false
    if meter then
      meter.name = name
      meters[name] = meter
    end
  end
  return meter
end

local function meter_for(q, key) return meter_of(q, key.name, key) end

local function touch(q, meter)
  local ledger = ledger_of(q)
  ledger.touched[meter.name] = true
  ledger.changed[meter.name] = true
end

-- Writes what is gathered, so that it can be read.
local function flush(q)
  write_queue(q)
  renew_queue(q)
end

local function held_prefix(name) return pack('>I4', #name) .. name end

local function held_entry(id, row, job)
  return held_prefix(job.flow[job.holder].name) .. char(row.priority) .. row.place .. id
end
