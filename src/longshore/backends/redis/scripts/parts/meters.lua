-- part, on demand: the arithmetic of one limit of one key, as `store/admission.py` has it: the same doubles.
--
-- meters  name -> kind 1 · limit per_ms burst used held wanted number 8 each (doubles) · size of its front 2 · front ·
--         spent (doubles)
--         front: the first of those that it holds, as `standing_of` has them 27 each; all others are in `waiters`
--         number: its score there; 0 before it needs one
-- A key of a job, as `core/rules.py` packs it, is a list; `name` is that of its meter.

local RULE, KEY, KIND, LIMIT, PER, BURST, COST = 1, 2, 3, 4, 5, 6, 7
local CONCURRENCY, BUCKET, FIXED = 0, 1, 3
local SLICES, EPSILON, TICK = 20, 1e-6, 1e-3

local STANDING = 27 -- bytes

local function new_meter(key)
  return {
    kind = key[KIND], limit = key[LIMIT], per = key[PER], burst = key[BURST], used = 0, held = 0, wanted = 1, number = 0,
    front = '', spent = {}, name = '',
  }
end

local function read_meter(bytes)
  local kind, limit, per, burst, used, held, wanted, number, size = unpack_bytes('<BdddddddI2', bytes)
  local first, spent = 60 + size, {}
  for at = first, #bytes, 8 do spent[#spent + 1] = unpack_bytes('<d', bytes, at) end
  return {
    kind = kind, limit = limit, per = per, burst = burst, used = used, held = held, wanted = wanted, number = number,
    front = sub(bytes, 60, first - 1), spent = spent, name = '',
  }
end

local function write_meter(meter)
  local head = pack('<BdddddddI2', meter.kind, meter.limit, meter.per, meter.burst, meter.used, meter.held, meter.wanted,
    meter.number, #meter.front) .. meter.front
  if #meter.spent == 0 then return head end
  local pieces = { head }
  for i = 1, #meter.spent do pieces[i + 1] = pack('<d', meter.spent[i]) end
  return table.concat(pieces)
end

-- Takes the limit over from a key.
local function follow_key(meter, key)
  local is_bucket = key[KIND] == BUCKET and meter.kind == BUCKET
  if key[KIND] ~= meter.kind or (key[PER] ~= meter.per and not is_bucket) then
    meter.spent = {}
  elseif is_bucket and (key[LIMIT] ~= meter.limit or key[PER] ~= meter.per or key[BURST] ~= meter.burst) then
    local missing = math.min(math.max((meter.spent[1] or 0) - now, 0) * meter.limit / meter.per, key[BURST])
    meter.spent = {now + missing * key[PER] / key[LIMIT]}
  end
  meter.kind, meter.limit, meter.per, meter.burst = key[KIND], key[LIMIT], key[PER], key[BURST]
end

local function window_ms(meter)
  return meter.kind == FIXED and meter.per or math.max(math.floor(meter.per / SLICES), 1)
end

-- When a window stops counting. A slice counts until a whole stretch has passed since its end.
local function free_again_ms(meter, window)
  return (window + 1) * window_ms(meter) + (meter.kind == FIXED and 0 or meter.per)
end

-- Of the windows only those that still count, and their sum.
local function counting(meter)
  local pairs_left, sum = {}, 0
  for i = 1, #meter.spent, 2 do
    if free_again_ms(meter, meter.spent[i]) > now then
      append(pairs_left, meter.spent[i], meter.spent[i + 1])
      sum = sum + meter.spent[i + 1]
    end
  end
  return pairs_left, sum
end

local function free_of(meter)
  if meter.kind == BUCKET then
    local missing = math.max((meter.spent[1] or 0) - now - TICK, 0) * meter.limit / meter.per
    return math.floor(meter.burst - missing + EPSILON)
  end
  local _, sum = counting(meter)
  return meter.limit - sum
end

local function most_of(meter) return meter.kind == BUCKET and meter.burst or meter.limit end

local function room_of(meter)
  if meter.kind == CONCURRENCY then return meter.limit - meter.used end
  return free_of(meter) - meter.used
end

local function windows_free_ms(meter, wanted)
  local windows, spent = counting(meter)
  local time = now
  for i = 1, #windows, 2 do
    if spent + wanted <= meter.limit then break end
    spent = spent - windows[i + 1]
    time = free_again_ms(meter, windows[i])
  end
  return time
end

-- One that costs more than the limit gives since it was lowered needs all of it.
local function wants(meter, cost) return math.max(math.min(cost, most_of(meter)), 1) end

local function has_room(meter, cost) return room_of(meter) >= wants(meter, cost) end

-- When the first job that it holds may have room, if time alone gives it.
local function due_ms(meter)
  if meter.held <= 0 then return nil end
  if meter.kind == CONCURRENCY then -- a claim gives room of it where it was a rate before
    return has_room(meter, meter.wanted) and now or nil
  end
  local wanted = meter.used + wants(meter, meter.wanted)
  if meter.kind == BUCKET then
    if wanted > meter.burst then return nil end
    return math.max(now, math.ceil((meter.spent[1] or 0) + (wanted - meter.burst) * meter.per / meter.limit))
  end
  if wanted > meter.limit then return nil end
  return math.max(now, windows_free_ms(meter, wanted))
end

-- What a claim takes of a rate.
local function spend(meter, cost)
  if meter.kind == BUCKET then
    meter.spent = { math.max(meter.spent[1] or 0, now) + cost * meter.per / meter.limit }
  elseif meter.kind ~= CONCURRENCY then
    local window, windows = math.floor(now / window_ms(meter)), (counting(meter))
    if windows[#windows - 1] == window then
      windows[#windows] = windows[#windows] + cost
    else
      append(windows, window, cost)
    end
    meter.spent = windows
  end
end

-- Whether it may be forgotten: it knows nothing that a new one would not know.
local function is_idle(meter)
  if meter.used ~= 0 or meter.held ~= 0 then return false end
  return meter.kind == CONCURRENCY or free_of(meter) >= most_of(meter)
end
