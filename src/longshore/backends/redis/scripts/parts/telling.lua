-- part, on demand: the ends of parents are told, and those who are free line up.

-- Tells one child, or notes it for its queue.
local function tell_child(entry, state, elsewhere, from)
  local parent, child, number, queue = sub(entry, 1, 16), sub(entry, 23, 38), sub(entry, 39, 44), sub(entry, 45)
  local there = opened_queues[queue]
  if there then
    tell(there, child, parent, state, number)
    return
  end
  local key = from.name .. '\0' .. queue
  if not elsewhere[key] then
    elsewhere[key] = { q = from, queue = queue }
    elsewhere[#elsewhere + 1] = elsewhere[key]
  end
  append(elsewhere[key], child .. number .. parent .. char(state))
end

-- The children of a parent, in steps; what is left is told by `promote`.
local function tell_children(parent, elsewhere)
  local q, id = parent.q, parent.id
  local room = MOST_TOLD - told
  local entries = redis.call('ZRANGEBYLEX', q.children, '[' .. id, '(' .. id .. '\255', 'LIMIT', 0, math.max(room, 0) + 1)
  if #entries > room then
    entries[#entries] = nil
    redis.call('ZADD', q.meter_times, string.format('%.17g', now), REST .. id .. char(parent.state))
    ring('scheduled', q.name)
  else
    redis.call('HDEL', q.parents, id)
    if redis.call('HLEN', q.parents) == 0 then redis.call('HDEL', q.running, WAITED) end
  end
  told = told + #entries
  if #entries > 0 then call_with('ZREM', q.children, entries) end
  for _, entry in ipairs(entries) do tell_child(entry, parent.state, elsewhere, q) end
end

local function free_one(q, id)
  local row = row_of_blocked(q, id)
  row.updated = now
  if row.run_ms > now then
    wait(q, id, row, SCHEDULED, row.run_ms)
  elseif has(row.flags, RULED) then
    rules.admit(q, id, row, rules.job(q, id))
  else
    line_up(q, id, row)
  end
  move(q, BLOCKED, row.state)
  keep(q, id, row)
end

-- The end of a step, before meters serve: what it means to jobs that wait for others.
function rules.decide(queues)
  if #came == 0 and #over == 0 and #freed == 0 then return end
  for _, q in ipairs(queues) do
    opened_queues[q.name] = q
    flush(q)
  end
  for _, list in ipairs({ came, over }) do -- by an edit before this one, perhaps
    for _, one in ipairs(list) do one.q = opened_queues[one.q.name] end
  end
  for _, one in ipairs(came) do
    if redis.call('HEXISTS', one.q.waits, one.id) == 1 then
      look(one.q, one.id, one.edges, one.number)
      if #one.edges == 0 then
        local _, join, cancels = unpack_bytes('<I4BB', redis.call('HGET', one.q.waits, one.id))
        without_edges(one.q, one.id, join, cancels)
      end
    end
  end
  local elsewhere, i = {}, 1
  while over[i] do
    tell_children(over[i], elsewhere)
    i = i + 1
  end
  for _, each in ipairs(elsewhere) do send(each.q, each.queue, TELL .. table.concat(each)) end
  for _, one in ipairs(freed) do free_one(one.q, one.id) end
  came, over, freed = {}, {}, {}
end

-- What another queue asks: links its child to these parents, or answers how they are, one byte each.
function rules.answer(q, ask)
  local length = byte(ask)
  local queue, child, number = sub(ask, 2, 1 + length), sub(ask, 2 + length, 17 + length), sub(ask, 18 + length, 23 + length)
  local parents, links, answers = {}, {}, {}
  for at = 25 + length, #ask, 16 do append(parents, sub(ask, at, at + 15)) end
  local states = states_of_parents(q, parents)
  for _, parent in ipairs(parents) do
    local state = states[parent]
    if state and state < FIRST_TERMINAL then
      append(links, parent)
      state = LINKED
    end
    append(answers, char(state or ABSENT))
  end
  link(q, links, child, number, queue)
  return table.concat(answers)
end

-- What another queue tells: child 16 · number 6 · parent 16 · how it is 1, any number of them.
function rules.hear(q, text, is_last)
  opened_queues[q.name] = q
  for at = 1, #text, 39 do
    local child, number, parent, state = sub(text, at, at + 15), sub(text, at + 16, at + 21), sub(text, at + 22, at + 37), byte(text, at + 38)
    if state == ABSENT and not is_last then
      miss(q, child, parent, number)
    elseif state ~= LINKED then
      tell(q, child, parent, state == ABSENT and CANCELLED or state, number)
    end
  end
end

-- A parent that had more children than one call tells.
function rules.tell_rest(q, member)
  redis.call('ZREM', q.meter_times, member)
  rules.end_parent(q, sub(member, 2, 17), byte(member, 18))
end
