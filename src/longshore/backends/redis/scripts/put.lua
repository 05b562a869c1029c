-- verb: put
-- keys: sessions records record_names mortal |
-- arguments: now, channel, then for each record: flags 1 (1 deletes, 2 expects a version) · version 8 · time to live 8
--   (below 0: none) · lengths of name 4, session 1 · name · session · value
-- reply: for each: '1' (stored) or '0', and behind it the record as it is now
-- include: time sessions

local sub = string.sub
local DELETES, EXPECTS = 1, 2
local replies = {}

local function version_of(record) return record and (struct.unpack('<d', record)) or 0 end

local function read_put(arg)
  local flags, expect, ttl, length, session_length = struct.unpack('<BddI4B', arg)
  local put = { deletes = flags % 2 == DELETES, expects = flags >= EXPECTS, expect = expect, ttl = ttl }
  put.name = sub(arg, 23, 22 + length)
  put.session = sub(arg, 23 + length, 22 + length + session_length)
  put.value = sub(arg, 23 + length + session_length)
  return put
end

-- Whether the record is just what this put would have made of it: its first reply was lost.
local function is_repeat(put, record)
  if not record or put.deletes then return not record and put.deletes end
  local length = string.byte(record, 17)
  return version_of(record) == put.expect + 1 and sub(record, 18, 17 + length) == put.session
    and sub(record, 18 + length) == put.value
end

local function forget(name)
  redis.call('HDEL', shared.records, name)
  redis.call('ZREM', shared.record_names, name)
  redis.call('SREM', shared.mortal, name)
end

local function store(put, version)
  local ends = put.ttl >= 0 and now + put.ttl or 0
  local record = struct.pack('<dd', version + 1, ends) .. string.char(#put.session) .. put.session .. put.value
  redis.call('HSET', shared.records, put.name, record)
  redis.call('ZADD', shared.record_names, 0, put.name)
  redis.call((ends > 0 or put.session ~= '') and 'SADD' or 'SREM', shared.mortal, put.name)
  return record
end

local function carry_out(put)
  local record = redis.call('HGET', shared.records, put.name)
  if record and is_over(record) then record = nil end
  local version = version_of(record)
  if put.expects and put.expect ~= version then
    return (is_repeat(put, record) and '1' or '0') .. (record or '')
  end
  if not put.deletes then return '1' .. store(put, version) end
  forget(put.name)
  if record and sub(put.name, 1, 6) == 'pause\0' then
    redis.call('PUBLISH', ARGV[2] .. sub(put.name, 7) .. '}:wake:pending', '')
  end
  return '1'
end

for i = 3, #ARGV do replies[#replies + 1] = carry_out(read_put(ARGV[i])) end
return replies
