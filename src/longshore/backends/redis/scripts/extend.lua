-- verb: extend
-- keys: sessions cancels |
-- arguments: now, channel, then for each lease: how 1 (0 extends, 1 opens, 2 copies from home) · milliseconds 8 · session
-- reply: for each lease: 1 (held), 0 (not there) or - (it was ended), and behind it the ids of its jobs that are to stop
-- include: time sessions room

local EXTENDS, COPIES = 0, 2
local replies, wishes = {}, nil

-- The jobs that somebody wants stopped, by session; read once, if there are any.
local function wishes_for(session)
  if not wishes then
    wishes = {}
    local all = redis.call('HGETALL', shared.cancels)
    for i = 1, #all, 2 do
      wishes[all[i + 1]] = (wishes[all[i + 1]] or '') .. all[i]
    end
  end
  return wishes[session] or ''
end

local function is_ended(session) return redis.call('HGET', shared.sessions, session) == ENDED end

write_even_if_full(shared.sessions)
for i = 3, #ARGV do
  local how, lease_ms = struct.unpack('<Bd', ARGV[i])
  local session = string.sub(ARGV[i], 10)
  if lease_ms <= 0 then
    end_session(session)
    replies[#replies + 1] = '0'
  elseif how == EXTENDS and not lease_end(session) or how == COPIES and is_ended(session) then
    replies[#replies + 1] = is_ended(session) and ENDED or '0'
  else
    redis.call('HSET', shared.sessions, session, now + lease_ms)
    leases[session] = now + lease_ms
    replies[#replies + 1] = '1' .. wishes_for(session)
  end
end
return replies
