-- part: lets what ends jobs, or keeps a worker's sign of life, through to a server that is full.
--
-- Redis refuses a script the first command that may need memory, but none behind one that counts as a write and may not
-- (`scriptVerifyOOM` in its script.c; server.lua_write_dirty before 7.0). This one is such a write, of nothing.

local function write_even_if_full(key) redis.call('HDEL', key, '') end
