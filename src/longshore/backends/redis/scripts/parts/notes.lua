-- part: what few jobs have beside their record, each in a hash of its own.
--
-- errors, logs  id -> the newest so many, oldest first: length 4 · bytes, one behind the other
-- extras        id -> flags 1 · progress 8 · length of text 4 · error text · progress note

local HAS_TEXT, HAS_PROGRESS, HAS_NOTE = 1, 2, 4

-- Adds lines behind those that are there, and lets the oldest go.
local function add_lines(key, id, lines, limit)
  local all = redis.call('HGET', key, id) or ''
  for _, line in ipairs(lines) do all = all .. pack('<I4', #line) .. line end
  local starts, at = {}, 1
  while at <= #all do
    starts[#starts + 1] = at
    at = at + 4 + unpack_bytes('<I4', all, at)
  end
  if #starts > limit then all = sub(all, starts[#starts - limit + 1]) end
  redis.call('HSET', key, id, all)
end

local function read_extras(extras)
  if not extras then return { flags = 0, progress = 0, text = '', note = '' } end
  local flags, progress, length = unpack_bytes('<BdI4', extras)
  return { flags = flags, progress = progress, text = sub(extras, 14, 13 + length), note = sub(extras, 14 + length) }
end

local function write_extras(key, id, extras)
  redis.call('HSET', key, id, pack('<BdI4', extras.flags, extras.progress, #extras.text) .. extras.text .. extras.note)
end
