-- verb: get
-- keys: sessions records record_names |
-- arguments: now, channel, then for each ask: 'k' and a name, or 'a' and the beginning of all names of a kind
-- reply: for each ask a list: name, record, name, record, …, sorted by name
-- include: time sessions

local replies = {}

local function add(list, name)
  local record = redis.call('HGET', shared.records, name)
  if record and not is_over(record) then
    list[#list + 1] = name
    list[#list + 1] = record
  end
end

for i = 3, #ARGV do
  local list, name = {}, string.sub(ARGV[i], 2)
  if string.sub(ARGV[i], 1, 1) == 'k' then
    add(list, name)
  else
    local beyond = string.sub(name, 1, -2) .. '\1'
    for _, found in ipairs(redis.call('ZRANGEBYLEX', shared.record_names, '[' .. name, '(' .. beyond)) do add(list, found) end
  end
  replies[#replies + 1] = list
end
return replies
