-- verb: change
-- keys: sessions cancels | jobs states running ids due back finished failed extras errors logs counts minutes outbox edges waits parents children rules meters meter_times waiters marks ready
-- arguments: now, channel, queue, then edits (maps; see `queries.py`), each of which names its jobs
-- reply: for each edit the ids of jobs that were changed, and of those that were asked to stop, 16 bytes each; behind them
--   the queues that have something in their outbox, if there are any
-- include: time layout records sessions calls queues leaving lives notes matching
-- on demand: meters ledgers turns flow spending serving links edges telling

local CANCEL, RETRY, DELETE, UPDATE, NOTE = 0, 1, 2, 3, 4
local LOGS_KEPT = 200
local replies = {}
local q

local function is_waiting(state) return state < FIRST_TERMINAL and state ~= RUNNING end

local function ask_to_stop(id, row)
  row.flags, row.updated = with(row.flags, STOPPING), now
  redis.call('HSET', q.running, id, write_record(row))
  redis.call('HSET', shared.cancels, id, row.session)
  q.is_stopping = true
end

-- Takes a job that waits out of where it waits. Gives its body, to be written if it stood in a line.
local function leave(id, row, body)
  if row.state == BLOCKED then
    ruling().go(q, id)
  elseif has(row.flags, RULED) then
    ruling().leave(q, id, row)
  elseif row.state == PENDING then
    return leave_line(q, id, row, body)
  end
  if row.state == SCHEDULED or row.state == RETRYING then redis.call('ZREM', q.due, id) end
  return body
end

-- At the tail; or held, for want of room.
local function become_pending(id, row)
  if has(row.flags, RULED) then
    ruling().admit(q, id, row, ruling().job(q, id))
  else
    line_up(q, id, row)
  end
end

-- A job that was not over counts as cancelled to those that wait for it.
local function end_parent(id)
  if is_waited(q, id) then ruling().end_parent(q, id, CANCELLED) end
end

local edits = {}

edits[CANCEL] = function(id, body, row)
  if row.state >= FIRST_TERMINAL or has(row.flags, STOPPING) then return nil end
  if row.state == RUNNING then
    ask_to_stop(id, row)
    return 'asked'
  end
  append(q.bodies, id, leave(id, row, body))
  end_parent(id)
  move(q, row.state, CANCELLED)
  row.updated = now
  finish(q, id, row, CANCELLED)
  keep(q, id, row)
  return 'changed'
end

-- Back to waiting for all of its parents.
local function rejoin(id, row)
  local state = row.state
  if not has(row.flags, EDGED) or (state ~= FAILED and state ~= CANCELLED and state ~= SKIPPED) then return nil end
  append(q.not_ended, id)
  row.failures, row.crashes, row.result, row.flags = 0, 0, '', without(row.flags, RESULT)
  row.state, row.run_ms, row.finished, row.updated = BLOCKED, 0, 0, now
  ruling().come(q, id, redis.call('HGET', q.edges, id))
  move(q, state, BLOCKED)
  keep(q, id, row)
  return 'changed'
end

edits[RETRY] = function(id, _, row, _, _, rejoins)
  if rejoins then return rejoin(id, row) end
  local state = row.state
  if state ~= FAILED and state ~= CANCELLED and state ~= RETRYING and state ~= SCHEDULED then return nil end
  if state >= FIRST_TERMINAL then
    append(q.not_ended, id)
    row.failures, row.crashes, row.result, row.flags = 0, 0, '', without(row.flags, RESULT)
  else
    append(q.due_dropped, id)
  end
  row.updated = now
  become_pending(id, row)
  move(q, state, row.state)
  keep(q, id, row)
  return 'changed'
end

edits[DELETE] = function(id, body, row)
  if row.state == RUNNING then return nil end
  leave(id, row, body)
  if row.state >= FIRST_TERMINAL then append(q.not_ended, id) else end_parent(id) end
  move(q, row.state, nil)
  if has(row.flags, RULED) then ruling().forget(q, id) end
  forget(q, id, row.flags)
  return 'changed'
end

-- The body with its new parts.
local function changed_body(body, changes)
  local name, details, words, payload = parts_of(body)
  local head, details_length = sub(body, 16, 19), unpack_bytes('<i4', body, 21)
  if changes.attempts then head = pack('<i4', changes.attempts) end
  if changes.details then
    details, details_length = changes.details, #changes.details
  elseif changes.no_details then
    details, details_length = '', -1
  end
  if changes.payload then payload = changes.payload end
  if changes.words then words = changes.words(words) end
  return sub(body, 1, 14) .. char(changes.priority or priority_of(body)) .. head
    .. pack('<Bi4I4', #name, details_length, #words) .. name .. details .. words .. payload
end

-- New search keys; the other ones stay.
local function word_changer(changes)
  if not (changes.reference or changes.no_reference or changes.correlation or changes.no_correlation or changes.tags) then
    return nil
  end
  return function(words)
    local reference, correlation, tags = words_of(words)
    if changes.no_reference then reference = nil end
    if changes.no_correlation then correlation = nil end
    reference, correlation, tags = changes.reference or reference, changes.correlation or correlation, changes.tags or tags
    if not reference and not correlation and tags == '' then return '' end
    return pack('<i4i4', reference and #reference or -1, correlation and #correlation or -1)
      .. (reference or '') .. (correlation or '') .. tags
  end
end

edits[UPDATE] = function(id, body, row, changes, is_new)
  if not is_waiting(row.state) then return nil end
  local was_pending, run_ms = row.state == PENDING, changes.run_ms
  local is_later = run_ms and run_ms > now
  local new_body = changed_body(body, changes)
  local priority = priority_of(new_body)
  row.updated = now
  if row.state == BLOCKED then
    if run_ms then row.run_ms = is_later and run_ms or 0 end
  elseif is_later or (run_ms and not was_pending and row.state ~= HELD) then
    local before, waiting = row.state, row.state == RETRYING and RETRYING or SCHEDULED
    new_body = leave(id, row, new_body)
    row.priority = priority
    if is_later then wait(q, id, row, waiting, run_ms) else become_pending(id, row) end
    move(q, before, row.state)
  elseif has(row.flags, RULED) then
    if priority ~= row.priority then ruling().reorder(q, id, row, priority) end
  elseif was_pending and (is_new or priority ~= row.priority) then -- a new job gets a record, and so another entry
    new_body = leave(id, row, new_body)
    row.priority = priority
    move(q, PENDING, PENDING)
    line_up(q, id, row, true)
  end
  row.priority = priority
  append(q.bodies, id, new_body)
  keep(q, id, row)
  return 'changed'
end

local function note(edit)
  local id = edit.id
  local record = redis.call('HGET', q.running, id)
  if not record then return { '', '' } end
  local row = read_record(record)
  if row.fence ~= edit.fence or row.session ~= edit.session then return { '', '' } end
  if edit.progress or edit.note then
    local extras = read_extras(has(row.flags, EXTRAS) and redis.call('HGET', q.extras, id))
    if edit.progress then extras.progress, extras.flags = edit.progress, with(extras.flags, HAS_PROGRESS) end
    if edit.note then extras.note, extras.flags = edit.note, with(extras.flags, HAS_NOTE) end
    write_extras(q.extras, id, extras)
    row.flags = with(row.flags, EXTRAS)
  end
  if edit.logs then
    add_lines(q.logs, id, edit.logs, LOGS_KEPT)
    row.flags = with(row.flags, LOGS)
  end
  row.updated = now
  redis.call('HSET', q.running, id, write_record(row))
  return { id, '' }
end

local function read_rows(ids, first, last)
  local bodies = redis.call('HMGET', q.jobs, unpack(ids, first, last))
  local records = redis.call('HMGET', q.states, unpack(ids, first, last))
  local running = redis.call('HMGET', q.running, unpack(ids, first, last))
  return bodies, records, running
end

local function edit_named(edit)
  local touched, seen = { changed = {}, asked = {} }, {}
  if edit.changes then edit.changes.words = word_changer(edit.changes) end
  for first = 1, #edit.ids, CHUNK do
    local last = math.min(first + CHUNK - 1, #edit.ids)
    local bodies, records, running = read_rows(edit.ids, first, last)
    for i = first, last do
      local id, body, record = edit.ids[i], bodies[i - first + 1], records[i - first + 1] or running[i - first + 1] or nil
      local function error_text()
        if not record or not has(byte(record, 2), EXTRAS) then return '' end
        return read_extras(redis.call('HGET', q.extras, id)).text
      end
      if body and not seen[id] and matches(edit, body, record, error_text) then
        local row = record and read_record(record) or new_row(body)
        if not record and row.state == SCHEDULED then row.run_ms = tonumber(redis.call('ZSCORE', q.due, id)) end
        local kind = edits[edit.kind](id, body, row, edit.changes, not record, edit.rejoin)
        if kind then append(touched[kind], id) end
      end
      seen[id] = true
    end
  end
  return { table.concat(touched.changed), table.concat(touched.asked) }
end

for i = 4, #ARGV do
  q = open_queue(0, ARGV[3])
  local edit = cmsgpack.unpack(ARGV[i])
  replies[#replies + 1] = edit.kind == NOTE and note(edit) or edit_named(edit)
  close_queue(q)
end
if has_rules() then
  q = open_queue(0, ARGV[3])
  ruling().decide({ q })
  ruling().serve(q)
  close_queue(q)
end
return add_left(replies)
