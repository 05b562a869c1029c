-- part, on demand: jobs that wait for others, as `core/edges.py` and the contract have it.
--
-- edges     id -> join 1 · for each edge: on 1 · missed 1 · parent 16 · length of queue 1 · queue. As long as the job is kept
-- waits     id of a blocked job -> open edges 4 · join 1 · 1 if one that was missed would cancel it 1
--           id · parent -> of an open edge: on 1 · missed 1 · 1 if the parent was not there 1 · number of the opening 6
-- parents   id of a job for which others wait -> ''; where there is any, `running` has the field WAITED
-- children  parent 16 · place 6 · child 16 · number of its opening 6 · queue of the child: in the order of linking
-- outbox    what goes to queues that this call has not, as `outbox.py` says
-- meter_times  LOOK id -> when a blocked job looks again for parents; REST id state -> a parent that has more to tell
--
-- The number of the opening makes telling idempotent: a child takes only what answers the edges that it has open now.

local SUCCESS, WHEN_FAILED, ALWAYS, ANY_END = 0, 1, 2, 3
local ALL, CANCEL = 0, 0
local ORPHAN = 60000 -- milliseconds
local MOST_TOLD = 500 -- children, in one call
local ASK, TELL = '\0\1', '\0\2'
local LINKED, ABSENT = 255, 254
local opened_queues, came, over, freed, over_states = {}, {}, {}, {}, {}
local told = 0

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
      queue = sub(packed, at + 19, at + 18 + length),
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
  local fields, open, cancels, number = {}, {}, 0, next_place(q)
  for i, edge in ipairs(read_edges(packed)) do
    if not are_open or byte(are_open, i) == 1 then
      append(fields, id .. edge.parent, char(edge.on, edge.missed, 0) .. number)
      open[#open + 1] = edge
    elseif would_cancel(edge.on, edge.missed, CANCELLED) then
      cancels = 1
    end
  end
  append(fields, id, pack('<I4BB', #open, byte(packed), cancels))
  call_with('HSET', q.waits, fields)
  came[#came + 1] = { q = q, id = id, edges = open, number = number }
end

-- A job is blocked no more, for whatever reason.
function rules.go(q, id)
  local fields = { id }
  local value = redis.call('HGET', q.waits, id)
  if not value then return end
  if unpack_bytes('<I4', value) > 0 then
    for _, edge in ipairs(read_edges(redis.call('HGET', q.edges, id))) do fields[#fields + 1] = id .. edge.parent end
  end
  call_with('HDEL', q.waits, fields)
  redis.call('ZREM', q.meter_times, LOOK .. id)
end

-- A job for which others wait is over.
function rules.end_parent(q, id, state)
  over_states[id] = state
  over[#over + 1] = { q = q, id = id, state = state }
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
  if is_waited(q, id) then rules.end_parent(q, id, state) end
  return true
end

local function without_edges(q, id, join, cancels)
  if join == ALL then return decide_one(q, id, nil) end
  return decide_one(q, id, cancels == 1 and CANCELLED or SKIPPED)
end

-- A child learns how a parent ended. Gives whether that decides it.
local function tell(q, id, parent, state, number)
  local edge = redis.call('HGET', q.waits, id .. parent)
  if not edge or sub(edge, 4) ~= number then return false end
  redis.call('HDEL', q.waits, id .. parent)
  local left, join, cancels = unpack_bytes('<I4BB', redis.call('HGET', q.waits, id))
  local on, missed = byte(edge, 1, 2)
  left = left - 1
  local met = is_met(on, state)
  if not met and would_cancel(on, missed, state) then cancels = 1 end
  redis.call('HSET', q.waits, id, pack('<I4BB', left, join, cancels))
  if met and (join ~= ALL or left == 0) then return decide_one(q, id, nil) end
  if not met and join == ALL then return decide_one(q, id, cancels == 1 and CANCELLED or SKIPPED) end
  return not met and left == 0 and without_edges(q, id, join, cancels)
end

-- How parents in this queue are: id -> a state, or nil where it is not there.
local function states_of_parents(q, ids)
  local states = {}
  if #ids == 0 then return states end
  local records, running = read_each('HMGET', q.states, ids), read_each('HMGET', q.running, ids)
  for i, id in ipairs(ids) do
    local record = records[i] or running[i]
    if over_states[id] then
      states[id] = over_states[id]
    elseif record then
      states[id] = byte(record, 1)
    elseif redis.call('HEXISTS', q.jobs, id) == 1 then
      states[id] = PENDING
    end
  end
  return states
end

local function link(q, parents, child, number, queue)
  if #parents == 0 then return end
  local flags, entries = {}, {}
  q.places = #parents
  for _, parent in ipairs(parents) do
    append(flags, parent, '')
    append(entries, 0, parent .. next_place(q) .. child .. number .. queue)
  end
  call_with('HSET', q.parents, flags)
  call_with('ZADD', q.children, entries)
  redis.call('HSET', q.running, WAITED, '')
end

local function look_later(q, id)
  local first = tonumber(redis.call('ZRANGE', q.meter_times, 0, 0, 'WITHSCORES')[2])
  if not first or now + ORPHAN < first then ring('scheduled', q.name) end
  redis.call('ZADD', q.meter_times, string.format('%.17g', now + ORPHAN), LOOK .. id)
end

-- An open edge leads to a parent that is not there.
local function miss(q, id, parent, number)
  local edge = redis.call('HGET', q.waits, id .. parent)
  if not edge or sub(edge, 4) ~= number then return end
  redis.call('HSET', q.waits, id .. parent, sub(edge, 1, 2) .. '\1' .. number)
  if not redis.call('ZSCORE', q.meter_times, LOOK .. id) then look_later(q, id) end
end

-- How things stand with the parents of a job that came; where `is_last`, those that are not there never come.
local function look(q, id, edges, number, is_last)
  local parents, names, states, links = {}, {}, {}, {}
  for _, edge in ipairs(edges) do
    local name = edge.queue
    if not parents[name] then
      parents[name], links[name] = {}, {}
      names[#names + 1] = name
    end
    append(parents[name], edge.parent)
  end
  for _, name in ipairs(names) do
    local there = opened_queues[name]
    if there then states[name] = states_of_parents(there, parents[name]) end
  end
  for _, edge in ipairs(edges) do
    local known = states[edge.queue]
    if known then
      local state = known[edge.parent]
      if state and state < FIRST_TERMINAL then
        append(links[edge.queue], edge.parent)
      elseif not state and not is_last then
        miss(q, id, edge.parent, number)
      elseif tell(q, id, edge.parent, state or CANCELLED, number) then
        return
      end
    end
  end
  for _, name in ipairs(names) do
    if states[name] then
      link(opened_queues[name], links[name], id, number, q.name)
    else
      send(q, name, ASK .. char(#q.name) .. q.name .. id .. number .. char(is_last and 1 or 0) .. table.concat(parents[name]))
    end
  end
end

-- The time has come for a job to look again for the parents that were not there.
function rules.look_again(q, id)
  opened_queues[q.name] = q
  redis.call('ZREM', q.meter_times, LOOK .. id)
  local absent, number = {}, nil
  for _, edge in ipairs(read_edges(redis.call('HGET', q.edges, id))) do
    local open = redis.call('HGET', q.waits, id .. edge.parent)
    if open and byte(open, 3) == 1 then
      number = sub(open, 4)
      absent[#absent + 1] = edge
    end
  end
  if number then look(q, id, absent, number, true) end
end
