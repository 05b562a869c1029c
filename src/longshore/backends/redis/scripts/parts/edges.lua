-- part, on demand: jobs that wait for others, as `core/edges.py` and the contract have it. What is kept: `links.lua`.

local SUCCESS, WHEN_FAILED, ALWAYS, ANY_END = 0, 1, 2, 3
local ALL, CANCEL = 0, 0
local ORPHAN = 60000 -- milliseconds
local ASK, TELL = '\0\1', '\0\2'
local LINKED, ABSENT = 255, 254
local opened_queues, came, over, freed, over_states = {}, {}, {}, {}, {}

local function is_met(on, state)
  if on == SUCCESS then return state == COMPLETED end
  if on == WHEN_FAILED then return state == FAILED end
  return on == ANY_END or state == COMPLETED or state == FAILED or state == CANCELLED
end

local function would_cancel(on, missed, state)
  return on == SUCCESS and missed == CANCEL and (state == FAILED or state == CANCELLED)
end

local function read_edges(packed)
  local edges, at = {}, 2
  while packed and at <= #packed do
    local length = byte(packed, at + 18)
    edges[#edges + 1] = {
      on = byte(packed, at), missed = byte(packed, at + 1), parent = sub(packed, at + 2, at + 17),
      queue = sub(packed, at + 19, at + 18 + length), index = pack('>I3', #edges),
    }
    at = at + 19 + length
  end
  return edges
end

local function send(q, queue, text)
  redis.call('RPUSH', q.outbox, sub(text, 1, 2) .. char(#queue) .. queue .. sub(text, 3))
  left_queues[q.name] = true
end

-- A job is blocked from now on; `are_open` says of each edge whether it is open, nil: all are. The caller keeps its record.
function rules.come(q, id, packed, are_open)
  local waits, open, states, cancels, number = links_of(q).waits, {}, {}, 0, next_place(q)
  for i, edge in ipairs(read_edges(packed)) do
    if not are_open or byte(are_open, i) == 1 then
      states[i] = char(OPEN + edge.on + (edge.missed == CANCEL and 0 or MISSED_SKIPS))
      open[#open + 1] = edge
    else
      states[i] = '\0'
      if would_cancel(edge.on, edge.missed, CANCELLED) then cancels = 1 end
    end
  end
  local head = pack('<I4BB', #open, byte(packed), cancels) .. number
  set_value(waits, id, head .. table.concat(states, '', 1, math.min(TOGETHER, #states)))
  for first = TOGETHER + 1, #states, TOGETHER do
    set_value(waits, (place_of_edge(id, first - 1)), table.concat(states, '', first, math.min(first + TOGETHER - 1, #states)))
  end
  over_states[id] = nil
  came[#came + 1] = { q = q, id = id, edges = open, number = number }
end

-- A job is blocked no more, for whatever reason.
function rules.go(q, id)
  local known = links_of(q)
  local value = value_of(known.waits, id)
  if not value then return end
  local index, is_full = TOGETHER, #value == 12 + TOGETHER
  while is_full do
    local field = place_of_edge(id, index)
    local more = value_of(known.waits, field)
    if more then set_value(known.waits, field, false) end
    index, is_full = index + TOGETHER, more and #more == TOGETHER
  end
  set_value(known.waits, id, false)
  known.looks[id] = true
end

-- A job for which others wait is over.
function rules.end_parent(q, id, state)
  over_states[id] = state
  over[#over + 1] = { q = q, id = id, state = state }
end

-- What is known already of these jobs: who waits for them.
function rules.know_parents(q, ids, found)
  local values = links_of(q).parents.values
  for i, value in ipairs(found) do values[ids[i]] = value end
end

local function row_of_blocked(q, id) return read_record(redis.call('HGET', q.states, id)) end

-- A blocked job is decided: it ends in a state, or is free (nil).
local function decide_one(q, id, state)
  rules.go(q, id)
  if not state then
    freed[#freed + 1] = { q = q, id = id }
    return true
  end
  local row = row_of_blocked(q, id)
  row.updated = now
  finish(q, id, row, state)
  move(q, BLOCKED, state)
  keep(q, id, row)
  over_states[id] = state
  if value_of(links_of(q).parents, id) then rules.end_parent(q, id, state) end
  return true
end

local function without_edges(q, id, join, cancels)
  if join == ALL then return decide_one(q, id, nil) end
  return decide_one(q, id, cancels == 1 and CANCELLED or SKIPPED)
end

-- The state of an edge, if it is open and by the opening of this number; with it the value where it stands, and where.
local function open_edge(q, id, number, index)
  local waits = links_of(q).waits
  local head = value_of(waits, id)
  if not head or sub(head, 7, 12) ~= number then return nil end
  local field, at = place_of_edge(id, edge_index(index))
  local edge = byte(value_of(waits, field), at)
  if edge ~= 0 then return edge, field, at end
end

-- A child learns how a parent ended. Gives whether that decides it.
local function tell(q, id, number, index, state)
  local edge, field, at = open_edge(q, id, number, index)
  if not edge then return false end
  local waits = links_of(q).waits
  local left, join, cancels = unpack_bytes('<I4BB', value_of(waits, id))
  local on, missed = edge % 4, edge % PARENT_ABSENT >= MISSED_SKIPS and 1 or CANCEL
  left = left - 1
  local met = is_met(on, state)
  if not met and would_cancel(on, missed, state) then cancels = 1 end
  if met and (join ~= ALL or left == 0) then return decide_one(q, id, nil) end
  if not met and join == ALL then return decide_one(q, id, cancels == 1 and CANCELLED or SKIPPED) end
  if not met and left == 0 then return without_edges(q, id, join, cancels) end
  set_value(waits, field, with_byte(value_of(waits, field), at, 0))
  set_value(waits, id, pack('<I4BB', left, join, cancels) .. sub(value_of(waits, id), 7))
  return false
end

-- Reads how parents in this queue are: id -> a state, or false where it is not there.
local function expect_states(q, ids)
  local known, unknown, seen = links_of(q).states, {}, {}
  for _, id in ipairs(ids) do
    if known[id] == nil and not seen[id] then
      seen[id] = true
      unknown[#unknown + 1] = id
    end
  end
  if #unknown == 0 then return end
  local records, running = read_each('HMGET', q.states, unknown), read_each('HMGET', q.running, unknown)
  local are_there = read_each('ZMSCORE', q.ids, unknown)
  for i, id in ipairs(unknown) do
    local record = records[i] or running[i]
    known[id] = record and byte(record, 1) or (are_there[i] and PENDING)
  end
end

local function state_of_parent(q, id)
  local state = over_states[id]
  if state then return state end
  return links_of(q).states[id]
end

local function look_later(q, id)
  local first = tonumber(redis.call('ZRANGE', q.meter_times, 0, 0, 'WITHSCORES')[2])
  if not first or now + ORPHAN < first then ring('scheduled', q.name) end
  redis.call('ZADD', q.meter_times, string.format('%.17g', now + ORPHAN), LOOK .. id)
  links_of(q).looks[id] = nil
end

-- An open edge leads to a parent that is not there.
local function miss(q, id, number, index)
  local edge, field, at = open_edge(q, id, number, index)
  if not edge then return end
  local known = links_of(q)
  if edge % OPEN < PARENT_ABSENT then
    set_value(known.waits, field, with_byte(value_of(known.waits, field), at, edge + PARENT_ABSENT))
  end
  if known.looks[id] or not redis.call('ZSCORE', q.meter_times, LOOK .. id) then look_later(q, id) end
end

-- Asks the queues of parents that are not in this call how those are.
local function ask_elsewhere(q, id, asked, number, is_last)
  for _, name in ipairs(asked) do
    send(q, name, ASK .. char(#q.name) .. q.name .. id .. number .. char(is_last and 1 or 0) .. table.concat(asked[name]))
  end
end

-- How things stand with the parents of a job that came; where `is_last`, those that are not there never come.
local function look(q, id, edges, number, is_last)
  local linked, asked = {}, {}
  for _, edge in ipairs(edges) do
    local name = edge.queue
    local there = opened_queues[name]
    local state = there and state_of_parent(there, edge.parent)
    if state and state < FIRST_TERMINAL then
      append(linked, there, edge)
    elseif there and not state and not is_last then
      miss(q, id, number, edge.index)
    elseif there then
      if tell(q, id, number, edge.index, state or CANCELLED) then return end
    else
      if not asked[name] then
        asked[name] = {}
        asked[#asked + 1] = name
      end
      append(asked[name], edge.index .. edge.parent)
    end
  end
  for i = 1, #linked, 2 do
    local edge = linked[i + 1]
    add_child(linked[i], edge.parent, id .. number .. edge.index .. q.name)
  end
  ask_elsewhere(q, id, asked, number, is_last)
end

-- Reads at once what looking for the parents of these jobs asks for one by one; `coming` is q, edges for each.
local function expect_parents(coming)
  local parents = {}
  for _, one in ipairs(coming) do
    for _, edge in ipairs(one.edges) do
      if opened_queues[edge.queue] then
        parents[edge.queue] = parents[edge.queue] or {}
        append(parents[edge.queue], edge.parent)
      end
    end
  end
  for name, ids in pairs(parents) do
    local there = opened_queues[name]
    expect_states(there, ids)
    expect(links_of(there).parents, ids)
    there.places = math.max(there.places, #ids)
  end
end

-- The time has come for a job to look again for the parents that were not there.
function rules.look_again(q, id)
  opened_queues[q.name] = q
  redis.call('ZREM', q.meter_times, LOOK .. id)
  local absent, number = {}, sub(value_of(links_of(q).waits, id) or '', 7, 12)
  for _, edge in ipairs(read_edges(redis.call('HGET', q.edges, id))) do
    if (open_edge(q, id, number, edge.index) or 0) % OPEN >= PARENT_ABSENT then absent[#absent + 1] = edge end
  end
  if #absent == 0 then return end
  expect_parents({ { edges = absent } })
  look(q, id, absent, number, true)
end
