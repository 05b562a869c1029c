-- part, on demand: jobs with a fair key, which stand in line by tag.
--
-- They are in `back`, at one score for each priority below all others: tag 7 · place 6 · id 16, so by tag, then by place.

local FAIR_KEY, WEIGHT, FAIR_STEP = 1, 2, 1024

local function turn_score(priority) return -1 - priority end

local function turn_entry(id, row, job) return pack('>I7', job.tag) .. row.place .. id end

-- Half to even, as Python rounds.
local function rounded(number)
  local whole = math.floor(number)
  local rest = number - whole
  if rest > 0.5 or (rest == 0.5 and whole % 2 == 1) then return whole + 1 end
  return whole
end

local function next_tag(q, priority, fair)
  local name, of_line = 't' .. char(priority) .. fair[FAIR_KEY], 'm' .. char(priority)
  local last, largest = unpack(redis.call('HMGET', q.marks, name, of_line))
  last, largest = tonumber(last or 0), tonumber(largest or 0)
  local score = turn_score(priority)
  local first = redis.call('ZRANGEBYSCORE', q.back, score, score, 'LIMIT', 0, 1)[1]
  local time = first and unpack_bytes('>I7', first) or largest
  local tag = math.max(last, time) + math.max(rounded(FAIR_STEP / fair[WEIGHT]), 1)
  redis.call('HSET', q.marks, name, string.format('%.17g', tag), of_line, string.format('%.17g', math.max(largest, tag)))
  return tag
end

-- Lets a job stand in line, whatever line that is; as `line_up`.
local function stand_in_line(q, id, row, job, at_old_place)
  if not job.fair then return line_up(q, id, row, at_old_place) end
  row.state, row.run_ms, row.finished, row.flags = PENDING, 0, 0, without(row.flags, BACK)
  if not at_old_place then
    row.place = next_place(q)
    job.tag = next_tag(q, row.priority, job.fair)
    keep_job(q, id, job)
  end
  redis.call('ZADD', q.back, turn_score(row.priority), turn_entry(id, row, job))
  q.has_new = true
end

-- Takes a pending job out of its line; at once, because the same call may put it back.
local function leave_any_line(q, id, row, job)
  if job.fair then
    redis.call('ZREM', q.back, turn_entry(id, row, job))
  elseif has(row.flags, BACK) then
    redis.call('ZREM', q.back, id)
    row.flags = without(row.flags, BACK)
  end
  q.has_left = true
end

-- A pending job is claimed out of its turn.
function rules.leave_line(q, id, record)
  leave_any_line(q, id, { place = sub(record, 21, 26), flags = byte(record, 2), priority = byte(record, 4) }, rules.job(q, id))
end
