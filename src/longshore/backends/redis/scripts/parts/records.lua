-- part: the two byte strings of a job, which `rows.py` packs and reads as well.
--
-- jobs   id -> body    created 8 · place 6 · priority 1 · max_attempts 4 · lengths 1 4 4 · name · details · words · payload
-- states id -> record  of a job that ran or was changed, and is not running
-- running id -> record of a running job; a job has a record here or there or, while it is new, nowhere
--   record: state 1 · flags 1 · settled 1 · priority 1 · fence failures crashes releases 4 each · place 6 ·
--           started finished updated run_ms 8 each (doubles) · length of session 1 · session · result
--
-- A job with rules always has a record, and the flag RULED there; `ledgers.lua` says what else is kept of it.
--
-- A place is a number that counts up with every job that becomes pending, six bytes, the highest first. An entry of a
-- line is id 16 · place 6, and HAS_RECORD unless the job is new. The body of a new job holds its place while it stands
-- there, and NOWHERE as soon as it has gone from there or got a record. So an entry of a new job is good exactly if
-- its place is in the body, and one of another job if it is in its record; what is not good is skipped, because
-- taking an entry out of the middle of a list would cost a walk through it.

local function has(flags, flag) return math.floor(flags / flag) % 2 == 1 end
local function with(flags, flag) return has(flags, flag) and flags or flags + flag end
local function without(flags, flag) return has(flags, flag) and flags - flag or flags end

local function place_number(bytes) return (unpack_bytes('>I6', bytes)) end
local function priority_of(body) return byte(body, 15) end
local function place_of(body) return sub(body, 9, 14) end
local function with_place(body, place) return sub(body, 1, 8) .. place .. sub(body, 15) end

-- Whether a job still stands where an entry says; `record` is nil exactly for an entry of a new job.
local function is_good(place, priority, body, record)
  if record == nil then return place_of(body) == place end
  return record and byte(record, 1) == PENDING and sub(record, 21, 26) == place and byte(record, 4) == priority
    and not has(byte(record, 2), BACK)
end

-- A record as a table, for whatever is not the hot path.
local function read_record(record)
  local state, flags, settled, priority, fence, failures, crashes, releases = unpack_bytes('<BBBBI4I4I4I4', record)
  local started, finished, updated, run_ms, length = unpack_bytes('<ddddB', record, 27)
  return {
    state = state, flags = flags, settled = settled, priority = priority,
    fence = fence, failures = failures, crashes = crashes, releases = releases, place = sub(record, 21, 26),
    started = started, finished = finished, updated = updated, run_ms = run_ms,
    session = sub(record, 60, 59 + length), result = sub(record, 60 + length),
  }
end

local function write_record(row)
  return char(row.state, row.flags, row.settled, row.priority)
    .. pack('<I4I4I4I4', row.fence, row.failures, row.crashes, row.releases) .. row.place
    .. pack('<dddd', row.started, row.finished, row.updated, row.run_ms)
    .. char(#row.session) .. row.session .. row.result
end

-- What the record of a new job says, which has none; `is_due` where its place says that it waits for a time.
local function new_row(body)
  local place, created = place_of(body), (unpack_bytes('<d', body))
  return {
    state = place == NOWHERE and SCHEDULED or PENDING, flags = 0, settled = UNSETTLED, priority = priority_of(body),
    fence = 0, failures = 0, crashes = 0, releases = 0, place = place,
    started = 0, finished = 0, updated = created, run_ms = 0, session = '', result = '',
  }
end
