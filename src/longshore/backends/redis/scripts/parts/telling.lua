-- part, on demand: the ends of parents are told, and those who are free line up.

local MOST_TOLD = 2000 -- children, in one call: 6 ms; the next `promote` goes on
local told = 0

-- Takes the children of a parent, and notes what each is told: here, or by a message to its queue.
local function take_notes(parent, notes, elsewhere)
  local q, id, state = parent.q, parent.id, parent.state
  local children, has_more = take_children(q, id, MOST_TOLD - told)
  if has_more then
    redis.call('ZADD', q.meter_times, string.format('%.17g', now), REST .. id .. char(state))
    ring('scheduled', q.name)
  end
  told = told + #children
  for _, link in ipairs(children) do
    local queue = sub(link, 26)
    local size, there = #notes, opened_queues[queue]
    if there then
      notes[size + 1], notes[size + 2], notes[size + 3] = there, link, state
    else
      local key = q.name .. '\0' .. queue
      if not elsewhere[key] then
        elsewhere[key] = { q = q, queue = queue }
        elsewhere[#elsewhere + 1] = elsewhere[key]
      end
      append(elsewhere[key], sub(link, 1, 25) .. char(state))
    end
  end
end

-- Reads at once what telling asks for one by one, each with a link to the child.
local function expect_told(q, told_links)
  local fields = {}
  for i, link in ipairs(told_links) do fields[i] = sub(link, 1, 16) end
  for _, link in ipairs(told_links) do
    local index = edge_index(sub(link, 23, 25))
    if index >= TOGETHER then append(fields, (place_of_edge(sub(link, 1, 16), index))) end
  end
  expect(links_of(q).waits, fields)
end

local function tell_by(q, link, state) return tell(q, sub(link, 1, 16), sub(link, 17, 22), sub(link, 23, 25), state) end

-- Tells the children of all that are over, and the children of those whom that ends.
local function tell_all()
  local elsewhere, first = {}, 1
  while over[first] do
    local notes, found, last = {}, {}, #over
    for i = first, last do take_notes(over[i], notes, elsewhere) end
    for i = 1, #notes, 3 do
      local some = found[notes[i]]
      if not some then
        some = {}
        found[notes[i]] = some
      end
      some[#some + 1] = notes[i + 1]
    end
    for q, some in pairs(found) do expect_told(q, some) end
    for i = 1, #notes, 3 do tell_by(notes[i], notes[i + 1], notes[i + 2]) end
    first = last + 1
  end
  for _, each in ipairs(elsewhere) do send(each.q, each.queue, TELL .. table.concat(each)) end
end

-- Without a table where nothing is in the way of a job: its record only gets other bytes.
local function free_one(q, id, record)
  if sub(record, 51, 58) == NEVER and not has(byte(record, 2), RULED) then
    local place = next_place(q)
    join_tail(q, id, byte(record, 4), place)
    move(q, BLOCKED, PENDING)
    append(q.written, id, lined_up(record, place, links_of(q).now))
    return
  end
  local row = read_record(record)
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

local function free_all()
  local ids, records = {}, {}
  for _, one in ipairs(freed) do
    ids[one.q] = ids[one.q] or {}
    append(ids[one.q], one.id)
  end
  for q, some in pairs(ids) do
    read_into(records, q.states, some)
    q.places = math.max(q.places, #some)
  end
  for _, one in ipairs(freed) do free_one(one.q, one.id, records[one.id]) end
end

-- A job came: it looks for its parents.
local function receive(one)
  local q, id = one.q, one.id
  local value = value_of(links_of(q).waits, id)
  if not value then return end
  look(q, id, one.edges, one.number)
  if #one.edges == 0 then
    local _, join, cancels = unpack_bytes('<I4BB', value)
    without_edges(q, id, join, cancels)
  end
end

-- The end of a step, before meters serve: what it means to jobs that wait for others.
function rules.decide(queues)
  for _, q in ipairs(queues) do opened_queues[q.name] = q end
  if #came > 0 or #over > 0 or #freed > 0 then
    for _, q in ipairs(queues) do flush(q) end
    for _, list in ipairs({ came, over, freed }) do -- by an edit before this one, perhaps
      for _, one in ipairs(list) do one.q = opened_queues[one.q.name] end
    end
    expect_parents(came)
    for _, one in ipairs(came) do receive(one) end
    for _, q in ipairs(queues) do write_children(q) end -- those who are over know all of theirs
    tell_all()
    free_all()
    came, over, freed = {}, {}, {}
  end
  for _, q in ipairs(queues) do write_links(q) end
end

rules.write_links = write_links

-- What another queue asks: links its child to these parents, or answers how they are, one byte each.
function rules.answer(q, ask)
  local length = byte(ask)
  local queue, child = sub(ask, 2, 1 + length), sub(ask, 2 + length, 23 + length)
  local parents, answers = {}, {}
  for at = 25 + length, #ask, 19 do append(parents, sub(ask, at + 3, at + 18)) end
  expect_states(q, parents)
  for i, parent in ipairs(parents) do
    local state = state_of_parent(q, parent)
    if state and state < FIRST_TERMINAL then
      local at = 6 + length + 19 * i
      add_child(q, parent, child .. sub(ask, at, at + 2) .. queue)
      state = LINKED
    end
    append(answers, char(state or ABSENT))
  end
  return table.concat(answers)
end

-- What another queue tells: child 16 · number 6 · which edge 3 · how its parent is 1, any number of them.
function rules.hear(q, text, is_last)
  opened_queues[q.name] = q
  local heard = {}
  for at = 1, #text, 26 do append(heard, sub(text, at, at + 25)) end
  expect_told(q, heard)
  for _, link in ipairs(heard) do
    local state = byte(link, 26)
    if state == ABSENT and not is_last then
      miss(q, sub(link, 1, 16), sub(link, 17, 22), sub(link, 23, 25))
    elseif state ~= LINKED then
      tell_by(q, link, state == ABSENT and CANCELLED or state)
    end
  end
end

-- A parent that had more children than one call tells.
function rules.tell_rest(q, member)
  redis.call('ZREM', q.meter_times, member)
  rules.end_parent(q, sub(member, 2, 17), byte(member, 18))
end
