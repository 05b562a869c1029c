-- part: whether a job matches a query. The query is a map, as `queries.py` writes it; what it does not say is nil.

local function state_of(body, record)
  if record then return byte(record, 1) end
  return place_of(body) == NOWHERE and SCHEDULED or PENDING
end

local function session_of(record)
  if not record then return '' end
  return sub(record, 60, 59 + byte(record, 59))
end

local function parts_of(body)
  local name, details, words = unpack_bytes('<BI4I4', body, 20)
  if details == 4294967295 then details = 0 end
  return sub(body, 29, 28 + name), sub(body, 29 + name, 28 + name + details),
    sub(body, 29 + name + details, 28 + name + details + words), sub(body, 29 + name + details + words)
end

-- Reference and correlation id with their lengths, then the tags, each between line feeds.
local function words_of(words)
  if words == '' then return nil, nil, '' end
  local reference, correlation = unpack_bytes('<i4i4', words)
  local at = 9 + math.max(reference, 0)
  return reference >= 0 and sub(words, 9, at - 1) or nil,
    correlation >= 0 and sub(words, at, at + correlation - 1) or nil, sub(words, at + math.max(correlation, 0))
end

local function contains(list, value)
  for _, each in ipairs(list) do
    if each == value then return true end
  end
  return false
end

local function matches_place(query, body, record)
  if query.states and not contains(query.states, state_of(body, record)) then return false end
  if query.session and session_of(record) ~= query.session then return false end
  if query.lost and (state_of(body, record) ~= RUNNING or is_live(session_of(record))) then return false end
  if query.before then
    if state_of(body, record) < FIRST_TERMINAL then return false end
    if unpack_bytes('<d', record, 35) >= query.before then return false end
  end
  return true
end

local function finds(text, needle) return string.find(text, needle, 1, true) ~= nil end

local function matches_words(query, body)
  local name, _, words = parts_of(body)
  if query.names and not contains(query.names, name) then return false end
  local reference, correlation, tags = words_of(words)
  if query.reference and reference ~= query.reference then return false end
  if query.correlation and correlation ~= query.correlation then return false end
  for _, tag in ipairs(query.tags or {}) do
    if not finds(tags, '\n' .. tag .. '\n') then return false end
  end
  return true
end

local function matches_payload(query, body)
  local _, _, _, payload = parts_of(body)
  return payload == query.payload
end

local function matches_text(query, body, error_text)
  if query.error and not finds(error_text, query.error) then return false end
  local needle = query.text
  if not needle then return true end
  local name, details, _, payload = parts_of(body)
  for _, text in ipairs({ name, details, payload, error_text }) do
    if finds(string.lower(text), needle) then return true end
  end
  return false
end

-- `read_error` gives the newest error of the job in a line; asked for only where the query looks at it.
local function matches(query, body, record, read_error)
  if not matches_place(query, body, record) then return false end
  if (query.names or query.reference or query.correlation or query.tags) and not matches_words(query, body) then
    return false
  end
  if query.payload and not matches_payload(query, body) then return false end
  if query.text or query.error then return matches_text(query, body, read_error()) end
  return true
end
