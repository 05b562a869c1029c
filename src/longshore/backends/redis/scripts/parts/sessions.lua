-- part: whose lease runs, and which small records are there.
--
-- sessions  session -> end of its lease. Each queue of a Cluster has a copy of what it needs from home; there ENDED stays
--           until home has ended the session too, so that nobody copies it again.
-- records   kind \0 key -> version 8 · end 8 (0: none) · length of session 1 · session · value

local ENDED = '-'
local leases = {}

local function lease_end(session)
  local known = leases[session]
  if known == nil then
    known = tonumber(redis.call('HGET', shared.sessions, session) or nil) or false
    leases[session] = known
  end
  return known
end

local function is_live(session)
  local ends = lease_end(session)
  return ends and ends > now
end

local function end_session(session)
  if string.find(shared.sessions, '{.}', 1, true) then
    redis.call('HDEL', shared.sessions, session)
  else
    redis.call('HSET', shared.sessions, session, ENDED)
  end
  leases[session] = false
end

local function is_over(record)
  local ends, length = struct.unpack('<dB', record, 9)
  if ends > 0 and ends <= now then return true end
  return length > 0 and not is_live(string.sub(record, 18, 17 + length))
end

local function is_record_live(name)
  local record = redis.call('HGET', shared.records, name)
  return record and not is_over(record)
end
