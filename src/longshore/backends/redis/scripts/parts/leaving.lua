-- part: what only scripts need that may free or end jobs that wait for others.

local left_queues = {} -- the names of those whose outbox got something

-- They stand behind all replies, where there are some.
local function add_left(replies)
  if next(left_queues) == nil then return replies end
  local names = {}
  for name in pairs(left_queues) do names[#names + 1] = name end
  replies[#replies + 1] = names
  return replies
end

local function is_waited(q, id) return redis.call('HEXISTS', q.parents, id) == 1 end
