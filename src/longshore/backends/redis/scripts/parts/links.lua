-- part, on demand: what a call knows of the edges in each of its queues, and what of it is to be written.
--
-- edges     id -> join 1 · for each edge: on 1 · missed 1 · parent 16 · length of queue 1 · queue. As long as the job is kept
-- waits     id of a blocked job -> open edges 4 · join 1 · 1 if one that was missed would cancel it 1 · number of the
--           opening 6 · for each of the first 64 edges: 0, or OPEN + on + MISSED_SKIPS + PARENT_ABSENT 1
--           id · which 2 -> the same of 64 more, so that a job that waits for many rewrites little with each of them
-- parents   id of a job for which others wait -> 1 if more of them are among `children` 1 · for each: length 1 · link
--           Where there is any, `running` has the field WAITED
-- children  parent 16 · place 6 · link: in the order of linking
--           link: child 16 · number of its opening 6 · which of its edges 3 · queue of the child
-- outbox    what goes to queues that this call has not, as `outbox.py` says
-- meter_times  LOOK id -> when a blocked job looks again for parents; REST id state -> a parent that has more to tell
--
-- The number of the opening makes telling idempotent: a child takes only what answers the edges that it has open now.

local TOGETHER = 64 -- edges in one value of `waits`
local OPEN, PARENT_ABSENT, MISSED_SKIPS = 16, 8, 4
local MOST_BESIDE = 16 -- children in one value: each that comes by a call of its own rewrites it
local ALONE, MORE = '\0', '\1'
local links = {}

local function new_hash(key) return { key = key, values = {}, changed = {} } end

local function links_of(q)
  local known = links[q.waits]
  if not known then
    known = { waits = new_hash(q.waits), parents = new_hash(q.parents), states = {}, linked = {}, told = {}, looks = {}, now = pack('<d', now) }
    links[q.waits] = known
  end
  return known
end

-- Reads at once the fields of which nothing is known yet.
local function expect(hash, fields)
  local unknown, values = {}, hash.values
  for _, field in ipairs(fields) do
    if values[field] == nil then
      values[field] = false
      unknown[#unknown + 1] = field
    end
  end
  read_into(values, hash.key, unknown)
end

local function value_of(hash, field)
  local value = hash.values[field]
  if value == nil then
    value = redis.call('HGET', hash.key, field)
    hash.values[field] = value
  end
  return value
end

-- `value` is false where there is to be none.
local function set_value(hash, field, value) hash.values[field], hash.changed[field] = value, true end

-- Writes what has changed. Gives how many fields are set now, and how many are not any more.
local function write_hash(hash)
  local set, dropped = {}, {}
  for field in pairs(hash.changed) do
    local value = hash.values[field]
    if value then append(set, field, value) else append(dropped, field) end
  end
  if #dropped > 0 then call_with('HDEL', hash.key, dropped) end
  if #set > 0 then call_with('HSET', hash.key, set) end
  hash.changed = {}
  return #set, #dropped
end

local function write_children(q)
  local known = links_of(q)
  if #known.linked > 0 then call_with('ZADD', q.children, known.linked) end
  if #known.told > 0 then call_with('ZREM', q.children, known.told) end
  known.linked, known.told = {}, {}
end

-- Writes all that is known of the edges of a queue and not written yet.
local function write_links(q)
  local known, looks = links[q.waits], {}
  if not known then return end
  write_hash(known.waits)
  write_children(q)
  local set, dropped = write_hash(known.parents)
  if set > 0 then
    redis.call('HSET', q.running, WAITED, '')
  elseif dropped > 0 and redis.call('HLEN', q.parents) == 0 then
    redis.call('HDEL', q.running, WAITED)
  end
  for id in pairs(known.looks) do looks[#looks + 1] = LOOK .. id end
  if #looks > 0 then call_with('ZREM', q.meter_times, looks) end
  known.looks = {}
end

-- Where the state of an edge stands, counted from 0: its field, and which byte of that.
local function place_of_edge(id, index)
  if index < TOGETHER then return id, 13 + index end
  return id .. pack('>I2', math.floor(index / TOGETHER)), 1 + index % TOGETHER
end

local function with_byte(bytes, at, value) return sub(bytes, 1, at - 1) .. char(value) .. sub(bytes, at + 1) end

local function edge_index(bytes) return (unpack_bytes('>I3', bytes)) end

-- A parent has one more child to tell from now on.
local function add_child(q, parent, link)
  local known = links_of(q)
  local value = value_of(known.parents, parent) or ALONE
  if sub(value, 1, 1) == ALONE and #value < MOST_BESIDE * (1 + #link) then
    set_value(known.parents, parent, value .. char(#link) .. link)
    return
  end
  if sub(value, 1, 1) == ALONE then set_value(known.parents, parent, MORE .. sub(value, 2)) end
  append(known.linked, 0, parent .. next_place(q) .. link)
end

-- Takes the links of up to about so many children from a parent, in the order of linking. Gives whether there are more.
local function take_children(q, parent, most)
  local known = links_of(q)
  local value, taken = value_of(known.parents, parent) or ALONE, {}
  local at = 2
  while at <= #value do
    local last = at + byte(value, at)
    taken[#taken + 1] = sub(value, at + 1, last)
    at = last + 1
  end
  local has_more = false
  if sub(value, 1, 1) == MORE then
    local room = math.max(most - #taken, 0)
    local entries = redis.call('ZRANGEBYLEX', q.children, '[' .. parent, '(' .. parent .. '\255', 'LIMIT', 0, room + 1)
    has_more = #entries > room
    for i = 1, math.min(#entries, room) do
      append(known.told, entries[i])
      taken[#taken + 1] = sub(entries[i], 23)
    end
  end
  set_value(known.parents, parent, has_more and MORE)
  return taken, has_more
end
