-- part: the words and numbers in which `records` is written. Apart, because an insert of one job needs no more of it: each
-- function of a script costs 0.1 µs in every call.

local sub, byte, char = string.sub, string.byte, string.char
local pack, unpack_bytes = struct.pack, struct.unpack

local BLOCKED, SCHEDULED, HELD, PENDING, RUNNING, RETRYING, COMPLETED, FAILED, CANCELLED, SKIPPED = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
local FIRST_TERMINAL = 6
local UNSETTLED = 255
local FAILURE, CRASH, RELEASE = 1, 2, 3
local STOPPING, RESULT, BACK, EXTRAS, ERRORS, LOGS, RULED, EDGED = 1, 2, 4, 8, 16, 32, 64, 128 -- flags
local SPENDS, GIVES, SHORT = 1, 2, 4 -- what claims and ends mean to the limits of a job; whether a name and a cost is all
local HAS_RECORD = 'r'
local WAITED = '+' -- a field of `running` where others wait for jobs of the queue, so that whoever ends some reads it on the way
local NOWHERE = '\0\0\0\0\0\0'
local NEVER = pack('<d', 0)
local NEW_COUNTERS = pack('<I4I4I4I4', 0, 0, 0, 0)

local function place_bytes(place) return pack('>I6', place) end
